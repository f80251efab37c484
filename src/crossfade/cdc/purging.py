"""Tombstones taken away, once no event can come any more that they are there to refuse.

A tombstone refuses what is older than the delete: a late event, one that is sent twice, a write that a process had
under way when it stood still. So one may go when all of these have come to an end. The rule:

* It was written before the purge began, and is `age_seconds` old. What a process had under way for longer than that is
  carried out no more: that is why the age has a least value.
* The log is applied up to where it ended after the purge had begun. A tombstone of before stands for a delete that the
  log held by then; so everything older than that delete is applied as well, and what is applied is not sent again by
  anybody who goes on from what was kept.
* Nothing is kept aside that may be applied later: no dead letter is left, and no snapshot is under way, whose rows were
  read before the delete and may be told behind it.

A replay from further back may be made at any time: it tells the delete again, behind what it deletes.

Each is deleted on the condition that it is the very tombstone that was read. What an application has written over it
with an update, which leaves the stamp as it was, is seen when it is read; if that came in between, the answer to the
delete tells, and it is put back where nothing else is by then.

Of an item of several rows the parts go first, where the parent's own row is gone: those that are gone, never one that
is there. Every part that was written is followed by another stamp of the item. So under the very tombstone that was
read no part is newer than it, and the rule holds for them as well.
"""

from __future__ import annotations

import asyncio
import os
import threading
import time
from collections import Counter
from collections.abc import Awaitable, Callable, Collection
from dataclasses import dataclass, replace
from typing import Any, Final

from crossfade.cdc.applying import Destination, parts_held, put_if
from crossfade.cdc.planning import Part as ItemPart
from crossfade.cdc.verifying.comparing import is_tombstone
from crossfade.cdc.verifying.making import Making, key_of_part
from crossfade.cdc.verifying.settling import ASK_SECONDS, Settling
from crossfade.cleanup.ledger import Held, Ledger, Part
from crossfade.control.jobs import means_nothing
from crossfade.control.records import Role
from crossfade.control.store import Caller
from crossfade.core.effects import Call, Request, Routine, Sleep
from crossfade.core.items import Item
from crossfade.core.mapping import STAMP
from crossfade.core.stages import FREEZE, FREEZE_STRATEGY, Stage
from crossfade.core.sync.retry import Backoff, send_conditional
from crossfade.errors import ConfigurationError, NotPossibleInStage
from crossfade.jobs.bulk import Segment, scan_table
from crossfade.jobs.connecting import Clients, Connect, lean
from crossfade.jobs.loop import run_on_own_loop
from crossfade.jobs.observing import Observer
from crossfade.jobs.order import spread_order
from crossfade.jobs.pace import Pace
from crossfade.jobs.session import JobClient
from crossfade.jobs.workers import Workers
from crossfade.migration import AnyMigration

STEP: Final = "tombstones"
FINAL: Final = "final"  # the fact that none is left, and none will be written any more
AGE_SECONDS: Final = 86_400.0
AGE_SECONDS_MIN: Final = 60.0  # longer than a request of anybody may land, and than clocks are apart
SEGMENTS: Final = 16
WORKERS: Final = 8
PAGE_ITEMS: Final = 500
SENDINGS: Final = Backoff(seconds_first=0.1, pauses_max=9)  # of one write whose answers are lost

Late = Callable[[], Awaitable[str]]
"""Why an older event may still come, of what the log's position does not tell; "" for none."""


@dataclass(frozen=True, slots=True)
class PurgeOptions:
    """`items_per_second`: that are looked at, None for no limit. `landing_seconds` None: the clients' timeouts.

    Raises ConfigurationError.
    """

    age_seconds: float = AGE_SECONDS
    items_per_second: float | None = None
    segments: int = SEGMENTS
    workers: int = WORKERS
    page_items: int = PAGE_ITEMS
    landing_seconds: float | None = None

    def __post_init__(self) -> None:
        if not self.age_seconds >= AGE_SECONDS_MIN:
            raise ConfigurationError(
                f"a tombstone of {self.age_seconds:g} s may still be needed",
                next_step=f"purge those of {AGE_SECONDS_MIN:g} s and more",
            )
        if self.items_per_second is not None and not self.items_per_second > 0:
            raise ConfigurationError(f"purge: {self.items_per_second:g} items a second is no pace")


@dataclass(frozen=True, slots=True)
class Purged:
    """`items` were looked at. `young` tombstones may still be needed, `busy` ones were written anew meanwhile."""

    done: bool
    items: int
    purged: int
    parts: int
    young: int
    busy: int
    seconds: float

    @property
    def left(self) -> int:
        """Tombstones that are there still."""
        return self.young + self.busy


def check_stage(stage: Stage) -> None:
    """Raises NotPossibleInStage where it means nothing: nothing is carried, so nothing has left a tombstone."""
    if FREEZE[stage].leaves_target_behind:
        raise means_nothing("purge", FREEZE_STRATEGY, stage)


def run_purge(
    migration: AnyMigration,
    destination: Destination,
    clients: Clients,
    settling: Settling,
    options: PurgeOptions,
    *,
    late: Callable[[], str],
    stop_event: threading.Event | None = None,
    on_look: Callable[[Purged], None] = lambda _: None,
    on_note: Callable[[str, dict[str, Any]], None] | None = None,
    caller: Caller | None = None,
    connect: Connect = lean,
    wall: Callable[[], float] = time.time,
) -> Purged:
    """Purge, as a client of the migration. `late` blocks: see `Late`. Raises what `purge` does."""
    stop = stop_event or threading.Event()
    observer = Observer(None, on_note)

    async def play() -> Purged:
        how: Any = {"caller": caller, "connect": connect, "landing_seconds": options.landing_seconds}
        client = JobClient(migration, clients, Role.VERIFY, note=observer.note, calls_max=options.workers, **how)
        async with client:
            check_stage(client.agent.stage)
            ledger = Ledger(client.agent.control, client.caller, os.getpid())
            return await purge(
                destination,
                client,
                ledger,
                settling,
                options,
                late=lambda: asyncio.to_thread(late),
                stop=stop.is_set,
                on_look=on_look,
                wall=wall,
            )

    return run_on_own_loop(play())


async def purge(
    destination: Destination,
    client: JobClient,
    ledger: Ledger,
    settling: Settling,
    options: PurgeOptions,
    *,
    late: Late,
    stop: Callable[[], bool],
    on_look: Callable[[Purged], None] = lambda _: None,
    wall: Callable[[], float] = time.time,
) -> Purged:
    """Purge the target, beside the traffic; where an earlier run was stopped, go on from there. In `complete` not where
    that was before: behind its place there may be tombstones since, and this purge has to be the last one.

    Raises NotPossibleInStage where the rule does not hold, Fenced where another process purges.
    """
    began, started = wall(), client.now()
    await _await_the_log(client, settling, stop)
    why = await late()
    if why:
        raise NotPossibleInStage(
            f"no tombstone may go yet: {why}", next_step="deal with that first, then run the same command again"
        )
    held = await client.run(_begin(ledger, client.agent.stage, options.segments))
    before = await client.run(ledger.parts(held))
    total = int(held.record.fact("segments"))
    with_parts = client.agent.stage is not Stage.COMPLETE
    pace, before_then = Pace(options.items_per_second), began - options.age_seconds
    how = _How(destination, client, ledger, held, pace, options, before_then, with_parts)
    tasks = [_SegmentTask(how, before.get(number), number, total) for number in spread_order(total)]

    def look() -> Purged:
        counts: Counter[str] = Counter()
        for task in tasks:
            counts.update(task.part.counts)
        told = {name: counts[name] for name in ("items", "purged", "parts", "young", "busy")}
        return Purged(all(task.part.done for task in tasks), **told, seconds=client.now() - started)

    async def meanwhile() -> None:
        on_look(look())

    left = [task for task in tasks if not task.part.done]
    await Workers(left, client.now, stop).work_off(options.workers, meanwhile)
    found = look()
    if found.done:
        final = client.agent.stage is Stage.COMPLETE and not found.left
        await client.run(ledger.finish(held, {"purged": str(found.purged), FINAL: "yes" if final else ""}))
    return found


def _begin(ledger: Ledger, stage: Stage, segments: int) -> Routine[Held]:
    before = (yield from ledger.steps()).get(STEP)
    anew = stage is Stage.COMPLETE and before is not None and before.fact("stage") != stage.value
    facts = {"segments": str(segments), "stage": stage.value}
    return (yield from ledger.begin(STEP, facts, again=anew))


async def _await_the_log(client: JobClient, settling: Settling, stop: Callable[[], bool]) -> None:
    arrived = await settling.begin()
    while not await arrived():
        if stop():
            raise NotPossibleInStage(
                "stopped before the log was applied: nothing was purged", next_step="run the same again"
            )
        await client.run(_pause())


def _pause() -> Routine[None]:
    yield from Sleep(ASK_SECONDS)


@dataclass(frozen=True, slots=True)
class _How:
    """What the segments have in common. `before`: seconds since 1970; a tombstone of then or earlier may go."""

    destination: Destination
    client: JobClient
    ledger: Ledger
    held: Held
    pace: Pace
    options: PurgeOptions
    before: float
    with_parts: bool  # else the table of parts goes as a whole


class _SegmentTask:
    """A step is a page, and the checkpoint behind it."""

    def __init__(self, how: _How, part: Part | None, number: int, total: int) -> None:
        self.part = part or how.ledger.part(how.held, number)
        self._how = how
        self._segment = Segment(number, total)

    @property
    def must_go_on(self) -> bool:
        return False

    async def step(self) -> float | None:
        how, client = self._how, self._how.client
        await client.run(how.pace.wait(how.options.page_items))
        table = how.destination.table
        at, count = self.part.last_key, how.options.page_items
        page = await client.run(scan_table(table, "target", self._segment, at, count, strongly=True))
        counts = Counter(self.part.counts)
        counts["items"] += len(page.items)
        for item in page.items:
            if not is_tombstone(item, how.destination.rows.target.key_names):
                continue
            if told_at(item) > how.before:
                counts["young"] += 1
                continue
            gone, parts = await client.run(purge_item(how.destination, item, with_parts=how.with_parts))
            counts["purged" if gone else "busy"] += 1
            counts["parts"] += parts
        done = page.last_key is None
        self.part = replace(self.part, last_key=page.last_key, done=done, counts=dict(counts))
        await client.run(how.ledger.save(how.held, self.part))
        return None if done else client.now()


def told_at(tombstone: Item) -> float:
    """When it was written, in seconds since 1970."""
    stamp: Any = tombstone[STAMP]["M"]
    return float(stamp["at"]["N"])


def purge_item(destination: Destination, tombstone: Item, *, with_parts: bool = True) -> Routine[tuple[bool, int]]:
    """Delete one that is as it was read, with its parts: whether it is gone, and how many parts are."""
    making = Making(destination.rows)
    key_names = destination.rows.target.key_names
    name = making.maker_of(tombstone)
    parts = 0
    for fold in making.folds_of(name.table) if name is not None and with_parts else ():
        assert name is not None  # noqa: S101  there are folds
        held = yield from parts_held(destination, ItemPart(fold, name.key, name.table, name.key, None))
        if any(version_of(part) > version_of(tombstone[STAMP]["M"]) for part in held):
            return False, parts  # the item is about to be made again
        if any("row" in part and part["table"]["S"] == fold.table for part in held):
            continue  # the parent is there, and makes no item
        for part in held:
            parts += "row" not in part and (yield from _delete_part(destination, part))
    return (yield from _delete(destination.table, key_names, tombstone)), parts


def version_of(held: Any) -> str:
    """Return the version of a stamp or a part, as a text that compares as versions do."""
    return str(held["version"]["S"])


def _delete_part(destination: Destination, part: Item) -> Routine[bool]:
    return (
        yield from _delete_if(
            {
                "TableName": destination.parts_table,
                "Key": key_of_part(part),
                "ConditionExpression": "#version = :version AND attribute_not_exists(#row)",
                "ExpressionAttributeNames": {"#version": "version", "#row": "row"},
                "ExpressionAttributeValues": {":version": part["version"]},
            }
        )
    ) is not None


def _delete(table: str, key_names: Collection[str], tombstone: Item) -> Routine[bool]:
    deleted = yield from _delete_if(
        {
            "TableName": table,
            "Key": {name: tombstone[name] for name in key_names},
            "ConditionExpression": "#stamp = :stamp",
            "ExpressionAttributeNames": {"#stamp": STAMP},
            "ExpressionAttributeValues": {":stamp": tombstone[STAMP]},
            "ReturnValues": "ALL_OLD",
        }
    )
    if deleted is None:
        return False
    if not deleted or is_tombstone(deleted, key_names):
        return True
    back: Request = {
        "TableName": table,
        "Item": deleted,
        "ConditionExpression": "attribute_not_exists(#key)",
        "ExpressionAttributeNames": {"#key": next(iter(key_names))},
    }
    _ = yield from put_if(back)  # where it does not hold, the application has written the item anew
    return False


def _delete_if(request: Request) -> Routine[Item | None]:
    """What was deleted, as far as an answer tells; None where the condition did not hold."""
    reply, again = yield from send_conditional(Call("target", "DeleteItem", request), SENDINGS)
    if reply is None:
        return {} if again else None  # an earlier sending was carried out, or somebody has written since
    return dict(reply.get("Attributes") or {})
