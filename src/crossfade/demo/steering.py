"""The operator's hands: each step of the migration as `crossfade` does it, shown as a user would type it.

The same functions as behind the command line are called, in this process, because starting a new one for each of two
dozen commands would take longer than the commands.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass, field
from operator import methodcaller
from typing import Any, TypeVar

import botocore.session

from crossfade.aws.own_calls import call
from crossfade.backfill.result import BackfillOptions, BackfillResult
from crossfade.backfill.run import run_backfill
from crossfade.check import run_check
from crossfade.control.coordinator import Coordinator
from crossfade.control.records import State
from crossfade.control.starting import StartPlan
from crossfade.control.store import Control
from crossfade.core.effects import Place, Reply, Request, Routine
from crossfade.core.rules import Rules
from crossfade.core.stages import LADDERS, Stage, path
from crossfade.core.stages import ladder as stages_of
from crossfade.demo.console import Console
from crossfade.drivers.scope import Scope
from crossfade.drivers.sync import SyncDriver
from crossfade.errors import GateClosed
from crossfade.jobs.connecting import job_config
from crossfade.jobs.progress import Progress
from crossfade.jobs.session import here
from crossfade.local import LocalEngine
from crossfade.migration import Migration
from crossfade.verify.result import VerifyOptions, VerifyResult
from crossfade.verify.run import run_verify

T = TypeVar("T")
WORKERS = 4  # two cores, and the applications want some of them
SEGMENTS = 32
PAGE_ITEMS = 2_000  # near 1 MB, which is the most that a page holds


@dataclass(slots=True)
class Steering:
    """One migration, moved. `entered` is told of each stage when everybody is in it."""

    server: LocalEngine
    migration: Migration
    console: Console
    entered: Callable[[str], None]
    rules: Rules = field(default_factory=Rules)
    client: Any = None
    waited_seconds: float = 0.0

    def __post_init__(self) -> None:
        session: Any = botocore.session.Session()
        self.client = session.create_client("dynamodb", config=job_config(WORKERS), **self.server.client_options())
        self._driver = SyncDriver(self._call, self._note)

    _driver: SyncDriver = field(init=False)

    @property
    def ladder(self) -> tuple[Stage, ...]:
        return stages_of(self.migration.strategy, lockstep=self.rules.lockstep, prepare=self.rules.prepare)

    @property
    def state(self) -> State:
        return self._run(Control(self.migration.name).state())

    # --- commands

    def check(self) -> bool:
        self.console.command("crossfade check")
        report = run_check(self.client, self.client, self.migration)
        for piece in report.mapping:
            self.console.say(piece)
        for finding in report.findings:
            self.console.say(f"{finding.severity}: {finding.what}")
        if report.ok:
            self.console.say(f"{report.sampled_items:,} items tried, there and back: nothing wrong")
        return report.ok

    def start(self) -> None:
        self.console.command("crossfade start --execute")
        migration = self.migration
        plan = StartPlan(
            migration.strategy, migration.source.name, migration.target.name, migration.compiled.fingerprint
        )
        state = self._run(self._coordinator().start(plan))
        self.console.say(f"recorded in table {migration.control_table}, stage {state.stage}")

    def walk(self, to: Stage, pause: Callable[[Stage], None], *, at_once: bool = False) -> None:
        """Walk to a stage, up or down, one at a time, with or without a pause in each. Raises GateClosed."""
        here_now = self.state.stage
        steps = path(self.ladder, here_now, to)
        verb = "advance" if self.ladder.index(to) > self.ladder.index(here_now) else "rollback"
        if at_once:
            self._move(verb, to, methodcaller("walk", to))
            return
        for stage in steps:
            self._move(verb, stage, methodcaller("move_one", stage))
            pause(stage)

    def ramp(self, percent: int) -> None:
        self.console.command(f"crossfade advance --ramp {percent} --execute")
        _ = self._run(self._coordinator().set_ramp(percent))

    def complete(self) -> None:
        shorter = "" if self.migration.strategy == "dual-write" else " --quiet-days 0"
        self.console.command(f"crossfade complete --execute --confirm {self.migration.name}{shorter}")
        _ = self._run(self._coordinator().complete(confirmed=True))
        self.entered(Stage.COMPLETE)
        self.console.say(LADDERS[self.migration.strategy][Stage.COMPLETE].summary)

    def backfill(self, on_progress: Callable[[Progress], None]) -> BackfillResult:
        self.console.command("crossfade backfill --execute")
        options = BackfillOptions(segments=SEGMENTS, workers=WORKERS, page_items=PAGE_ITEMS, rules=self.rules)
        return run_backfill(self.migration, self._clients(), options, on_progress)

    def verify(
        self, on_progress: Callable[[Progress], None], recheck_seconds: tuple[float, ...], *, repair: bool
    ) -> VerifyResult:
        self.console.command("crossfade verify --repair --execute" if repair else "crossfade verify")
        options = VerifyOptions(
            repair=repair,
            segments=SEGMENTS,
            workers=WORKERS,
            page_items=PAGE_ITEMS,
            recheck_seconds=recheck_seconds,
            rules=self.rules,
        )
        return run_verify(self.migration, self._clients(), options, on_progress)

    # --- how

    def _move(self, verb: str, to: Stage, move: Callable[[Coordinator], Routine[State]]) -> None:
        self.console.command(f"crossfade {verb} --to {to} --execute")
        began = time.monotonic()
        self.waited_seconds = 0.0
        try:
            state = self._run(move(self._coordinator()))
        except GateClosed as error:
            self.console.say("refused:")
            self.console.block(error.message)
            self.console.block(f"next: {error.next_step}")
            raise
        self.entered(state.stage)
        summary = LADDERS[state.strategy][state.stage].summary
        self.console.say(f"everybody is in {state.stage} after {time.monotonic() - began:.1f} s: {summary}")

    def _coordinator(self) -> Coordinator:
        return Coordinator(Control(self.migration.name), here(), self.rules, quiet_days=0)  # nobody has a fortnight

    def _clients(self) -> dict[Place, Any]:
        return {"source": self.client, "target": self.client, "control": self.client}

    def _run(self, routine: Routine[T]) -> T:
        return self._driver.run(routine, Scope())

    def _call(self, _place: Place, operation: str, request: Request) -> Reply:
        return call(self.client, operation, request)

    def _note(self, name: str, facts: dict[str, Any]) -> None:
        if name == "waiting":
            for client in facts["clients"]:
                if client["gone_in_seconds"] is not None:
                    self.console.progress(f"waits for pid {client['pid']}: {client['reason']}")
        elif name == "client_gone":
            self.console.say(f"counted {facts['client']} as gone: what it had begun may be half done")
