"""The parts of the jobs that need no database."""

from __future__ import annotations

import asyncio
import os
import signal
import threading

import pytest

from crossfade.backfill.copy import write_units
from crossfade.backfill.result import BackfillOptions
from crossfade.errors import ConfigurationError, StageUncertain
from crossfade.jobs.order import spread_order
from crossfade.jobs.pace import BURST_SECONDS, Pace
from crossfade.jobs.progress import Meter, seconds_left
from crossfade.jobs.signals import stop_on_signals
from crossfade.jobs.workers import Workers


@pytest.mark.parametrize("total", [1, 2, 3, 8, 64, 100])
def test_every_segment_is_taken_once(total: int) -> None:
    """The order is a permutation, powers of two or not."""
    assert sorted(spread_order(total)) == list(range(total))


@pytest.mark.parametrize("partitions", [2, 4, 8])
def test_hazard_28_workers_are_spread_over_the_partitions(partitions: int) -> None:
    """Any eight segments taken one after the other touch every partition, where plain order would stay in one."""
    order = spread_order(64)
    for start in range(0, 64, 8):
        assert {n * partitions // 64 for n in order[start : start + 8]} == set(range(partitions))


def test_the_rate_is_that_of_all_workers_together() -> None:
    """Bookings follow one another, and time that nobody used is not saved up."""
    pace = Pace(100.0)
    moments = [pace.book(25, 10.0) for _ in range(4)]
    assert moments == pytest.approx(
        [10 - BURST_SECONDS, 10.25 - BURST_SECONDS, 10.5 - BURST_SECONDS, 10.75 - BURST_SECONDS]
    )
    assert pace.book(25, 100.0) == pytest.approx(100 - BURST_SECONDS)
    pace.lift()
    assert pace.book(1e9, 100.0) == 100.0


def test_write_units_are_kilobytes_begun() -> None:
    """One unit for each KB that an item begins."""
    assert write_units({"k": {"S": "x" * 1023}}) == 1
    assert write_units({"k": {"S": "x" * 1024}}) == 2


def test_a_page_is_small_under_a_rate_limit() -> None:
    """So that a stop, or a move of the stage, never waits for many seconds."""
    assert BackfillOptions(items_per_second=40, workers=8).page_paced(1_000) == 10
    assert BackfillOptions(units_per_second=1, workers=8).page_paced(1_000) == 1
    assert BackfillOptions().page_paced(1_000) == 1_000


@pytest.mark.parametrize("wrong", [{"workers": 0}, {"segments": 20_000}, {"page_items": 0}, {"items_per_second": 0}])
def test_options_out_of_range_are_an_error(wrong: dict[str, int]) -> None:
    """Before anything runs."""
    with pytest.raises(ConfigurationError):
        _ = BackfillOptions(**wrong)  # type: ignore[arg-type]


def test_the_rate_is_of_the_last_seconds() -> None:
    """A throttle is seen at once, not averaged away; and no rate, no time left."""
    meter = Meter()
    assert meter.rate(0.0) == 0.0
    meter.add(1000)
    assert meter.rate(10.0) == 100.0
    assert meter.rate(20.0) == pytest.approx(0.0)
    assert seconds_left(500, 100, 100.0) == 4.0
    assert seconds_left(500, 100, 0.0) is None


def test_the_first_signal_asks_and_the_second_ends() -> None:
    """SIGINT sets the event; after that it is a KeyboardInterrupt again."""
    stop = threading.Event()
    with stop_on_signals(stop):
        os.kill(os.getpid(), signal.SIGINT)
        assert stop.wait(5)
        with pytest.raises(KeyboardInterrupt):
            signal.raise_signal(signal.SIGINT)
    assert signal.getsignal(signal.SIGINT) is signal.default_int_handler


class Steps:
    """A task of some steps; what a step says is given."""

    def __init__(self, *says: float | Exception | None, must_go_on: bool = False) -> None:
        self.left = list(says)
        self.must_go_on = must_go_on

    async def step(self) -> float | None:
        said = self.left.pop(0)
        if isinstance(said, Exception):
            raise said
        return said


def work_off(*tasks: Steps, stop: threading.Event | None = None) -> None:
    moments = iter(range(10_000))

    async def meanwhile() -> None:
        pass

    async def run() -> None:
        workers = Workers(tasks, lambda: float(next(moments)), (stop or threading.Event()).is_set)
        await workers.work_off(2, meanwhile)

    asyncio.run(run())


def test_all_steps_of_all_tasks_are_taken() -> None:
    """A task that waits is put aside and taken up again; one without a lease tries again."""
    tasks = [Steps(0.0, 5.0, None), Steps(StageUncertain("no lease"), None), Steps(None)]
    work_off(*tasks)
    assert [task.left for task in tasks] == [[], [], []]


def test_the_first_error_ends_all() -> None:
    """It is raised where the work was asked for."""
    with pytest.raises(RuntimeError, match="broken"):
        work_off(Steps(RuntimeError("broken")), Steps(None))


def test_a_stop_lets_only_what_must_go_on() -> None:
    """What has sent a write without an answer is settled even then."""
    stop = threading.Event()
    stop.set()
    idle, unsettled = Steps(None), Steps(None, must_go_on=True)
    work_off(idle, unsettled, stop=stop)
    assert (len(idle.left), len(unsettled.left)) == (1, 0)
