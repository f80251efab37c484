"""Two repositories, on threads or of coroutines: in memory, or in tables of DynamoDB.

An entity is the tokens that were written to it.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, MutableMapping
from dataclasses import dataclass, field
from functools import partial
from typing import Any, Final, cast

from crossfade.core.items import Item
from crossfade.core.stages import Side
from crossfade.sim.table import SimTable
from crossfade.switch import Read, Write
from crossfade.tables import Table
from tests.faults.freeze.wire import Wire

Image = tuple[str, ...] | None


def both(going: str, coming: str, _token: str) -> Iterable[str]:
    return going, coming


def each(keys: tuple[str, ...], _token: str) -> Iterable[str]:
    return keys


DECLARED: Final[dict[str, Read | Write]] = {
    "find": Read(key="key"),
    "look": Read(key="key", eventual=True),
    "append": Write(key="key"),
    "move": Write(keys=both),
    "place": Write(keys=each, transaction=True),
}


@dataclass(frozen=True, slots=True)
class Gave:
    """What a method gave the caller, or raised."""

    side: Side
    method: str
    value: Any = None
    error: BaseException | None = None


class InTable(MutableMapping[str, Image]):
    """The items of a table, as the repository reads and writes them: that no step of it is a request is its affair."""

    def __init__(self, wire: Wire, table: Table, attribute: str) -> None:
        self._wire = wire
        self._table: SimTable = wire.database.tables[table.name]
        self._key_name, self._attribute = table.partition_key, attribute

    def __getitem__(self, key: str) -> Image:
        item = self._table.items[(key,)]
        return tuple(token["S"] for token in item[self._attribute]["L"])

    def __setitem__(self, key: str, image: Image) -> None:
        tokens = {"L": [{"S": token} for token in image or ()]}
        item: Item | None = None if image is None else {self._key_name: {"S": key}, self._attribute: tokens}
        self._table.set((key,), item, self._wire.clock.now)

    def __delitem__(self, key: str) -> None:
        self[key] = None

    def __iter__(self) -> Iterator[str]:
        return (key for (key,) in self._table.items)

    def __len__(self) -> int:
        return len(self._table.items)


def in_memory() -> dict[Side, MutableMapping[str, Image]]:
    return {"source": dict[str, Image](), "target": dict[str, Image]()}


@dataclass
class Sides:
    """What both hold, and what the authority should: changed by the caller's own calls alone."""

    wire: Wire
    held: dict[Side, MutableMapping[str, Image]] = field(default_factory=in_memory)
    model: dict[str, Image] = field(default_factory=dict[str, Image])
    gave: list[Gave] = field(default_factory=list[Gave])  # in this call, in the order in which it was

    def given(self, key: str, image: Image) -> None:
        self.held["source"][key] = self.held["target"][key] = self.model[key] = image

    def equal(self, key: str) -> bool:
        return self.held["source"].get(key) == self.held["target"].get(key)


def image_of(found: Any) -> Image:
    return None if found is None else cast("tuple[str, ...]", found)


class Store:
    def __init__(self, sides: Sides, side: Side) -> None:
        self._sides = sides
        self._side: Side = side
        self._held = sides.held[side]

    # --- what each method does

    def _find(self, key: str) -> Image:
        found = self._held.get(key)
        return None if found is None else (*found,)  # another one each time

    def _append(self, key: str, token: str) -> list[str]:
        self._change({key: (*(self._held.get(key) or ()), token)})
        return [token]

    def _move(self, going: str, coming: str, token: str) -> list[str]:
        self._change({going: None, coming: (*(self._held.get(coming) or ()), token)})
        return [token]

    def _place(self, keys: tuple[str, ...], token: str) -> list[str]:
        self._change({key: (*(self._held.get(key) or ()), token) for key in keys})
        return [token]

    def _change(self, images: dict[str, Image]) -> None:
        self._held.update(images)
        self._sides.model.update(images)

    def _store(self, key: str, image: Image, *held: Image) -> bool:
        if held and held[0] != self._held.get(key):
            return False
        self._held[key] = image
        return True

    def _what(self, method: str, arguments: tuple[Any, ...]) -> tuple[str, Callable[[], Any]]:
        every: dict[str, Callable[..., Any]] = {
            "find": self._find, "look": self._find, "image": self._find, "append": self._append, "move": self._move,
            "place": self._place, "store": self._store,
        }  # fmt: skip
        return f"{self._side}.{method}", partial(every[method], *arguments)

    def _told(self, method: str, value: Any, error: BaseException | None) -> None:
        course = self._sides.wire.course
        if course is not None and course.waited_for():
            self._sides.gave.append(Gave(self._side, method, value, error))


class BlockingStore(Store):
    def find(self, key: str) -> Image:
        return image_of(self._call("find", key))

    def look(self, key: str) -> Image:
        return image_of(self._call("look", key))

    def append(self, key: str, token: str) -> Any:
        return self._call("append", key, token)

    def move(self, going: str, coming: str, token: str) -> Any:
        return self._call("move", going, coming, token)

    def place(self, keys: tuple[str, ...], token: str) -> Any:
        return self._call("place", keys, token)

    def image(self, key: str) -> Image:
        return image_of(self._call("image", key))

    def store(self, key: str, image: Image, *held: Image) -> bool:
        return bool(self._call("store", key, image, *held))

    def _call(self, method: str, *arguments: Any) -> Any:
        step, do = self._what(method, arguments)
        value, error = None, None
        try:
            value = self._sides.wire.blocking(step, do)
        except BaseException as raised:
            error = raised
            raise
        finally:
            self._told(method, value, error)
        return value


class TaskStore(Store):
    async def find(self, key: str) -> Image:
        return image_of(await self._call("find", key))

    async def look(self, key: str) -> Image:
        return image_of(await self._call("look", key))

    async def append(self, key: str, token: str) -> Any:
        return await self._call("append", key, token)

    async def move(self, going: str, coming: str, token: str) -> Any:
        return await self._call("move", going, coming, token)

    async def place(self, keys: tuple[str, ...], token: str) -> Any:
        return await self._call("place", keys, token)

    async def image(self, key: str) -> Image:
        return image_of(await self._call("image", key))

    async def store(self, key: str, image: Image, *held: Image) -> bool:
        return bool(await self._call("store", key, image, *held))

    async def _call(self, method: str, *arguments: Any) -> Any:
        step, do = self._what(method, arguments)
        value, error = None, None
        try:
            _, value = await self._sides.wire.awaited(step, {}, do)
        except BaseException as raised:
            error = raised
            raise
        finally:
            self._told(method, value, error)
        return value


CALLS: Final = {"threads": BlockingStore, "tasks": TaskStore}
