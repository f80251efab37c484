"""The invariants of the protocol, checked on what the applications were told and on what the tables hold.

lost writes, items that came back, linearizability    histories.py's record, item by item
equality at rest                                      the tables themselves, both directions
callers never wait for the other side                 the calls of every caller's routine, as they are sent
mirrors are lost only where that is reported          equality at rest, wherever the state says "verified"
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field, replace
from typing import Any

from crossfade.core.effects import Call
from crossfade.core.items import Item
from crossfade.core.request.names import table_names
from crossfade.core.stages import Row, Stage, Writes
from crossfade.core.tables.pair import Pair
from crossfade.core.tables.stamps import Stored
from crossfade.sim.history import History, KeyName, Operation
from crossfade.sim.linearizability import Stuck, linearize
from crossfade.sim.model import PUTS, Action, State
from crossfade.sim.network import READS
from crossfade.sim.processes import Task
from crossfade.sim.snapshots import torn
from crossfade.sim.tables import Database
from crossfade.sim.world import World


@dataclass(frozen=True, slots=True)
class Violation:
    """One invariant that did not hold. `keys` are the items concerned; `details` are lines for people."""

    invariant: str
    what: str
    keys: tuple[str, ...] = ()
    details: tuple[str, ...] = ()


# --- what applications were told -------------------------------------------------------------------------------------

FORGETFUL = PUTS | {"delete", "delete_if"}  # these may drop tokens by right


def answers(history: History) -> list[Violation]:
    """Whether every answer, and every final state, is that of one plain table, item by item.

    The last operation of each item is a strongly consistent read of what is there at rest.
    """
    found: list[Violation] = []
    history = replace(history, operations=[*history.missing(), *history.operations])
    for key in history.initial:
        operations = history.of(key)
        violation = (
            odd_answer(key, operations)
            or lost_write(key, operations)
            or came_back(key, operations)
            or not_linearizable(key, operations, history.initial[key])
        )
        if violation is not None:
            found.append(violation)
    return found or [*not_whole(history), *shown_twice(history)]


def not_whole(history: History) -> Iterator[Violation]:
    """A transaction of which only a part is to be seen."""
    found = torn(history)
    if found is None:
        return
    reads, after, before = found.snapshot, found.after, found.before
    details = [f"{spell(each, each.action)} {label(each.key)} -> {each.answer}" for each in (*reads, after, before)]
    yield Violation(
        "a transaction is seen as a whole or not at all",
        f"read together: {label(after.key)} with {after.action.token} in it, and {label(before.key)} as it was before"
        f" {before.action.name} {before.action.token}",
        (label(after.key), label(before.key)),
        tuple(details),
    )


def shown_twice(history: History) -> Iterator[Violation]:
    """Pages that show an item twice, though nobody has deleted it meanwhile, so that it may have been put elsewhere."""
    for repeated in history.repeated:
        if not history.has_moved(repeated.key, repeated.begun, repeated.ended, moves=repeated.moves):
            what = f"{repeated.who} was shown {label(repeated.key)} on two pages of one walk"
            yield Violation("a walk shows each item once", what, (label(repeated.key),))


def odd_answer(key: KeyName, operations: list[Operation]) -> Violation | None:
    for operation in operations:
        if operation.answer is not None and operation.answer[0] == "odd":
            what = f"{operation.who} was told of {operation.action.name}: {operation.answer[1]}"
            return Violation("answers are those of one plain table", what, (label(key),))
    return None


def lost_write(key: KeyName, operations: list[Operation]) -> Violation | None:
    """A token whose append was acknowledged and that nothing had a right to drop is in the final read."""
    if any(operation.action.name in FORGETFUL and not operation.void for operation in operations):
        return None  # the general check decides
    final = final_state(operations)
    kept = set(final[1]) if final is not None else set[str]()
    appends = ("append", "append_if", "log")
    acknowledged = [o for o in operations if o.action.name in appends and o.action.is_write and is_done(o)]
    lost = [operation.action.token for operation in acknowledged if operation.action.token not in kept]
    if not lost:
        return None
    return Violation("no acknowledged write is lost", f"tokens missing at rest: {', '.join(lost)}", (label(key),))


def came_back(key: KeyName, operations: list[Operation]) -> Violation | None:
    """An item is not there at rest if it was deleted after everything that could have made it had ended."""
    if final_state(operations) is None:
        return None
    deletes = [o for o in operations if o.action.name == "delete" and o.action.is_write and is_done(o)]
    last = max((o.called for o in deletes), default=None)
    if last is None:
        return None
    makers = [o for o in operations if o.action.is_write and not o.action.name.startswith("delete") and not o.void]
    if any(o.answered is None or o.twice or o.answered > last for o in makers):
        return None
    return Violation("no deleted item comes back", "an item is there at rest that was deleted last", (label(key),))


def is_done(operation: Operation) -> bool:
    return operation.answer is not None and operation.answer[0] == "ok"


def final_state(operations: list[Operation]) -> State:
    """What the last read, at rest, has found."""
    last = operations[-1]
    if last.action.name != "get" or last.answer is None:
        raise AssertionError("a history ends with a read at rest")
    state: State = last.answer[1]
    return state


def not_linearizable(key: KeyName, operations: list[Operation], initial: State) -> Violation | None:
    events = [event for operation in operations for event in operation.events()]
    stuck = linearize(events, initial)
    if stuck is None:
        return None
    return Violation(
        "the history of an item is that of one plain item",
        f"{len(stuck.order)} of {len(events)} operations can be put in order, and then none can follow",
        (label(key),),
        tuple(explain(stuck, operations)),
    )


def explain(stuck: Stuck, operations: list[Operation]) -> list[str]:
    times = {(operation.called, operation.answered): operation for operation in operations}
    times |= {
        (operation.since, operation.answered): operation for operation in operations if operation.since is not None
    }
    lines = ["the end of the longest order:"]
    lines += [
        f"    {spell(times.get((event.called, event.answered)), event.action)} -> {event.answer}"
        for event in stuck.order[-6:]
    ]
    lines.append(f"then the item would be {stuck.state}, and next could come, but would have answered otherwise:")
    for event in stuck.blocked:
        would = event.action.apply(stuck.state)[0]
        lines.append(
            f"    {spell(times.get((event.called, event.answered)), event.action)} -> {event.answer}, not {would}"
        )
    return lines


def spell(operation: Operation | None, action: Action) -> str:
    name = f"{action.name} {action.token}".strip()
    if operation is None:
        return name
    until = "?" if operation.answered_at is None else f"{operation.answered_at:.3f}"
    return f"{operation.called_at:9.3f} to {until:>9} s  {operation.who:8} {name}"


def label(key: KeyName) -> str:
    return f"{key[0]}/{key[1]}"


# --- what the tables hold --------------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Unequal:
    """One key under which the two sides differ."""

    key: str
    source: Item | None
    target: Item | None


def differences(
    database: Database, pair: Pair, agreed: Callable[[Stored, Stored], bool] | None = None
) -> list[Unequal]:
    """Every key for which target == mapping(source) does not hold, both directions; or what else both are to be."""
    source, target = database.tables[pair.source.name], database.tables[pair.target.name]
    found: list[Unequal] = []
    keys: dict[str, Item] = {}
    for item in source.items.values():
        key = pair.source_key(item)
        keys[name_of(key)] = key
    for item in target.items.values():
        key = pair.source_key(pair.mapping.backward(item))
        keys[name_of(key)] = key
    for name in sorted(keys):
        key = keys[name]
        here = source.items.get(source.key(key))
        there = target.items.get(target.key(pair.key("target", key)))
        if not (agreed or pair.equal)(pair.stored("source", here), pair.stored("target", there)):
            found.append(Unequal(name, here, there))
    return found


def name_of(key: Item) -> str:
    return "/".join(str(next(iter(value.values()))) for value in key.values())


# --- who waits for what ----------------------------------------------------------------------------------------------


@dataclass(slots=True)
class Waits:
    """A watcher: no caller's routine may ask the side that its answer does not come from."""

    world: World
    pair: Pair
    rows: Mapping[Stage, Row]
    found: list[Violation] = field(default_factory=list[Violation])
    _sides: dict[int, str] = field(default_factory=dict[int, str])

    def sent(self, task: Task, call: Call) -> None:
        if task.kind != "caller" or not task.stage or self.found:
            return  # without a ticket, and so without a stage, a read passes through
        row = self.rows[Stage(task.stage)]
        operation = "" if task.scope.forward is None else task.scope.forward.operation
        writes = operation not in ("", *READS)
        if row.merges or call.place == "control" or operation == "Scan" or queries_index(task):
            return  # a page that goes on in the order of one side takes the items from the other
        if call.operation == "DescribeTable":
            return  # once in the life of a process
        if writes and (row.writes is Writes.LOCKSTEP or takes_both(row, task)):
            return
        if writes and self.pair.mapping.target_key_extras:
            return  # whether the item that has this key is another one is looked up, too
        tables = {
            name
            for name in table_names(call.operation, call.request)
            if name in (self.pair.source.name, self.pair.target.name)
        }
        table = ", ".join(sorted(tables))
        # Of a read, the first call says who serves it.
        allowed = self.pair.table(row.authority).name if writes else self._sides.setdefault(id(task), table)
        if table != allowed:
            what = f"{task.name} in {task.stage} sent {call.operation} to {table or 'both tables'}"
            self.found.append(Violation("a mirror or a shadow read never delays the caller", what, task.keys))

    def landed(self, task: Task, call: Call, outcome: object, late: str) -> None:
        del task, call, outcome, late

    def ended(self, task: Task, outcome: object) -> None:
        del outcome
        _ = self._sides.pop(id(task), None)

    def noted(self, who: str, name: str, facts: dict[str, Any]) -> None:
        del who, name, facts


def queries_index(task: Task) -> bool:
    return task.scope.forward is not None and "IndexName" in task.scope.forward.request


def takes_both(row: Row, task: Task) -> bool:
    if row.writes is not Writes.DELETING or task.scope.forward is None:
        return False
    call = task.scope.forward
    if call.operation == "BatchWriteItem":
        return any("DeleteRequest" in entry for of in call.request["RequestItems"].values() for entry in of)
    if call.operation == "TransactWriteItems":
        return any("Delete" in action for action in call.request["TransactItems"])
    return call.operation == "DeleteItem"
