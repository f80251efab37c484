"""A replay that people can read: virtual time, process, what it was doing, the call, and what came of it."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, cast

from crossfade.core.effects import Call, Request
from crossfade.core.items import AttributeValue, Item
from crossfade.core.tables.pair import Pair, key_name
from crossfade.errors import CrossfadeError
from crossfade.sim.outcome import requests_in
from crossfade.sim.processes import Task
from crossfade.sim.world import World

# Events of processes as a whole, which matter to every item.
ALWAYS = frozenset(
    {"crash", "pause", "goes on", "slow", "cut off", "stage_entered", "fenced", "joined", "left", "client_gone",
     "moved", "mirror_lost", "operator", "job", "heal", "at rest"}
)  # fmt: skip


@dataclass(slots=True)
class Trace:
    """A watcher that prints. `keys`: the items to show, or None for all and the control plane too."""

    world: World
    write: Callable[[str], None]
    keys: frozenset[str] | None
    items_of: Callable[[Call], tuple[str, ...]]

    def sent(self, task: Task, call: Call) -> None:
        del task, call

    def landed(self, task: Task, call: Call, outcome: object, late: str) -> None:
        if not self._concerns(task, call):
            return
        remark = f"  ({late})" if late else ""
        made = f"{call.place}.{call.operation}{arguments(call.operation, call.request)}"
        self._line(task.process.name, task.name, f"{made}  ->  {result(outcome)}{remark}")

    def ended(self, task: Task, outcome: object) -> None:
        if task.kind == "caller" and self._shown(task.keys):
            self._line(task.process.name, task.name, f"= {result(outcome)}   [{task.stage}]")

    def noted(self, who: str, name: str, facts: dict[str, Any]) -> None:
        if self.keys is None or name in ALWAYS:
            told = "  ".join(f"{key}={value}" for key, value in facts.items() if key != "clients")
            self._line(who, f"* {name}", told)

    def _concerns(self, task: Task, call: Call) -> bool:
        if self.keys is None:
            return True
        if call.place == "control":
            return False
        return self._shown(task.keys or self.items_of(call))

    def _shown(self, keys: tuple[str, ...]) -> bool:
        return self.keys is None or not self.keys.isdisjoint(keys)

    def _line(self, who: str, doing: str, what: str) -> None:
        self.write(f"{self.world.now:9.3f}  {who:<10} {doing:<24} {what}")


def arguments(operation: str, request: Request) -> str:
    """What a write writes and under which condition, in few words."""
    if operation == "TransactWriteItems":
        parts: list[str] = []
        for action in request["TransactItems"]:
            ((kind, parameters),) = action.items()
            parts.append(f"{kind}{arguments(kind, parameters)}")
        return f"[{', '.join(parts)}]"
    told: list[str] = []
    if "Item" in request:
        told.append(short(request["Item"]))
    if "UpdateExpression" in request:
        told.append(bound(request["UpdateExpression"], request))
    if "ConditionExpression" in request:
        told.append(f"if {bound(request['ConditionExpression'], request)}")
    if operation == "GetItem" and not request.get("ConsistentRead"):
        told.append("eventually consistent")
    return f"({', '.join(told)})" if told else ""


def bound(text: str, request: Request) -> str:
    for name, attribute in sorted(request.get("ExpressionAttributeNames", {}).items(), reverse=True):
        text = text.replace(name, attribute)
    for name, value in sorted(request.get("ExpressionAttributeValues", {}).items(), reverse=True):
        text = text.replace(name, plain(value))
    return text


def result(outcome: object) -> str:
    if isinstance(outcome, CrossfadeError):
        return f"{type(outcome).__name__} {getattr(outcome, 'code', '')}".strip()
    if not isinstance(outcome, dict):
        return "done" if outcome is None else str(outcome)
    reply = cast("dict[str, Any]", outcome)
    for name in ("Item", "Attributes"):
        if name in reply:
            return short(reply[name])
    if "Items" in reply:
        return f"{len(reply['Items'])} items: {'; '.join(short(item) for item in reply['Items'])}"
    return "ok" if len(reply) <= 1 else str({name: reply[name] for name in reply if name != "ResponseMetadata"})


def short(item: Item | None) -> str:
    if item is None:
        return "absent"
    # Attributes have no order of their own, so they are given one: a replay reads the same every time.
    return "{" + " ".join(f"{name}={plain(item[name])}" for name in sorted(item)) + "}"


def plain(value: AttributeValue) -> str:
    kind, held = next(iter(value.items()))
    if kind == "L":
        return "[" + ",".join(plain(entry) for entry in held) + "]"
    if kind == "M":
        return short(held)
    return str(held)


def named(pair: Pair, labels: Mapping[tuple[str, str], str], call: Call) -> tuple[str, ...]:
    """The items that a call is about. `labels`: by the table and the name of the key there."""
    if call.place == "control":
        return ()
    names: list[str] = []
    for request in requests_in(call.operation, call.request):
        key: Item | None = request.get("Key") or request.get("Item")
        table = request.get("TableName")
        if key is not None and table in (pair.source.name, pair.target.name):
            shape = pair.source if table == pair.source.name else pair.target
            names.append(labels[shape.name, key_name({name: key[name] for name in shape.key_names})])
    return tuple(names)
