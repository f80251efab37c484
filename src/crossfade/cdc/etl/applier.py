"""Applying what messages tell, whoever read them: in lanes, and what cannot be applied is put where it is kept."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Hashable
from dataclasses import dataclass
from functools import partial
from typing import Any, Final

from crossfade.cdc.applying import Applied, Destination, store
from crossfade.cdc.changes import Change, ChangeUnreadable
from crossfade.cdc.etl.lanes import IN_FLIGHT_MAX, Lanes
from crossfade.cdc.etl.rebuilding import Rebuilding
from crossfade.cdc.planning import name_of_row
from crossfade.core.effects import Reply, Request
from crossfade.drivers.aio import AioDriver
from crossfade.drivers.scope import Scope
from crossfade.errors import CrossfadeError, MappingError, ServiceRejected, StageUncertain

# Refusals that are about the item and not about the table, the caller's rights or the load.
ABOUT_THE_ITEM: Final = frozenset({"ValidationException", "ItemCollectionSizeLimitExceededException"})

UNCERTAIN_SECONDS: Final = 0.1  # until the lease is looked at again: it is renewed every second

Run = Callable[[Destination, Change], Awaitable[Applied]]
"""How a change is carried out; it may be asked to again. Raises StageUncertain where that must wait."""
PutAside = Callable[[CrossfadeError], Awaitable[None]]


@dataclass(slots=True)
class Counts:
    """`late`: items that were not written, as something newer was there. `set_aside`: messages, to be tried again.
    `passed`: changes that were passed over, since the target decides."""

    messages: int = 0
    changes: int = 0
    written: int = 0
    late: int = 0
    set_aside: int = 0
    passed: int = 0


def through(client: Any) -> Run:
    """Carry changes out by a client with `async call(operation, request)`, such as BulkClient, on this loop, whatever
    the stage is."""

    def call(_place: str, operation: str, request: Request) -> Awaitable[Reply]:
        answer: Awaitable[Reply] = client.call(operation, request)
        return answer

    def note(_name: str, _facts: dict[str, Any]) -> None:
        """Nothing here notes anything."""

    driver = AioDriver(call, note)
    rebuilding = Rebuilding(lambda routine: driver.run(routine, Scope()))

    async def run(destination: Destination, change: Change) -> Applied:
        stored = await driver.run(store(destination, change), Scope())
        for part in stored.parts:
            await rebuilding.rebuilt(destination, part)
        return stored.applied

    return run


def cannot_be_applied(error: CrossfadeError) -> bool:
    """True if the reason lies in this one change, so that others can go on; else it is one to stop for."""
    if isinstance(error, ServiceRejected):
        return error.code in ABOUT_THE_ITEM
    return isinstance(error, (MappingError, ChangeUnreadable))


def of_change(change: Change, error: CrossfadeError) -> MappingError:
    """Return the reason with the row that it is about, for one who has nothing but the error."""
    row = name_of_row(change.table, change.key)
    return MappingError(
        f"{row}: {error.message}",
        next_step=error.next_step
        or "let the function make something else of this row (None: no item); the same command goes on with it",
    )


class Applier:
    """Changes into a destination, for one loop."""

    def __init__(
        self, destination: Destination, run: Run, in_flight_max: int = IN_FLIGHT_MAX, counts: Counts | None = None
    ) -> None:
        self.counts = Counts() if counts is None else counts
        self.lanes = Lanes(in_flight_max)
        self._destination = destination
        self._run = run

    def put(
        self, lane: Hashable, changes: list[Change], *, done: Callable[[], None], put_aside: PutAside | None
    ) -> None:
        """Apply these, then call `done`. Where that cannot be, `put_aside` keeps them first; None: the lanes fail."""
        self.lanes.put(lane, partial(self._apply, changes, done, put_aside))

    async def _apply(self, changes: list[Change], done: Callable[[], None], put_aside: PutAside | None) -> None:
        counts, done_of_these = self.counts, 0
        try:
            for change in changes:
                applied = await self._carry_out(change)
                counts.written += applied.written
                counts.late += applied.late
                counts.passed += applied.passed
                done_of_these += 1
            counts.changes += len(changes)
        except CrossfadeError as error:
            if not cannot_be_applied(error):
                raise
            if put_aside is None:
                raise of_change(changes[done_of_these], error) from error
            await put_aside(error)
            counts.set_aside += 1
        done()

    async def _carry_out(self, change: Change) -> Applied:
        """Once there is a lease: what an attempt without one has left half done is done again from its beginning."""
        while True:
            try:
                return await self._run(self._destination, change)
            except StageUncertain:
                await asyncio.sleep(UNCERTAIN_SECONDS)
