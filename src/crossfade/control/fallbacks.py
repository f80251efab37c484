"""What rampdown finds in the source alone: counted by each client, and told to the control table every few seconds.

However many hits there are, a client keeps a sum and a few samples, and a report is one transaction. It has a token of
its own, so that one whose answer was lost is sent again as it was and counts once: the service remembers tokens for ten
minutes. https://docs.aws.amazon.com/amazondynamodb/latest/APIReference/API_TransactWriteItems.html
"""

from __future__ import annotations

import threading
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from hashlib import blake2b
from typing import Any, Final

from crossfade.control.calls import DONE, change
from crossfade.control.record_items import fallback_record, from_item, number
from crossfade.control.records import FALLBACK, SORT_KEY, FallbackSample, FallbackTotal
from crossfade.control.store import Control
from crossfade.control.telling import told_key
from crossfade.core.effects import Request, Routine, Stamp, Today
from crossfade.core.items import Item
from crossfade.core.mapping.values import show_key
from crossfade.core.tables.pair import key_name
from crossfade.errors import UnknownOutcome

SLOTS: Final = 8  # samples kept of all clients together: enough to see what is wrong
REPORT_SECONDS: Final = 5.0  # between two reports of one client; the first one goes at once
DAY_SECONDS: Final = 86_400


@dataclass(frozen=True, slots=True)
class Fallbacks:
    """The records, read at one moment. `today` is then, in seconds since 1970."""

    total: FallbackTotal
    samples: tuple[FallbackSample, ...]
    today: int

    @property
    def last_at(self) -> int:
        """The time of the last hit; 0 for none."""
        return self.total.last_at

    @property
    def quiet_since(self) -> int:
        return max(self.total.since, self.last_at)

    def opens_at(self, quiet_days: int) -> int:
        """When so many days have passed without a hit, if none comes."""
        return self.quiet_since + quiet_days * DAY_SECONDS

    def as_json(self) -> dict[str, Any]:
        """Return the hits for JSON, with times as text."""
        return {
            "count": self.total.count,
            "since": moment(self.total.since),
            "last_at": moment(self.last_at) if self.last_at else "",
            "samples": [
                {
                    "key": sample.key,
                    "at": moment(sample.at),
                    "outcome": sample.outcome,
                    "client": sample.client,
                    "host": sample.host,
                    "pid": sample.pid,
                }
                for sample in self.samples
            ],
        }


def moment(at: int) -> str:
    """`2026-11-22T16:05:10+00:00`, from seconds since 1970."""
    return datetime.fromtimestamp(at, UTC).isoformat(timespec="seconds")


def read_fallbacks(control: Control) -> Routine[Fallbacks | None]:
    """None where rampdown has not been entered."""
    items = yield from control.items(FALLBACK)
    totals = [from_item(FallbackTotal, item) for item in items if item[SORT_KEY]["S"] == FALLBACK]
    samples = [from_item(FallbackSample, item) for item in items if item[SORT_KEY]["S"] != FALLBACK]
    if not totals:
        return None
    today = yield from Today()
    return Fallbacks(totals[0], tuple(sorted(samples, key=lambda sample: -sample.at)), today)


def fallback_records() -> tuple[str, ...]:
    """The names of all there may be."""
    return (FALLBACK, *(fallback_record(slot) for slot in range(SLOTS)))


def begin_counting(control: Control, today: int) -> tuple[Request, ...]:
    """Actions of the transaction that enters rampdown: from now on, and from nothing."""
    gone = [{"Delete": control.delete(fallback_record(slot))} for slot in range(SLOTS)]
    return ({"Put": control.put(FallbackTotal(0, today, 0))}, *gone)


@dataclass(frozen=True, slots=True)
class _Report:
    token: str
    count: int
    last_at: int
    samples: Sequence[FallbackSample]


class FallbackHits:
    """The fallback hits of one process that were not reported yet. `hit` may be called from any thread."""

    def __init__(self, host: str, pid: int) -> None:
        self._host = host
        self._pid = pid
        self._lock = threading.Lock()
        self._count = 0
        self._last_at = 0
        self._samples: dict[int, FallbackSample] = {}
        self._report: _Report | None = None  # sent, perhaps carried out
        self._told_at = float("-inf")

    @property
    def untold(self) -> bool:
        return bool(self._count) or self._report is not None

    def hit(self, client: str, source_key: Item, at: int, outcome: str) -> None:
        """`at` is seconds since 1970."""
        slot = blake2b(key_name(source_key).encode(), digest_size=4).digest()[0] % SLOTS
        sample = FallbackSample(slot, told_key(show_key(source_key)), at, outcome, client, self._host, self._pid)
        with self._lock:
            self._count += 1
            self._last_at = max(self._last_at, at)
            self._samples[slot] = sample

    def due(self, now: float) -> bool:
        """Whether a report should be made, `now` being monotonic seconds."""
        return self.untold and now - self._told_at >= REPORT_SECONDS

    def tell(self, control: Control, now: float) -> Routine[None]:
        """Report what there is. One at a time; what could not be told is kept for the next. Raises DatabaseError."""
        self._told_at = now
        report = self._report
        if report is None:
            token = yield from Stamp()
            with self._lock:
                if not self._count:
                    return
                report = _Report(token, self._count, self._last_at, tuple(self._samples.values()))
                self._report, self._count, self._samples = report, 0, {}
        try:
            if (yield from change("TransactWriteItems", _latest(control, report))) != DONE:
                # A later hit was told before, or nobody counts (any more), as after a cancel; then this fails as well.
                _ = yield from change("TransactWriteItems", _late(control, report))
        except UnknownOutcome:
            return  # the same again, with the same token
        self._report = None


def _latest(control: Control, report: _Report) -> Request:
    """The sum, the time and the samples of a report that has the last hit of all."""
    counting = _counting(control, report, "ADD #count :count SET #last = :last", "#last <= :last")
    puts = [{"Put": control.put(sample)} for sample in report.samples]
    return {"TransactItems": [counting, *puts], "ClientRequestToken": report.token}


def _late(control: Control, report: _Report) -> Request:
    """The sum alone."""
    counting = _counting(control, report, "ADD #count :count", "#last > :last")
    return {"TransactItems": [counting], "ClientRequestToken": f"{report.token}-l"}


def _counting(control: Control, report: _Report, update: str, condition: str) -> Request:
    return {
        "Update": {
            "TableName": control.table,
            "Key": control.key(FALLBACK),
            "UpdateExpression": update,
            "ConditionExpression": condition,
            "ExpressionAttributeNames": {"#count": "count", "#last": "last_at"},
            "ExpressionAttributeValues": {":count": number(report.count), ":last": number(report.last_at)},
        }
    }
