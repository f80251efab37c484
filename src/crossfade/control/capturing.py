"""Where a capture of the source's log goes on from: a record that one process at a time may write.

A position is written after all before it is safe where it was handed to. Whoever takes the record over goes on from
what it finds; the one before can write it no more, and what both have handed on has the same versions.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass, replace

from crossfade.control.calls import DONE, change_surely
from crossfade.control.record_items import capture_record, from_item, number, text
from crossfade.control.records import CAPTURES, SCHEMA, SORT_KEY, CaptureRecord, SchemaRecord
from crossfade.control.store import Control
from crossfade.core.effects import Request, Routine, Stamp
from crossfade.core.items import Item
from crossfade.errors import Fenced


@dataclass(frozen=True, slots=True)
class Captures:
    """The record of one capture. `clock` gives the wall-clock time as people read it."""

    control: Control
    name: str
    clock: Callable[[], str]

    def found(self) -> Routine[CaptureRecord | None]:
        """The record as it is now, for whoever only looks."""
        items = yield from self.control.items(CAPTURES)
        named = [item for item in items if item[SORT_KEY]["S"] == capture_record(self.name)]
        return from_item(CaptureRecord, named[0]) if named else None

    def take(self) -> Routine[CaptureRecord]:
        """Become the one that writes it. Its position is "" where there has been none."""
        owner = yield from Stamp()
        while True:
            found = yield from self.found()
            if found is None:
                wanted = CaptureRecord(self.name, owner, 1, "", "", self.clock(), owner)
                request = self.control.put_new(wanted)
            elif found.owner == owner:
                return found  # an earlier sending of the same
            else:
                wanted = replace(found, owner=owner, serial=found.serial + 1, saved_at=self.clock())
                request = self.control.put(wanted) | condition(found.owner, "=", found.serial)
            if (yield from change_surely("PutItem", request)) == DONE:
                return wanted

    def save(self, record: CaptureRecord) -> Routine[CaptureRecord]:
        """The next state of it. Raises Fenced where another one has taken it."""
        saved = replace(record, serial=record.serial + 1, saved_at=self.clock())
        request = self.control.put(saved) | condition(saved.owner, "<=", saved.serial)
        if (yield from change_surely("PutItem", request)) != DONE:
            raise Fenced(
                f"another process captures {self.name} of migration {self.control.migration} by now",
                next_step="leave it to that one",
            )
        return saved


def read_schema(control: Control) -> Routine[SchemaRecord | None]:
    """Return the last change of a table's columns that the log has told; None where it has told none."""
    return schema_among((yield from control.items(CAPTURES)))


def schema_among(items: Iterable[Item]) -> SchemaRecord | None:
    """Return it where it is among the records of captures."""
    return next((from_item(SchemaRecord, item) for item in items if item[SORT_KEY]["S"] == SCHEMA), None)


def put_schema(control: Control, record: SchemaRecord) -> Routine[None]:
    """Keep it, before the position behind it is kept: whoever reads it again puts the same."""
    _ = yield from change_surely("PutItem", control.put(record))


def condition(owner: str, comparison: str, serial: int) -> Request:
    return {
        "ConditionExpression": f"#owner = :owner AND #serial {comparison} :serial",
        "ExpressionAttributeNames": {"#owner": "owner", "#serial": "serial"},
        "ExpressionAttributeValues": {":owner": text(owner), ":serial": number(serial)},
    }
