"""Calls that are served now and refused later: counted by each client, told to the control table, a gate of `complete`.
Of those that are served there too, but more slowly, or should not span a move, `status` warns; no gate asks for them.

A client keeps a sum and a time for each kind. A report is one transaction every few seconds at most, with a token of
its own, so that one whose answer was lost is sent again as it was and counts once.
"""

from __future__ import annotations

import threading
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from hashlib import blake2b
from typing import Any, Final

from crossfade.control.calls import change
from crossfade.control.fallbacks import DAY_SECONDS, REPORT_SECONDS, moment
from crossfade.control.record_items import from_item, record_name, write
from crossfade.control.records import REFUSALS, SORT_KEY, STATE, RefusalRecord
from crossfade.control.store import Control
from crossfade.core.effects import Request, Routine, Stamp, Today
from crossfade.core.foresight import Foreseen
from crossfade.core.stages import Stage
from crossfade.errors import UnknownOutcome

KINDS_MAX: Final = 50  # of one client: each is a place in a program, to be looked at by a person; and one report


@dataclass(frozen=True, slots=True)
class Refusals:
    """The records, the last seen first, read at one moment: `today`, in seconds since 1970."""

    kinds: tuple[RefusalRecord, ...]
    today: int

    def of(self, stage: Stage) -> tuple[RefusalRecord, ...]:
        """Return the kinds of calls that a stage refuses."""
        return tuple(kind for kind in self.kinds if stage in kind.refused_in)

    def as_json(self) -> list[dict[str, Any]]:
        """Return the kinds for JSON, with times as text."""
        return [asdict(kind) | {"stages": kind.stage_names, "last_at": moment(kind.last_at)} for kind in self.kinds]


def opens_at(kinds: Sequence[RefusalRecord], days: int) -> int:
    """When so many days have passed since the last of these calls, if none comes."""
    return max(kind.last_at for kind in kinds) + days * DAY_SECONDS


def read_refusals(control: Control) -> Routine[Refusals]:
    items = yield from control.items(REFUSALS)
    kinds = sorted((from_item(RefusalRecord, item) for item in items), key=lambda kind: (-kind.last_at, kind.kind))
    today = yield from Today()
    return Refusals(tuple(kinds), today)


def remove_refusals(control: Control) -> Routine[None]:
    for item in (yield from control.items(REFUSALS)):
        yield from control.remove(item[SORT_KEY]["S"])


def kind_of(foreseen: Foreseen) -> str:
    told = "\n".join((foreseen.operation, foreseen.table, foreseen.index, *foreseen.stages))
    told += "\nserved" if foreseen.is_served else ""
    told += "\nslow" if foreseen.is_slow else ""
    return blake2b(told.encode(), digest_size=8).hexdigest()


class ForeseenRefusals:
    """The refusals that one process foresees and did not report yet. `seen` may be called from any thread."""

    def __init__(self, host: str, pid: int) -> None:
        self._host = host
        self._pid = pid
        self._lock = threading.Lock()
        self._known: set[str] = set()
        self._untold: dict[str, RefusalRecord] = {}
        self._report: tuple[str, tuple[RefusalRecord, ...]] | None = None  # its token; sent, perhaps carried out
        self._told_at = float("-inf")

    @property
    def untold(self) -> bool:
        return bool(self._untold) or self._report is not None

    def seen(self, client: str, foreseen: Foreseen, at: int, count: int = 1) -> bool:
        """Count calls; whether they are the first of their kind. `at` is seconds since 1970."""
        kind = kind_of(foreseen)
        with self._lock:
            first = kind not in self._known
            if first and len(self._known) >= KINDS_MAX:
                return False
            self._known.add(kind)
            former = self._untold.get(kind)
            self._untold[kind] = RefusalRecord(
                kind=kind,
                operation=foreseen.operation,
                table=foreseen.table,
                index=foreseen.index,
                stages=", ".join(foreseen.stages),
                reason=foreseen.reason,
                next_step=foreseen.next_step,
                count=count if former is None else former.count + count,
                last_at=at,
                client=client,
                host=self._host,
                pid=self._pid,
                is_served=foreseen.is_served,
                is_slow=foreseen.is_slow,
            )
            return first

    def due(self, now: float) -> bool:
        """Whether a report should be made, `now` being monotonic seconds."""
        return self.untold and now - self._told_at >= REPORT_SECONDS

    def tell(self, control: Control, now: float) -> Routine[None]:
        """Report what there is. One at a time; what could not be told is kept for the next. Raises DatabaseError."""
        self._told_at = now
        if self._report is None:
            token = yield from Stamp()
            with self._lock:
                if not self._untold:
                    return
                self._report, self._untold = (token, tuple(self._untold.values())), {}
        token, records = self._report
        actions = [_still_there(control), *({"Update": _adding(control, record)} for record in records)]
        try:  # it is refused where the migration was cancelled: then nobody asks any more
            _ = yield from change("TransactWriteItems", {"TransactItems": actions, "ClientRequestToken": token})
        except UnknownOutcome:
            return  # the same again, with the same token
        self._report = None


def _still_there(control: Control) -> Request:
    return {
        "ConditionCheck": {
            "TableName": control.table,
            "Key": control.key(STATE),
            "ConditionExpression": "attribute_exists(#record)",
            "ExpressionAttributeNames": {"#record": SORT_KEY},
        }
    }


def _adding(control: Control, record: RefusalRecord) -> Request:
    fields = {name: value for name, value in asdict(record).items() if name != "count"}
    return {
        "TableName": control.table,
        "Key": control.key(record_name(record)),
        "UpdateExpression": "ADD #count :count SET " + ", ".join(f"#{name} = :{name}" for name in fields),
        "ExpressionAttributeNames": {"#count": "count", **{f"#{name}": name for name in fields}},
        "ExpressionAttributeValues": {
            ":count": write(record.count),
            **{f":{name}": write(value) for name, value in fields.items()},
        },
    }
