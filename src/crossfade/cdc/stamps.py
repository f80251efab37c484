"""The versions taken off the items of the target, once nobody reads or writes one any more.

How they go, paced, resumable, and each only while it is the one that was read, is `cleanup/stamps.py`, which does the
same to the stamps of two tables. What is particular to rows:

* Nothing may be carried any more. A late event would find no version, and be taken for newer than what is there.
* A tombstone keeps its stamp: without it, what is deleted would be an item again, of a key alone. All are purged
  before, so one that is met is told, and the step is done only after another purge. Where an application has updated
  one since, without `hide_versions`, the item is the application's, and its stamp goes.

An application's writes need not stop: what it writes as a whole, or through `hide_versions`, has no stamp.

There is no lease, since no stage comes after `complete`. Who has begun last owns the step's record, and what has owned
it before can write neither a checkpoint nor a result (`cleanup/ledger.py`).
"""

from __future__ import annotations

import os
import threading
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Final

from crossfade.cdc.migration import RowMigration
from crossfade.cdc.purging import FINAL
from crossfade.cdc.retiring import RowStep, look_at_retiring, refuse_closed
from crossfade.cdc.verifying.comparing import is_tombstone
from crossfade.cleanup.connections import WORKERS, Hands, lone_pair
from crossfade.cleanup.ledger import Ledger
from crossfade.cleanup.part_workers import Crew
from crossfade.cleanup.stamps import PAGE_ITEMS, SEGMENTS, Keeps, Removed, remove_stamps
from crossfade.control.store import Caller, Control
from crossfade.core.effects import Call, Routine
from crossfade.core.items import Item
from crossfade.core.mapping import STAMP
from crossfade.core.sync.retry import read_again
from crossfade.errors import ConfigurationError
from crossfade.jobs.connecting import Clients, Connect, lean
from crossfade.jobs.keys import cutter
from crossfade.jobs.loop import run_on_own_loop
from crossfade.jobs.observing import Observer
from crossfade.jobs.pace import Pace
from crossfade.jobs.progress import Progress
from crossfade.jobs.session import here
from crossfade.migration import Table

JOB: Final = "cleanup stamps"


@dataclass(frozen=True, slots=True)
class StampOptions:
    """`per_second` limits stamps, None for no limit. Raises ConfigurationError."""

    per_second: float | None = None
    segments: int = SEGMENTS
    workers: int = WORKERS
    page_items: int = PAGE_ITEMS

    def __post_init__(self) -> None:
        if self.per_second is not None and not self.per_second > 0:
            raise ConfigurationError(f"stamps: {self.per_second:g} a second is no pace")


def run_row_stamps(
    migration: RowMigration,
    clients: Clients,
    options: StampOptions,
    *,
    on_progress: Callable[[Progress], None] | None = None,
    on_note: Callable[[str, dict[str, Any]], None] | None = None,
    stop_event: threading.Event | None = None,
    caller: Caller | None = None,
    connect: Connect = lean,
) -> Removed:
    """Remove all, or go on until `stop_event` is set. `clients` have a `source` too, which is asked for nothing.

    Raises GateClosed, NotPossibleInStage, Fenced (taken over), DatabaseError; the same call goes on from the last
    checkpoint.
    """
    observer, stop = Observer(on_progress, on_note), stop_event or threading.Event()
    ledger = Ledger(Control(migration.name, migration.control_table), caller or here(), os.getpid())

    async def play() -> Removed:
        how: Any = {"service": no_service, "workers": options.workers, "connect": connect}
        async with Hands(lone_pair(migration.target, clients), clients, observer, **how) as hands:
            refuse_closed(await hands.run(look_at_retiring(ledger, migration)), RowStep.STAMPS)
            crew = Crew(hands, JOB, RowStep.STAMPS.value, stop, Pace(options.per_second))
            crew.items_total = int((await hands.table("target")).get("ItemCount", 0))
            held = await hands.run(ledger.begin(RowStep.STAMPS.value, {"segments": str(options.segments)}))
            found = await remove_stamps(crew, ledger, held, options.page_items, keeps_of(migration.target))
            if found.complete:
                facts = {"removed": str(found.removed), "rewritten": str(found.rewritten)}
                await hands.run(ledger.finish(held, {**facts, FINAL: "" if found.kept else "yes"}))
            return found

    return run_on_own_loop(play())


def keeps_of(target: Table) -> Keeps:
    """Return what tells tombstones, read as a whole: an application may have made an item of one."""
    cut = cutter(target.key_names)

    def keeps(item: Item) -> Routine[bool]:
        stamp: Any = item[STAMP]
        if "deleted" not in stamp.get("M", {}):
            return False
        request = {"TableName": target.name, "Key": cut(item), "ConsistentRead": True}
        reply = yield from read_again(Call("target", "GetItem", request))
        return is_tombstone(reply.get("Item") or {}, target.key_names)

    return keeps


def no_service(name: str) -> Any:
    raise AssertionError(f"the step needs no client of {name}")
