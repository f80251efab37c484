"""Who reads the change streams, how far it has come, and how far behind it is.

A report and the positions that it stands for are written together, one transaction after the other and never two at
once. Each is conditional on its owner, so whoever has been replaced can write nothing any more.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Final

from crossfade.control.calls import DONE, change_surely
from crossfade.control.record_items import number, reader_record, record_name, text
from crossfade.control.records import Lease, Reader, ShardPosition, StreamReader
from crossfade.control.store import Control
from crossfade.core.effects import Request, Routine
from crossfade.errors import Fenced

# A transaction takes 100 actions; one of them is the report.
# https://docs.aws.amazon.com/amazondynamodb/latest/APIReference/API_TransactWriteItems.html
POSITIONS_A_TRANSACTION: Final = 99
LAG_SECONDS_MAX: Final = 10.0  # less than a stage move takes anyway
REPORT_BEATS_MAX: Final = 20  # a report comes every few beats


@dataclass(frozen=True, slots=True)
class Replication:
    """The last report of a replication, and the lease of whoever made it; None when that has ended."""

    report: StreamReader
    lease: Lease | None

    @classmethod
    def read(cls, control: Control) -> Routine[Replication | None]:
        report = yield from control.reader(Reader.REPLICATION)
        if report is None:
            return None
        return cls(report, (yield from control.lease(report.owner)))


def take_reader(control: Control, wanted: StreamReader, found: StreamReader | None) -> Routine[bool]:
    """Become the reader in the place of what was found. False: that has changed meanwhile; look again."""
    if found is None:
        request = control.put_new(wanted)
    else:
        request = control.put(wanted) | {
            "ConditionExpression": "#owner = :owner AND #serial = :serial",
            "ExpressionAttributeNames": {"#owner": "owner", "#serial": "serial"},
            "ExpressionAttributeValues": {":owner": text(found.owner), ":serial": number(found.serial)},
        }
    if (yield from change_surely("PutItem", request)) == DONE:
        return True
    return (yield from control.reader(wanted.reader)) == wanted  # an earlier sending of the same


def save_reader(
    control: Control,
    report: StreamReader,
    changed: Sequence[ShardPosition],
    gone: Sequence[ShardPosition],
    *,
    known_since: int,
) -> Routine[StreamReader]:
    """Write positions after what they stand for was dealt with. Raises Fenced when somebody else is the reader now.

    `known_since`: what the record says until all of them are written: a shard whose position is still to come is not
    known before that.
    """
    actions: list[Request] = [{"Put": control.put(position)} for position in changed]
    actions += [{"Delete": control.delete(record_name(position))} for position in gone]
    saved = report
    for start in range(0, max(1, len(actions)), POSITIONS_A_TRANSACTION):
        is_last = start + POSITIONS_A_TRANSACTION >= len(actions)
        discovered_at = report.discovered_at if is_last else known_since
        saved = replace(saved, serial=saved.serial + 1, discovered_at=discovered_at)
        put = control.put(saved) | {
            "ConditionExpression": "#owner = :owner AND #run = :run AND #serial <= :serial",
            "ExpressionAttributeNames": {"#owner": "owner", "#run": "run", "#serial": "serial"},
            "ExpressionAttributeValues": {
                ":owner": text(saved.owner),
                ":run": text(saved.run),
                ":serial": number(saved.serial),
            },
        }
        some = actions[start : start + POSITIONS_A_TRANSACTION]
        if (yield from change_surely("TransactWriteItems", {"TransactItems": [{"Put": put}, *some]})) != DONE:
            raise (yield from _replaced(control, saved))
    return saved


def forget_reader(control: Control, reader: Reader) -> Routine[None]:
    """Remove its report and its positions."""
    yield from control.remove(reader_record(reader))
    for position in (yield from control.positions(reader)):
        yield from control.remove(record_name(position))


def _replaced(control: Control, report: StreamReader) -> Routine[Fenced]:
    found = yield from control.reader(report.reader)
    if found is None:
        return Fenced(f"the {report.reader} was ended, or the migration went back to off", next_step="crossfade status")
    return Fenced(
        f"another {report.reader} was started by {found.who} on {found.host}, pid {found.pid}",
        next_step="leave it to that process",
    )
