"""A counter in the shop: members join, earn points and leave, and each is looked at before and after.

    python -m examples.another_region.counter JOURNAL FIRST MEMBERS

Every second member from FIRST (0 or 1) is this counter's: nobody else writes it. Each acknowledged write is written
down, with what there then is. Ends with status 1 when an answer showed anything else.
"""

from __future__ import annotations

import random
import sys
import time
from typing import Any

from crossfade.errors import Held
from crossfade.switch import Switch
from examples.another_region.behind import members_switch
from examples.play import Journal, Stop

PAUSE_SECONDS = 0.05


class Wrong(Exception):
    """An answer that nobody had given cause for."""


def member_of(number: int) -> str:
    return f"member-{number:05}"


def seeded(number: int) -> dict[str, Any] | None:
    """What there is of a member when the counters open; every third one is yet to join."""
    return None if number % 3 == 2 else {"name": f"Member {number}", "points": number}


class Counter:
    def __init__(self, members: Switch, journal: Journal, first: int, count: int) -> None:
        self._members = members
        self._journal = journal
        self._numbers = range(first, count, 2)
        self._known = {member_of(number): seeded(number) for number in self._numbers}
        self._chance = random.Random(first)
        self.writes = 0
        self.longest_seconds = 0.0

    def work(self) -> None:
        """One write, with a look before and after it. Raises Wrong."""
        number = self._chance.choice(self._numbers)
        member = member_of(number)
        self._look(member)
        began = time.monotonic()
        after = self._write(member, number)
        self.longest_seconds = max(self.longest_seconds, time.monotonic() - began)
        self._journal.write(member, after)
        self._known[member] = after
        self.writes += 1
        self._look(member)

    def _write(self, member: str, number: int) -> dict[str, Any] | None:
        known = self._known[member]
        if known is None:
            self._members.join(member, f"Member {number}")
            return {"name": f"Member {number}", "points": 0}
        if self._chance.random() < 0.2:
            self._members.leave(member)
            return None
        more = self._chance.randint(1, 50)
        wanted, told = known["points"] + more, self._members.earn(member, more)
        if told != wanted:
            raise Wrong(f"{member}: {known['points']} points and {more} more are {wanted}, and it said {told}")
        return known | {"points": told}

    def _look(self, member: str) -> None:
        found = self._members.find(member)
        if found != self._known[member]:
            raise Wrong(f"{member}: {self._known[member]} was to be read, and it was {found}")


def main(file: str, first: int, count: int) -> int:
    stop = Stop()
    with members_switch() as members, Journal(file) as journal:
        counter = Counter(members, journal, first, count)
        while not stop.wait(PAUSE_SECONDS):
            try:
                counter.work()
            except (Wrong, Held) as error:
                print(f"wrong: {error}")
                return 1
        counts = members.counts()
    compared = counts.get("compare.matching", 0)
    print(
        f"{counter.writes:,} writes, each seen by the next read, the longest took {counter.longest_seconds:.1f} s;"
        f" {compared:,} reads compared and equal"
    )
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1], int(sys.argv[2]), int(sys.argv[3])))
