"""The migration's way up and down its ladder while everybody works, and what happens to the processes meanwhile.

A gate that is closed is opened as an operator would: by a backfill, by a verify that repairs what a killed process has
left behind. Differences that nobody's death explains are a fault of the protocol, and end the run.
"""

from __future__ import annotations

import re
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from random import Random
from typing import Final

from crossfade.core.stages import LADDERS, Gate, Stage
from crossfade.demo.steering import Steering
from crossfade.errors import GateClosed, in_full
from crossfade.migration import Strategy
from crossfade.verify.result import VerifyResult
from tests.histories.crew import Crew, ProcessFailed

STAY_SECONDS: Final = 0.6
AT_ONCE_SHARE: Final = 0.4  # of the stages that are left as soon as everybody is there
VERIFIES_MAX: Final = 10
RECHECK_SECONDS: Final = (0.1, 0.4, 1.0, 1.0, 1.0)


@dataclass(frozen=True, slots=True)
class Way:
    """How a strategy's ladder is gone up and down. `first` is gone before, in half of the runs."""

    up: tuple[Stage, ...]
    down: tuple[Stage, ...]
    first: tuple[Stage, ...] = ()
    complete_share: float = 0.2  # of the runs that end with the end of the migration


WAYS: Final[dict[Strategy, Way]] = {
    "dual-write": Way(up=(Stage.RAMPDOWN, Stage.LIVE), down=(Stage.OFF, Stage.DUALWRITE, Stage.SHADOW)),
    # From drain on nothing leads below prepare. Complete is where a source's old items could do harm yet.
    "copy-on-write": Way(
        up=(Stage.RAMPDOWN, Stage.RAMPDOWN, Stage.DRAIN),
        down=(Stage.PREPARE, Stage.PREPARE, Stage.DRAIN),
        first=(Stage.PREPARE, Stage.OFF, Stage.STAMP),
        complete_share=0.5,
    ),
}


CLOSED: Final = re.compile(r"CLOSED (\w+):")  # a gate, by its name
ALLOWED_SECONDS: Final = 6.0


class Damage(Exception):
    """The two tables differ although no process ended in the middle of something."""


@dataclass(slots=True)
class Course:
    """`random` decides on the way; `say` is told of what happens; `quiet` holds misfortune off, or no more.

    `kills`: how many processes have been killed. The migration itself knows of one when its lease has run out.
    """

    steering: Steering
    random: Random
    say: Callable[[str], None]
    check: Callable[[], None]
    quiet: Callable[[bool], None] = lambda _: None
    kills: Callable[[], int] = lambda: 0
    moves: int = 0
    _clean_at: tuple[int, int] = (0, 0)
    _copied: bool = False

    def run(self, seconds: float) -> None:
        """Up and down for that long, always across the change of authority, and to a rest. Raises Damage."""
        until = time.monotonic() + seconds
        way = WAYS[self.steering.migration.strategy]
        for stage in way.first if self.random.random() < 0.5 else ():
            if stage in self.steering.ladder:
                self._go(stage)
        while True:
            self._go(self.random.choice(way.up))
            if time.monotonic() > until:
                break
            self._go(self.random.choice([stage for stage in way.down if stage in self.steering.ladder]))
        if self.random.random() < way.complete_share:
            self._complete()

    def look_at_rest(self) -> None:
        """Nobody works any more: both sides are equal, unless the migration is complete; or, where items are copied,
        the target has all that the source has. Raises Damage."""
        row = LADDERS[self.steering.migration.strategy][self.steering.state.stage]
        if row.keeps_equal or (row.drains and self._copied):
            self._verify()

    def _go(self, to: Stage) -> None:
        self._through(lambda: self.steering.walk(to, self._stay), to)

    def _complete(self) -> None:
        self._go(Stage.RAMPDOWN)
        self._through(self.steering.complete, Stage.COMPLETE)
        self._stay(Stage.COMPLETE)

    def _through(self, move: Callable[[], None], to: Stage) -> None:
        """A gate stays closed where a process is killed during the verify, so at last it is opened in a quiet time."""
        try:
            for attempt in range(VERIFIES_MAX):
                self.quiet(attempt > VERIFIES_MAX // 2)
                try:
                    move()
                except GateClosed as closed:
                    told = in_full(closed)
                    self.say(told)
                    if CLOSED.findall(told) == [Gate.ALLOWED]:
                        time.sleep(ALLOWED_SECONDS)  # a denial that was found passes, and is tried again
                    else:
                        self._open()
                else:
                    return
        finally:
            self.quiet(False)
        raise Damage(f"the gates on the way to {to} did not open after {VERIFIES_MAX} verifies")

    def _stay(self, stage: Stage) -> None:
        self.moves += 1
        self.say(stage)
        self.check()
        if LADDERS[self.steering.migration.strategy][stage].leaves_target_behind:
            self._copied = False
        if self.random.random() >= AT_ONCE_SHARE:
            time.sleep(STAY_SECONDS * self.random.uniform(0.3, 1.7))

    def _open(self) -> None:
        if not self._copied:
            self.say("backfill")
            result = self.steering.backfill(lambda _: None)
            if result.status != "complete":
                raise Damage(f"the backfill is {result.status}: {result.failed} items could not be copied")
            self._copied = True
        self._verify()

    def _verify(self) -> None:
        for _ in range(VERIFIES_MAX):
            ends = self._ends()
            result = self.steering.verify(lambda _: None, RECHECK_SECONDS, repair=ends != self._clean_at)
            self.say(f"verify: {result.status}")
            if not result.differences:
                self._clean_at = ends
                return
            if self._ends() == self._clean_at:
                raise Damage(difference(result))
        raise Damage(f"verify still finds differences after {VERIFIES_MAX} repairs")

    def _ends(self) -> tuple[int, int]:
        """How often a process has ended in the middle of something, by what the migration knows and by what we do."""
        return self.steering.state.unclean, self.kills()


def difference(result: VerifyResult) -> str:
    samples = "\n".join(sample.text() for sample in result.samples)
    return f"verify found {result.differences} differences although every process had ended properly:\n{samples}"


@dataclass(slots=True)
class Misfortune:
    """Kills processes and starts others, or stops them for a while, at random moments until told to end."""

    crew: Crew
    random: Random
    say: Callable[[str], None]
    pause_seconds: float
    kills: int = 0
    pauses: int = 0
    failure: ProcessFailed | None = None
    is_held: bool = False
    _end: threading.Event = field(default_factory=threading.Event)
    _thread: threading.Thread | None = None

    def begin(self) -> None:
        self._thread = threading.Thread(target=self._run, name="misfortune")
        self._thread.start()

    def hold(self, held: bool) -> None:
        """Whether nobody is killed or stopped for now."""
        self.is_held = held

    def end(self) -> None:
        """No process is stopped, and none will be. Raises ProcessFailed where one could not be started."""
        self._end.set()
        if self._thread is not None:
            self._thread.join()
            self._thread = None
        if self.failure is not None:
            raise self.failure

    def _run(self) -> None:
        try:
            while not self._end.wait(self.pause_seconds * self.random.uniform(0.4, 1.6)):
                if not self.is_held:
                    self._strike()
        except ProcessFailed as failure:
            self.failure = failure

    def _strike(self) -> None:
        victim = self.random.choice(self.crew.living)
        if self.random.random() < 0.7:
            self.say(f"kill {victim.name}")
            self.kills += 1
            self.crew.kill(victim)
            self.crew.start()
            return
        self.say(f"stop {victim.name}")
        self.crew.pause(victim)
        _ = self._end.wait(self.random.uniform(0.3, 6.0))  # shorter and longer than a lease
        self.crew.resume(victim)
        self.say(f"go on {victim.name}")
        self.pauses += 1
