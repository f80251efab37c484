"""Reads of single items that are asked for in the same moment, as one BatchGetItem.

A request costs more than the item in it: it is signed, sent and its answer taken apart. What a process does in the
background asks for several items at a time, so they share the cost. To whoever asks it is a GetItem, refusals included:
what a batch does not answer for certain is asked for again by itself, and what it had no capacity for in a later batch.
https://docs.aws.amazon.com/amazondynamodb/latest/APIReference/API_BatchGetItem.html
"""

from __future__ import annotations

import asyncio
import random
from collections.abc import Awaitable, Callable, Hashable, Iterable, Mapping
from dataclasses import dataclass
from typing import Any, Final

from crossfade.core.effects import Reply, Request
from crossfade.core.items import canonical_value
from crossfade.core.request.error_codes import NO_ACCESS, PASSING
from crossfade.core.sync.retry import BACKGROUND
from crossfade.drivers.local import lengthened
from crossfade.errors import ServiceRejected, UnknownOutcome

KEYS_MAX: Final = 100  # in a request
GATHERED: Final = frozenset(
    {"TableName", "Key", "ConsistentRead"}
)  # what all keys of a table have in common, and theirs
FORBIDDEN: Final = "AccessDeniedException"  # as where GetItem alone was granted

Name = tuple[str, Hashable]  # the table's, and the key's values


@dataclass(slots=True)
class WaitingRead:
    """A read, and who waits for it."""

    request: Request
    reply: asyncio.Future[Reply]


class GatheredReads:
    """For one event loop. `call` carries out a request; it raises ServiceRejected or UnknownOutcome."""

    def __init__(
        self,
        call: Callable[[str, Request], Awaitable[Reply]],
        sleep: Callable[[float], Awaitable[object]] = asyncio.sleep,
    ) -> None:
        self._call = call
        self._sleep = sleep
        self._allowed = True
        self._asked: dict[bool, dict[Name, WaitingRead]] = {}  # by whether strongly consistent
        self._sending: set[asyncio.Task[None]] = set()

    async def get(self, request: Request) -> Reply:
        """What GetItem would give. Raises ServiceRejected or UnknownOutcome."""
        if not self._allowed or not request.keys() <= GATHERED:
            return await self._call("GetItem", request)
        name = name_of(request["TableName"], request["Key"], request["Key"])
        consistent = bool(request.get("ConsistentRead"))
        asked = self._asked.get(consistent)
        if asked is None:
            asked = self._asked[consistent] = {}
            _ = asyncio.get_running_loop().call_soon(self._send, consistent)
        if name in asked or len(asked) == KEYS_MAX:  # a batch names a key once
            return await self._call("GetItem", request)
        found = asked[name] = WaitingRead(request, asyncio.get_running_loop().create_future())
        return await found.reply

    def _send(self, consistent: bool) -> None:
        asked = self._asked.pop(consistent)
        if len(asked) == 1:
            self._start(self._alone(*asked.values()))
        else:
            self._start(self._together(asked, consistent))

    def _start(self, work: Any) -> None:
        task = asyncio.get_running_loop().create_task(work)
        self._sending.add(task)
        task.add_done_callback(self._sending.discard)

    async def _alone(self, asked: WaitingRead) -> None:
        try:
            reply = await self._call("GetItem", asked.request)
        except Exception as error:  # noqa: BLE001 - whoever waits gets it
            give_up([asked], error)
        except BaseException:
            give_up([asked], UnknownOutcome("the client was closed"))
            raise
        else:
            if not asked.reply.done():
                asked.reply.set_result(reply)

    async def _together(self, asked: dict[Name, WaitingRead], consistent: bool) -> None:
        """Ask for them in a batch, and for what it leaves undone in another, after a pause: a table that has no room
        for a batch has none for as many single reads."""
        pauses = BACKGROUND.pauses()
        try:
            while len(asked) > 1:
                left = await self._batch(asked, consistent)
                if left:
                    pauses = BACKGROUND.pauses() if len(left) < len(asked) else pauses
                    _ = await self._sleep(lengthened(next(pauses).seconds, random.random()))  # noqa: S311
                asked = {name: each for name, each in left.items() if not each.reply.done()}
        except Exception as error:  # noqa: BLE001 - whoever waits gets it
            give_up(asked.values(), error)
        except BaseException:
            give_up(asked.values(), UnknownOutcome("the client was closed"))
            raise
        else:
            for each in asked.values():
                self._start(self._alone(each))

    async def _batch(self, asked: dict[Name, WaitingRead], consistent: bool) -> dict[Name, WaitingRead]:
        """Return what a further batch is to ask for. What no batch can tell is asked for by itself."""
        tables: dict[str, Any] = {}
        for each in asked.values():
            table = tables.setdefault(each.request["TableName"], {"Keys": [], "ConsistentRead": consistent})
            table["Keys"].append(each.request["Key"])
        try:
            reply = await self._call("BatchGetItem", {"RequestItems": tables})
        except ServiceRejected as error:
            if error.code in PASSING:
                return asked
            if error.code in NO_ACCESS and error.code != FORBIDDEN:  # whoever asks, and for whatever
                raise
            self._allowed = self._allowed and error.code != FORBIDDEN
            left = None  # for the sake of one of them, perhaps
        else:
            left = give_out(asked, reply)
        if left is not None:
            return left
        for each in asked.values():
            if not each.reply.done():
                self._start(self._alone(each))
        return {}


def give_up(asked: Iterable[WaitingRead], error: Exception) -> None:
    for each in asked:
        if not each.reply.done():
            each.reply.set_exception(error)


def give_out(asked: dict[Name, WaitingRead], reply: Reply) -> dict[Name, WaitingRead] | None:
    """Give out what the answer tells, and return what it has left undone; None where it is not what was expected."""
    names = {name: tuple(each.request["Key"]) for (name, _), each in asked.items()}
    items: dict[Name, Mapping[str, Any]] = {}
    responses: dict[str, list[Mapping[str, Any]]] = reply.get("Responses") or {}
    for table, found in responses.items():
        for item in found:
            if table not in names:
                return None  # another way to name it
            items[name_of(table, item, names[table])] = item
    if not items.keys() <= asked.keys():
        return None
    left: dict[Name, WaitingRead] = {}
    unprocessed: dict[str, dict[str, Any]] = reply.get("UnprocessedKeys") or {}
    for table, keys in unprocessed.items():
        for key in keys["Keys"]:
            name = name_of(table, key, key)
            if name not in asked:
                return None
            left[name] = asked[name]
    for name, each in asked.items():
        if name not in left and not each.reply.done():
            each.reply.set_result({"Item": items[name]} if name in items else {})
    return left


def name_of(table: str, item: Mapping[str, Any], attributes: Iterable[str]) -> Name:
    """Return a hashable name of the item's key; equal numbers have equal names."""
    return table, tuple([canonical_value(item[attribute]) for attribute in sorted(attributes)])
