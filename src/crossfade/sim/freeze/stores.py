"""Both stores in one place, as a service's repositories use them: each method is one transaction of its store.

In the source it is one of rows, and stands in the log. In the target it writes items as an application writes them:
without a version, or with the one that the item had; and of what is deleted there nothing is left.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any, Final

from crossfade.core.effects import Reply, Request
from crossfade.core.items import Item
from crossfade.core.mapping import STAMP
from crossfade.core.stages import Side
from crossfade.sim.freeze.database import Sql
from crossfade.sim.freeze.shapes import KEY_NAMES, PARTS, TARGET, items, place, state_of
from crossfade.sim.history import KeyName
from crossfade.sim.model import Action, State
from crossfade.sim.tables import Database
from crossfade.switch.invoking import Invoke

CONTROL_TABLE: Final = "crossfade"
Changing = Callable[[Mapping[KeyName, State], float], None]


def is_gone(item: Item | None) -> bool:
    """Whether there is none, or a tombstone."""
    return item is None or "deleted" in item.get(STAMP, {}).get("M", {})


class Stores(Database):
    """`keeps_stamp`: what the service writes to the target leaves the attribute `_crossfade` as it was."""

    def __init__(self, sql: Sql, *, keeps_stamp: bool) -> None:
        super().__init__({TARGET: KEY_NAMES, PARTS: ("item", "part"), CONTROL_TABLE: ("migration", "record")})
        self.sql = sql
        self.keeps_stamp = keeps_stamp
        for name in ("find", "image", "act", "move", "store"):
            self._operations[name] = self._invoked

    def _invoked(self, request: Request, now: float, _as_of: float | None) -> Reply:
        effect: Invoke = request["effect"]
        side, arguments = effect.side, effect.arguments
        match effect.method:
            case "find" | "image":
                return {"value": self.state(side, arguments[0])}
            case "act":
                return {"value": self._act(side, arguments[0], arguments[1], now)}
            case "move":
                going, coming, state = arguments
                self._set(side, {going: None, coming: state}, now)
                return {"value": None}
            case _:
                return {"value": self._store(side, arguments, now)}

    def state(self, side: Side, key: KeyName) -> State:
        """What a repository shows of an entity."""
        if side == "source":
            return self.sql.state(key)
        item = self.tables[TARGET].items.get(own_key(key))
        return None if is_gone(item) else state_of(item)

    def _act(self, side: Side, key: KeyName, action: Action, now: float) -> Any:
        before = self.state(side, key)
        answer, after = action.apply(before)
        if after != before:
            self._set(side, {key: after}, now)
        return answer

    def _store(self, side: Side, arguments: tuple[Any, ...], now: float) -> bool:
        """Save a mirror's image; a conditional one only while the store holds what it held."""
        key, image, *held = arguments
        if held and held[0] != self.state(side, key):
            return False
        self._set(side, {key: image}, now)
        return True

    def _set(self, side: Side, states: Mapping[KeyName, State], now: float) -> None:
        if side == "source":
            self.sql.set(states, now)
            return
        for key, state in states.items():
            self._set_items(key, state, now)

    def _set_items(self, key: KeyName, state: State, now: float) -> None:
        table, name = self.tables[TARGET], self.sql.shape.name
        wanted = {table.key(item): item for item in items(name, key, state)}
        for at in [at for at, item in table.items.items() if belongs(item, key) and at not in wanted]:
            if not is_gone(table.items[at]):
                table.set(at, None, now)
        for at, item in wanted.items():
            held = table.items.get(at)
            stamped = self.keeps_stamp and held is not None and STAMP in held and not is_gone(held)
            table.set(at, {**item, STAMP: held[STAMP]} if stamped and held is not None else item, now)


def own_key(key: KeyName) -> tuple[str, str]:
    found = place(key[1])
    return found["pk"], found["sk"]


def belongs(item: Item, key: KeyName) -> bool:
    """Whether an item is one of this entity's."""
    entity: str = item["pk"]["S"].split("#")[1]
    return entity == key[1]
