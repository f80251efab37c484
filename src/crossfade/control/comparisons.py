"""What comparisons of reads have come to: counted with the lease, and what stays different told to the control table.

A difference that a comparison finds is a suspicion: the key may be written many times a second, or a mirror be late.
It is told when it has stayed the very same for some seconds (core/sync/lasting.py). Each is a record of its own, which
says which verify had begun last: that one may not have seen it, so its finding does not stand until the next one, or
until the client that told it sees both sides equal again and takes the record away.

A client tells of a few keys, and all clients of a hundred: more would say no more.
"""

from __future__ import annotations

import threading
from collections import Counter, deque
from collections.abc import Mapping
from dataclasses import dataclass
from hashlib import blake2b
from typing import Any, Final

from crossfade.control.calls import ask
from crossfade.control.record_items import difference_record
from crossfade.control.records import DIFFERENCES, DifferenceRecord, Job, JobRecord, Lease
from crossfade.control.store import Control
from crossfade.control.telling import told_key
from crossfade.core.effects import Routine, Today
from crossfade.core.items import Item
from crossfade.core.mapping.values import show_key
from crossfade.core.sync.compare import Difference, dated
from crossfade.core.sync.lasting import lasting_difference
from crossfade.core.tables.pair import Pair, key_name

OUTCOMES: Final = ("matching", "missing", "extra", "mismatched", "error")  # as the lease tells them
DIFFERENT: Final = ("missing", "extra", "mismatched")
SUSPECTS_MAX: Final = 20  # keys of one client that are looked at once more, at once
TOLD_MAX: Final = 20  # keys of one client that are told, and looked at again and again
RECORDS_MAX: Final = 100
LOOK_AGAIN_SECONDS: Final = 5.0
WINDOW_SECONDS: Final = 60.0  # of which it is told that comparisons fail
FAILING_PART: Final = 0.5  # of them: a few fail where a table is throttled


@dataclass(frozen=True, slots=True)
class _Moment:
    at: float  # monotonic
    outcomes: Mapping[str, int]


class Comparisons:
    """The comparisons of one process. `note` may be called on any thread, the rest on one."""

    def __init__(self, host: str, pid: int) -> None:
        self._host = host
        self._pid = pid
        self._lock = threading.Lock()
        self._outcomes: Counter[str] = Counter()
        self._last_error = ""
        self._window: deque[_Moment] = deque()
        self._suspects: dict[str, Item] = {}
        self._told: dict[str, Item] = {}
        self._looked_at = float("-inf")

    def note(self, facts: Mapping[str, Any]) -> None:
        """One comparison, as the event `compare` has it."""
        outcome, difference = str(facts["outcome"]), facts.get("difference")
        if outcome not in OUTCOMES:
            return
        with self._lock:
            self._outcomes[outcome] += 1
            if outcome == "error":
                self._last_error = error_word(str(facts.get("error", "")))
            if outcome in DIFFERENT and isinstance(difference, Difference) and len(self._suspects) < SUSPECTS_MAX:
                name = key_name(difference.source_key)
                if name not in self._told and len(self._told) + len(self._suspects) < TOLD_MAX:
                    self._suspects[name] = difference.source_key

    @property
    def outcomes(self) -> dict[str, int]:
        """How often each has come, of those that have."""
        with self._lock:
            return dict(self._outcomes)

    def failing(self, now: float) -> str:
        """Say that comparisons fail, where they mostly do of late; else "". `now` is monotonic; to be asked often."""
        outcomes = self.outcomes
        self._window.append(_Moment(now, outcomes))
        while len(self._window) > 1 and now - self._window[0].at > WINDOW_SECONDS:
            _ = self._window.popleft()
        before: Mapping[str, int] = self._window[0].outcomes if now > self._window[0].at else {}
        some = {outcome: count - before.get(outcome, 0) for outcome, count in outcomes.items()}
        failed, whole = some.get("error", 0), sum(some.values())
        if not failed or failed < FAILING_PART * whole:
            return ""
        return f"{failed:,} of {whole:,} comparisons failed in the last minute, the last one with {self._last_error}"

    def due(self, now: float) -> bool:
        """Whether there are keys to look at, `now` being monotonic seconds."""
        return bool(self._suspects) or (bool(self._told) and now - self._looked_at >= LOOK_AGAIN_SECONDS)

    def keys(self, now: float) -> dict[str, Item]:
        """The keys to look at now: those that are suspected, and those that were told."""
        self._looked_at = now
        with self._lock:
            suspects, self._suspects = self._suspects, {}
        return {**self._told, **suspects}

    def look(self, pair: Pair, control: Control, client: str, source_key: Item) -> Routine[None]:
        """Look at one key, and tell what stays different; or take back what was told, where it is equal now."""
        verify = yield from control.job(Job.VERIFY)
        if verify is None:
            return  # nothing stands yet that could be wrong
        difference = yield from lasting_difference(pair, source_key)
        if difference is not None:
            difference = yield from dated(pair, difference)
        name = key_name(source_key)
        if difference is None or difference.is_expiring:
            if self._told.pop(name, None) is not None:
                yield from forget_difference(control, source_key)
            return
        self._told[name] = source_key
        yield from tell_difference(
            control,
            source_key,
            difference.kind,
            seen_by="a comparison",
            client=client,
            host=self._host,
            pid=self._pid,
        )


def error_word(text: str) -> str:
    """Return the code or the kind of an error, without its words, which may hold a value."""
    word = text.partition(":")[0]
    return word if word.isidentifier() else "an error"


# --- records


def tell_difference(
    control: Control, source_key: Item, kind: str, *, seen_by: str, client: str, host: str, pid: int
) -> Routine[None]:
    """Have a difference that stays hold the gate until a verify begins."""
    verify = yield from control.job(Job.VERIFY)
    digest = digest_of(source_key)
    known = yield from control.records(DifferenceRecord, DIFFERENCES)
    if len(known) >= RECORDS_MAX and all(each.digest != digest for each in known):
        return  # enough of them hold it
    record = DifferenceRecord(
        digest, told_key(show_key(source_key)), kind, seen_by, (yield from Today()),
        client, host, pid, "" if verify is None else verify.run,
    )  # fmt: skip
    _ = yield from ask("PutItem", control.put(record))


def forget_difference(control: Control, source_key: Item) -> Routine[None]:
    """Both sides hold the same under the key again."""
    yield from control.remove(difference_record(digest_of(source_key)))


def read_differences(control: Control, verify: JobRecord | None) -> Routine[tuple[DifferenceRecord, ...]]:
    """What was seen since the last verify began, so that it may not know of it."""
    found = yield from control.records(DifferenceRecord, DIFFERENCES)
    run = "" if verify is None else verify.run
    return tuple(sorted((each for each in found if each.verify_run == run), key=lambda each: each.at))


def remove_differences(control: Control) -> Routine[None]:
    for each in (yield from control.records(DifferenceRecord, DIFFERENCES)):
        yield from control.remove(difference_record(each.digest))


def digest_of(source_key: Item) -> str:
    return blake2b(key_name(source_key).encode("utf-8", "surrogatepass"), digest_size=12).hexdigest()


def failing_of(leases: tuple[Lease, ...]) -> tuple[str, ...]:
    """Return whose comparisons fail, with the process: `web-1, pid 12: 107 of 116 comparisons failed ...`."""
    return tuple(f"{lease.host}, pid {lease.pid}: {lease.failing}" for lease in leases if lease.failing)
