"""A web server's part of the work: users log in, come back, and log out or stay away.

    python -m examples.sessions.web JOURNAL NUMBER STRATEGY

It looks for each session that it has written down, and ends with status 1 where one is not as it was, before its time.
"""

from __future__ import annotations

import random
import sys
import time
from importlib import import_module

import boto3

from crossfade import attach
from examples.play import Journal, Stop, plain
from examples.sessions.store import Session, Sessions

SECONDS = 12.0  # of a session; in earnest some hours
NEAR_SECONDS = 6.0  # so close to its time a session is not looked at: it may be over by the answer


class Web:
    """One server, whose sessions nobody else uses."""

    def __init__(self, sessions: Sessions, journal: Journal, number: int) -> None:
        self._sessions, self._journal, self._number = sessions, journal, number
        self._chance = random.Random(f"web {number}")
        self._known: dict[str, Session] = {}
        self.writes = 0

    def work(self) -> str:
        """One visit, and what was wrong about it."""
        self._known = {name: one for name, one in self._known.items() if one["ttl"] > time.time() + NEAR_SECONDS}
        if len(self._known) < 10 or self._chance.random() < 0.3:
            name = f"web-{self._number}-{self.writes:05d}"
            self._wrote(name, self._sessions.log_in(name, f"user {self._chance.randrange(100)}"))
            return ""
        name = self._chance.choice(sorted(self._known))
        found = self._sessions.find(name)
        if plain(found) != plain(self._known[name]):
            return f"{name}: found {found}, not {self._known[name]}"
        if self._chance.random() < 0.2:
            self._sessions.log_out(name)
            self._wrote(name, None)
        elif self._chance.random() < 0.5:
            used = self._sessions.use(name)
            if used is None:
                return f"{name} was gone before its time"
            self._wrote(name, used)
        return ""

    def _wrote(self, name: str, session: Session | None) -> None:
        self.writes += 1
        self._journal.write(name, session)
        if session is None:
            del self._known[name]
        else:
            self._known[name] = session


def main(journal_file: str, number: int, strategy: str) -> int:
    table = boto3.resource("dynamodb").Table("sessions")
    attach(table, import_module(f"examples.sessions.{strategy}").migration)  # the one line
    stop = Stop()
    with Journal(journal_file) as journal:
        web = Web(Sessions(table, SECONDS), journal, number)
        if stop.until_wrong(web.work):
            return 1
    print(f"{web.writes:,} writes, and every session was there until its time")
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1], int(sys.argv[2]), sys.argv[3]))
