"""Carrying out one step: the same call begins it, goes on with it, and takes it over from a process that is gone."""

from __future__ import annotations

import os
import threading
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any

from crossfade.cleanup.connections import PATIENCE, WORKERS, Hands, Patience, pair_of
from crossfade.cleanup.last_steps import QUIET_DAYS, await_quiet, delete_old_table
from crossfade.cleanup.ledger import Ledger
from crossfade.cleanup.outcome import Outcome
from crossfade.cleanup.part_workers import Crew
from crossfade.cleanup.snapshot import SnapshotSizes
from crossfade.cleanup.snapshot_steps import Scene, read_snapshot_back, snapshot_old_table
from crossfade.cleanup.stamps import SEGMENTS, remove_stamps
from crossfade.cleanup.steps import Step
from crossfade.cleanup.survey import StepView, is_done, look_at_cleanup, refuse_closed, runs_of
from crossfade.cleanup.throughput import figures, lower_throughput
from crossfade.control.store import Caller, Control
from crossfade.control.waiting import await_everyone
from crossfade.core.effects import Routine
from crossfade.errors import ConfigurationError, NotPossibleInStage
from crossfade.jobs.connecting import Clients, Connect, lean
from crossfade.jobs.loop import run_on_own_loop
from crossfade.jobs.observing import Observer
from crossfade.jobs.pace import Pace
from crossfade.jobs.progress import Progress
from crossfade.jobs.session import here
from crossfade.migration import Migration


@dataclass(frozen=True, slots=True)
class CleanupOptions:
    """`place` is a folder or s3://bucket/prefix, for the snapshot. `per_second` limits items, or stamps. `confirm` is
    the name of the table to delete. `metrics` False: what reads the table cannot be seen, and the operator knows."""

    place: str = ""
    per_second: float | None = None
    workers: int = WORKERS
    sizes: SnapshotSizes = field(default_factory=SnapshotSizes)
    on_demand: bool = False
    quiet_days: float = QUIET_DAYS
    metrics: bool = True
    while_attached: bool = False
    again: bool = False
    confirm: str = ""


def run_step(
    migration: Migration,
    clients: Clients,
    step: Step,
    options: CleanupOptions,
    *,
    service: Callable[[str], Any],
    on_progress: Callable[[Progress], None] | None = None,
    on_note: Callable[[str, dict[str, Any]], None] | None = None,
    stop_event: threading.Event | None = None,
    caller: Caller | None = None,
    connect: Connect = lean,
    patience: Patience = PATIENCE,
    clock: Callable[[], datetime] = lambda: datetime.now(UTC),
) -> Outcome:
    """One step, to its end or until `stop_event` is set. `service` makes a botocore client of another service by name.

    Raises GateClosed (a condition does not hold), NotPossibleInStage, SnapshotDamaged, Fenced (taken over),
    ConfigurationError and DatabaseError; whatever it raises, the same call goes on from the last checkpoint.
    """
    observer = Observer(on_progress, on_note)
    ledger = Ledger(Control(migration.name, migration.control_table), caller or here(), os.getpid())
    stop = stop_event or threading.Event()

    async def carry_out() -> Outcome:
        pair = pair_of(migration, clients)
        hands = Hands(
            pair,
            clients,
            observer,
            service=service,
            workers=options.workers,
            connect=connect,
            patience=patience,
        )
        async with hands:
            view = await hands.run(look_at_cleanup(ledger, while_attached=options.while_attached))
            if view.view(step).waits_for_clients:
                await hands.run(await_clients(ledger))
                view = await hands.run(look_at_cleanup(ledger, while_attached=options.while_attached))
            refuse_closed(view.view(step))
            scene = await _scene(hands, ledger, view.view(step), options, stop, clock)
            return await _carry_out(scene, options)

    return run_on_own_loop(carry_out())


def await_clients(ledger: Ledger) -> Routine[None]:
    """What died with its lease held stays in the list until somebody counts it out."""
    purpose = "each must show that it is alive, or is counted as gone"
    _ = yield from await_everyone(ledger.control, ledger.caller, purpose=purpose, alive=True)


async def _scene(
    hands: Hands,
    ledger: Ledger,
    view: StepView,
    options: CleanupOptions,
    stop: threading.Event,
    clock: Callable[[], datetime],
) -> Scene:
    """NotPossibleInStage where the step is done; with `again`, or where what it rests on has changed, it is begun
    anew."""
    records = await hands.run(ledger.steps())
    if is_done(view.step, records) and not options.again:
        record = records[view.step]
        raise NotPossibleInStage(
            f"the step {view.step} is done since {record.finished_at}, by {record.who} on {record.host}",
            next_step=f"crossfade cleanup shows the next one (or --step {view.step} --again)",
        )
    before = records.get(view.step)
    stale = before is not None and (before.fact("rests_on") != runs_of(view.step, records) or before.fact("failed"))
    crew = Crew(hands, f"cleanup {view.step}", view.step.value, stop, Pace(options.per_second))
    return Scene(hands, ledger, view.step, records, crew, clock, again=options.again or bool(stale))


async def _carry_out(scene: Scene, options: CleanupOptions) -> Outcome:
    match scene.step:
        case Step.VERIFY:
            return await _accept_verify(scene)
        case Step.SNAPSHOT:
            return await snapshot_old_table(scene, options.place, options.sizes)
        case Step.READ_BACK:
            return await read_snapshot_back(scene)
        case Step.THROUGHPUT:
            return await _lower(scene, on_demand=options.on_demand)
        case Step.QUIET:
            return await await_quiet(scene, options.quiet_days, metrics=options.metrics)
        case Step.STAMPS:
            return await _stamps(scene)
        case Step.DELETE:
            if options.confirm != scene.hands.pair.source.name:
                raise ConfigurationError(
                    f"to delete the table its name must be given, and {options.confirm or 'nothing'} is not its name",
                    next_step=f"crossfade cleanup --step delete --execute --confirm {scene.hands.pair.source.name}",
                )
            return await delete_old_table(scene)


async def _accept_verify(scene: Scene) -> Outcome:
    held = await scene.begin({})
    await scene.hands.run(scene.ledger.finish(held, {}))
    return Outcome(scene.step, "done", ("the last verify is accepted",))


async def _lower(scene: Scene, *, on_demand: bool) -> Outcome:
    before = figures(await scene.hands.table("source"))
    held = await scene.begin({"before": before})
    now = await lower_throughput(scene.hands, on_demand=on_demand)
    await scene.hands.run(scene.ledger.finish(held, {"now": now}))
    return Outcome(scene.step, "done", (f"before: {held.record.fact('before')}", f"now: {now}"))


async def _stamps(scene: Scene) -> Outcome:
    held = await scene.begin({"segments": str(SEGMENTS)})
    scene.crew.items_total = int((await scene.hands.table("target")).get("ItemCount", 0))
    found = await remove_stamps(scene.crew, scene.ledger, held)
    said: tuple[str, ...] = (f"{found.removed:,} stamps removed from {found.items:,} items",)
    if not found.complete:
        return Outcome(scene.step, "stopped", said)
    if found.rewritten:
        said += (f"{found.rewritten:,} items were written meanwhile and have a stamp: --step stamps --again",)
    facts = {"removed": str(found.removed), "rewritten": str(found.rewritten)}
    await scene.hands.run(scene.ledger.finish(held, facts))
    return Outcome(scene.step, "done", said)
