"""What the control table says of the steps: who began each and when, how far it is, what came of it.

    cleanup#STEP             one record a step
    cleanup-part#STEP#000007 how far one part of it has come (a segment, a file)

Whoever carries a step out owns its record. A later caller takes it over, and from then on the former one can write
neither a part nor a result. That needs no lease: whatever the two of them do to the data meanwhile is either the same
done twice (a condition looks at it first), or a file that no manifest will name.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass, fields, replace
from typing import Any, Final

from crossfade.control.calls import DONE, change_surely
from crossfade.control.record_items import text, write
from crossfade.control.records import PARTITION_KEY, SORT_KEY
from crossfade.control.store import Caller, Control
from crossfade.core.effects import Request, Routine, Stamp
from crossfade.core.items import Item
from crossfade.errors import Fenced, ServiceRejected

STEP_RECORDS: Final = "cleanup#"
PART_RECORDS: Final = "cleanup-part#"


@dataclass(frozen=True, slots=True)
class StepRecord:
    """`run` is a token: parts of an earlier run do not count. `facts` is a JSON object of texts."""

    step: str
    done: bool
    run: str
    owner: str
    who: str
    host: str
    pid: int
    facts: str
    started_at: str
    finished_at: str

    def fact(self, name: str) -> str:
        """Empty where it is not known."""
        found: dict[str, str] = json.loads(self.facts)
        return found.get(name, "")

    def all_facts(self) -> dict[str, str]:
        found: dict[str, str] = json.loads(self.facts)
        return found


@dataclass(frozen=True, slots=True)
class Part:
    """How far a part has come. `last_key` is an ExclusiveStartKey, or None; `result` is a JSON text of the step's."""

    step: str
    number: int
    run: str
    last_key: Item | None
    done: bool
    counts: dict[str, int]
    result: str


@dataclass(slots=True)
class Held:
    """A step that we own."""

    record: StepRecord
    resumed: bool


@dataclass(frozen=True, slots=True)
class Ledger:
    control: Control
    caller: Caller
    pid: int

    def steps(self) -> Routine[dict[str, StepRecord]]:
        """Return the records of the steps by name; none where there is no control table."""
        try:
            found = yield from self.control.records(StepRecord, STEP_RECORDS)
        except ServiceRejected as error:
            if error.code != "ResourceNotFoundException":
                raise
            return {}
        return {record.step: record for record in found}

    def begin(self, step: str, facts: Mapping[str, str], *, again: bool = False) -> Routine[Held]:
        """Own a step: go on with what was begun, or begin it. `facts` are for a new run; `again` wants one."""
        owner = yield from Stamp()
        while True:
            before = (yield from self.steps()).get(step)
            resumed = before is not None and not before.done and not again
            if before is not None and resumed:
                wanted = self._signed(replace(before, owner=owner))
            else:
                at = self.caller.clock()
                wanted = self._signed(StepRecord(step, False, owner, owner, "", "", 0, json.dumps(dict(facts)), at, ""))
            if (yield from self._put(wanted, before)):
                break
        if not resumed:
            yield from self._forget_parts(step)
        return Held(wanted, resumed)

    def parts(self, held: Held) -> Routine[dict[int, Part]]:
        found = yield from self.control.records(Part, f"{PART_RECORDS}{held.record.step}#")
        return {part.number: part for part in found if part.run == held.record.run}

    def save(self, held: Held, part: Part) -> Routine[None]:
        """Write a part, after the data that it stands for, while the step is ours. Fenced: it was taken over, stop."""
        owned: Request = {
            "TableName": self.control.table,
            "Key": self.control.key(STEP_RECORDS + part.step),
            "ConditionExpression": "#owner = :owner",
            "ExpressionAttributeNames": {"#owner": "owner"},
            "ExpressionAttributeValues": {":owner": text(held.record.owner)},
        }
        put = self._item_request(self._part_name(part.step, part.number), part)
        request: Request = {"TransactItems": [{"ConditionCheck": owned}, {"Put": put}]}
        if (yield from change_surely("TransactWriteItems", request)) != DONE:
            raise (yield from self._fenced(held))

    def note(self, held: Held, facts: Mapping[str, str]) -> Routine[None]:
        """More facts of a step that goes on."""
        yield from self._replace(held, replace(held.record, facts=_joined(held.record, facts)))

    def finish(self, held: Held, facts: Mapping[str, str]) -> Routine[None]:
        at = self.caller.clock()
        yield from self._replace(
            held, replace(held.record, done=True, facts=_joined(held.record, facts), finished_at=at)
        )
        yield from self._forget_parts(held.record.step)

    def part(self, held: Held, number: int) -> Part:
        """A part that has not begun."""
        record = held.record
        return Part(record.step, number, record.run, None, False, {}, "")

    # --- beneath

    def _signed(self, record: StepRecord) -> StepRecord:
        return replace(record, who=self.caller.who, host=self.caller.host, pid=self.pid)

    def _replace(self, held: Held, wanted: StepRecord) -> Routine[None]:
        if not (yield from self._put(wanted, held.record)):
            raise (yield from self._fenced(held))
        held.record = wanted

    def _put(self, wanted: StepRecord, before: StepRecord | None) -> Routine[bool]:
        """While the record is owned by whom it was; a second sending of ours finds ourselves."""
        request = self._item_request(STEP_RECORDS + wanted.step, wanted)
        names = {"#owner": "owner"}
        values: Item = {":owner": text(wanted.owner)}
        if before is None:
            condition = "attribute_not_exists(#record) OR #owner = :owner"
            names["#record"] = SORT_KEY
        else:
            condition = "#owner = :before OR #owner = :owner"
            values[":before"] = text(before.owner)
        request |= {
            "ConditionExpression": condition,
            "ExpressionAttributeNames": names,
            "ExpressionAttributeValues": values,
        }
        return (yield from change_surely("PutItem", request)) == DONE

    def _forget_parts(self, step: str) -> Routine[None]:
        for part in (yield from self.control.records(Part, f"{PART_RECORDS}{step}#")):
            yield from self.control.remove(self._part_name(step, part.number))

    def _fenced(self, held: Held) -> Routine[Fenced]:
        found = (yield from self.steps()).get(held.record.step)
        by = f"{found.who} on {found.host}, pid {found.pid}" if found is not None else "somebody who has removed it"
        return Fenced(f"the step {held.record.step} was taken over by {by}", next_step="leave it to that process")

    def _part_name(self, step: str, number: int) -> str:
        return f"{PART_RECORDS}{step}#{number:06d}"

    def _item_request(self, name: str, record: StepRecord | Part) -> Request:
        item: Item = {PARTITION_KEY: text(self.control.migration), SORT_KEY: text(name)}
        for field in fields(record):
            value: Any = getattr(record, field.name)
            if field.name == "last_key" and value is not None:
                item[field.name] = {"M": value}
            else:
                item[field.name] = write(value)
        return {"TableName": self.control.table, "Item": item}


def _joined(record: StepRecord, facts: Mapping[str, str]) -> str:
    return json.dumps({**record.all_facts(), **facts})
