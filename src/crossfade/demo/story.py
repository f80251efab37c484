"""The demo's migration, from the empty new table to the end, with everything that happens to it on the way.

What it finds wrong itself (a verify that finds differences although no client ended in the middle of something) ends
it: the applications are stopped there, and the proof looks at that state.
"""

from __future__ import annotations

import time
from dataclasses import dataclass, field

from crossfade.core.stages import LADDERS, Stage
from crossfade.demo.console import Console
from crossfade.demo.figures import Figures
from crossfade.demo.fleet import Application, Fleet
from crossfade.demo.goods import SOURCE, TARGET
from crossfade.demo.memory import Watcher
from crossfade.demo.steering import Steering
from crossfade.errors import CrossfadeError, GateClosed
from crossfade.jobs.progress import Progress
from crossfade.verify.compare import RECHECK_SECONDS
from crossfade.verify.result import VerifyResult

VERIFIES_MAX = 4  # of one gate; the second finds nothing, unless a client ended meanwhile


@dataclass(frozen=True, slots=True)
class Pace:
    """How long to stay in a stage, in seconds, and whether in each or only at the end of a walk. How often to go back
    to dualwrite and up again. How much of the backfill is done when a process is killed."""

    stay_seconds: float
    stay_in_each: bool = True
    round_trips: int = 1
    kill_at_share: float = 0.3
    recheck_seconds: tuple[float, ...] = RECHECK_SECONDS


class Overloaded(CrossfadeError):
    """Nothing can be said of the migration, since the machine was too busy to carry it out."""


class Damage(Exception):
    """The migration itself has noticed that something is wrong."""


@dataclass(slots=True)
class Story:
    """Everything that it takes, and what is to be told of it afterwards."""

    steering: Steering
    fleet: Fleet
    console: Console
    watcher: Watcher
    pace: Pace
    applications: int
    figures: Figures = field(default_factory=Figures)
    alone_since: float | None = None
    backfill_rate: float = 0.0
    _clean_at_unclean: int = 0

    @property
    def authority(self) -> str:
        """The table that answers now."""
        state = self.steering.state
        return SOURCE if LADDERS[state.strategy][state.stage].authority == "source" else TARGET

    def tell(self) -> None:
        """Raises Damage, and whatever goes wrong."""
        self._begin()
        self._copy()
        self._climb()
        self._go_back()
        self._finish()

    def entered(self, stage: str) -> None:
        self.figures.enter(stage, time.monotonic())

    # --- chapters

    def _begin(self) -> None:
        self.console.chapter("The applications: written for the old table, with one line more")
        self.steering.start()
        self._hire(self.applications)
        self.entered(Stage.OFF)
        self._stay(Stage.OFF)
        self.steering.walk(Stage.DUALWRITE, self._stay)

    def _copy(self) -> None:
        self.console.chapter("The backfill, beside the traffic; one application is killed in the middle of it")
        self.figures.enter("dualwrite, backfill", time.monotonic())
        victims = [self.fleet.living[1]]

        def progress(now: Progress) -> None:
            self._show(now)
            if victims and now.items_done >= self.pace.kill_at_share * now.items_total:
                self._kill(victims.pop())

        result = self.steering.backfill(progress)
        self.backfill_rate = result.items_per_second
        self.console.say(
            f"{result.status}: {result.items:,} items in {result.seconds:.1f} s, {result.items_per_second:,.0f}/s; "
            f"{result.changed:,} had changed meanwhile and were copied again"
        )
        if result.status != "complete":
            raise Damage(f"the backfill is {result.status}: {result.failed} items could not be copied")
        if victims:
            self._kill(victims.pop())

    def _kill(self, victim: Application) -> None:
        self.fleet.kill(victim)
        self.console.say(f"kill -9 {victim.process.pid} ({victim.name}), in the middle of what it was doing")
        self._hire(1)

    def _climb(self) -> None:
        self.console.chapter("Up to live, while another application stands still for longer than its lease")
        sleeper = self.fleet.living[-1]
        self.fleet.pause(sleeper)
        self.console.say(f"kill -STOP {sleeper.process.pid} ({sleeper.name}), in the middle of what it was doing")
        self._walk(Stage.SHADOW)
        self.console.say("What those two had begun may be half done, so the next gate wants a verify from now on.")
        self._verify()
        self.steering.ramp(50)
        self.console.say("half of the documents are now read from the new table")
        self._stay(Stage.SHADOW)
        self._walk(Stage.LIVE)
        self.fleet.resume(sleeper)
        self.console.say(f"kill -CONT {sleeper.process.pid} ({sleeper.name}): it still believes to be in dualwrite")
        self._stay(Stage.LIVE)
        self._walk(Stage.RAMPDOWN)

    def _go_back(self) -> None:
        self.console.chapter("All the way back to dualwrite, and up again")
        for _ in range(self.pace.round_trips):
            self._walk(Stage.DUALWRITE)
            self._walk(Stage.RAMPDOWN, at_once=True)

    def _finish(self) -> None:
        self.console.chapter("The end: the old table is left behind")
        since = time.monotonic()
        for _ in range(VERIFIES_MAX):
            since = time.monotonic()
            try:
                self.steering.complete()
                break
            except GateClosed:
                self._verify()
        self.alone_since = since
        self._stay(Stage.COMPLETE)

    # --- what recurs

    def _walk(self, to: Stage, *, at_once: bool = False) -> None:
        """Verify where a gate asks for it, then go on."""
        for _ in range(VERIFIES_MAX):
            try:
                self._walk_once(to, at_once=at_once or not self.pace.stay_in_each)
            except GateClosed:
                self._verify()
            else:
                return
        raise Damage(f"the gates on the way to {to} did not open after {VERIFIES_MAX} verifies")

    def _walk_once(self, to: Stage, *, at_once: bool) -> None:
        self.steering.walk(to, self._stay, at_once=at_once)
        if at_once:
            self._stay(to)

    def _verify(self) -> None:
        """Until one finds nothing. Differences are damage unless some client ended unfinished since the last."""
        overtaken = False
        for _ in range(VERIFIES_MAX):
            unclean = self.steering.state.unclean
            repair = unclean > self._clean_at_unclean
            result = self.steering.verify(self._show, self.pace.recheck_seconds, repair=repair)
            self.console.say(
                f"{result.status}: {result.matching:,} match, {result.missing} missing, {result.extra} extra, "
                f"{result.mismatched} different, in {result.seconds:.1f} s"
            )
            if result.differences and self.steering.state.unclean == self._clean_at_unclean:
                raise Damage(_differences(result))
            if not result.differences:
                self._clean_at_unclean = unclean
                return
            overtaken = self.steering.state.unclean > unclean
        if overtaken:
            raise Overloaded(
                f"in the last of {VERIFIES_MAX} verifies too a client could not keep its lease, so there is always"
                " something half done to be repaired: this machine is too busy for the demo",
                next_step="run it again when less else is running, or with fewer documents",
            )
        raise Damage(f"verify still finds differences after {VERIFIES_MAX} repairs")

    def _show(self, now: Progress) -> None:
        self.console.progress(_bar(now))

    def _hire(self, count: int) -> None:
        started = self.fleet.start(count)
        for application in started:
            self.watcher.watch(application.name, application.process.pid)
        names = ", ".join(f"{one.name} (pid {one.process.pid})" for one in started)
        self.console.say(f"started {names}")

    def _stay(self, stage: Stage) -> None:
        """Let the applications work, and watch."""
        del stage
        until = time.monotonic() + self.pace.stay_seconds
        while (left := until - time.monotonic()) > 0:
            time.sleep(min(0.5, left))
            self.fleet.check()
        self.figures.read(self.fleet.journals)


def _bar(now: Progress) -> str:
    share = min(1.0, now.items_done / max(1, now.items_total))
    filled = round(30 * share)
    return f"{now.job} {'#' * filled}{'.' * (30 - filled)} {share:4.0%} {now.items_per_second:8,.0f} items/s"


def _differences(result: VerifyResult) -> str:
    samples = "\n".join(sample.text() for sample in result.samples[:3])
    return f"verify found {result.differences} differences although every client had ended properly:\n{samples}"
