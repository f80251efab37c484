"""The calls whose answers are waited for, and how one is noticed whose caller is gone without a word."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from queue import SimpleQueue
from typing import TYPE_CHECKING, Any

from crossfade.aws.operation import Forwarded

if TYPE_CHECKING:
    import asyncio


class Claim:
    """Lives in the context of one call, and dies with it."""

    __slots__ = ("_in_flight", "forwarded")

    def __init__(self, forwarded: Forwarded, in_flight: InFlight) -> None:
        self.forwarded = forwarded
        self._in_flight = in_flight

    def __del__(self) -> None:
        if id(self.forwarded) in self._in_flight.waiting:
            self._in_flight.lost(self.forwarded)  # may run anywhere, so it takes no lock


@dataclass(slots=True)
class InFlight:
    """The operations that wait for the answer to a request. Whoever takes one out goes on with it, and only they."""

    gone: SimpleQueue[Forwarded | None] = field(default_factory=SimpleQueue[Forwarded | None])  # its put is reentrant
    waiting: dict[int, Forwarded] = field(default_factory=dict[int, Forwarded])
    wake: Callable[[], None] | None = None  # called after a put, wherever that was

    def add(self, forwarded: Forwarded) -> Claim:
        self.waiting[id(forwarded)] = forwarded
        return Claim(forwarded, self)

    def take(self, forwarded: Forwarded) -> bool:
        return self.waiting.pop(id(forwarded), None) is not None

    def lost(self, forwarded: Forwarded) -> None:
        self.gone.put(forwarded)
        if self.wake is not None:
            self.wake()

    def of_caller(self, task: asyncio.Task[Any]) -> list[Forwarded]:
        return [forwarded for forwarded in list(self.waiting.values()) if forwarded.caller is task]

    def older_than(self, moment: float) -> list[Forwarded]:
        return [forwarded for forwarded in list(self.waiting.values()) if forwarded.sent_at < moment]
