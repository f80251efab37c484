"""How far behind a shard is: by the times of its changes and, where these are whole minutes, by the place."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Sequence
from typing import Any

import pytest

from crossfade.control.records import Reader, ShardPosition
from crossfade.core.effects import Routine
from crossfade.streams.asking import PAGE_RECORDS, Page, Stream
from crossfade.streams.changes import Change
from crossfade.streams.shard import BUSY_SECONDS, ShardReading

STREAM = Stream("source", "orders", "arn:aws:dynamodb:us-east-1:0:table/orders/stream/2026-01-01T00:00:00.000", "look")
MINUTE = 60.0 * 30_000_000
EMPTY: list[float] = []
KEEPING_UP = 4  # pages with a change or two


class Scripted:
    """Pages of changes with these times, one read each quarter of a second of a clock of its own."""

    def __init__(self, pages: Sequence[Sequence[float]], now: float) -> None:
        self.ledger: Any = self
        self.now = now
        self.lags: list[float | None] = []
        self.pauses: list[float] = []
        self.idle_seconds_max = 4.0
        self.reading = ShardReading(
            self, STREAM, ShardPosition(Reader.WATCH, "source", "s", "run", "", False, 0), self.deal
        )
        self._pages = list(pages)

    def advance(self, position: ShardPosition, **_: Any) -> ShardPosition:
        return position

    async def deal(self, stream: Stream, changes: Sequence[Change]) -> None:
        del stream, changes

    async def room(self) -> Callable[[], None]:
        return lambda: None

    async def read(self, routine: Routine[Page]) -> Page:
        routine.close()
        times = self._pages.pop(0)
        changes = [Change("source", {}, "MODIFY", at, "", False, None, None) for at in times]
        return Page(changes, "1" if changes else "", "next")

    async def pause(self, seconds: float) -> None:
        await asyncio.sleep(0)
        self.now += seconds
        self.pauses.append(seconds)
        self.lags.append(self.reading.lag_seconds(self.now))

    def wall(self) -> float:
        return self.now

    def stopping(self) -> bool:
        return not self._pages

    def last_lag(self) -> float | None:
        _ = asyncio.run(self.reading.run())
        return self.lags[-1]


def test_steady_traffic_of_whole_minutes_is_kept_up_with() -> None:
    """50 seconds into a minute each page has a change, which says that it is of the minute's beginning."""
    lag = Scripted([[MINUTE]] * KEEPING_UP, MINUTE + 50).last_lag()
    assert lag is not None
    assert lag < 1.0


@pytest.mark.parametrize(
    ("pages", "now", "why"),
    [
        ([[MINUTE + 7]] * KEEPING_UP, MINUTE + 50, "times to the second tell for themselves"),
        ([[MINUTE]] * KEEPING_UP, MINUTE + 300, "older than the minute: it is behind"),
        ([[MINUTE]] * 2, MINUTE + 50, "one short page, or two, may stand before others"),
        ([[MINUTE] * PAGE_RECORDS] * 3 + [[MINUTE]], MINUTE + 50, "full pages: more are waiting"),
        ([[MINUTE + 7], *[[MINUTE]] * KEEPING_UP], MINUTE + 50, "a time to the second was seen"),
    ],
)
def test_what_is_behind_is_not_taken_for_caught_up(pages: list[list[float]], now: float, why: str) -> None:
    """By time, as ever."""
    lag = Scripted(pages, now).last_lag()
    assert lag is not None
    assert lag > 40.0, why


def test_an_idle_shard_is_asked_less_and_less_often() -> None:
    """Up to a bound; the first change that comes has it asked often again. As long as it is asked in time, it is not
    behind."""
    scripted = Scripted([*[EMPTY] * 6, [MINUTE + 7], EMPTY], MINUTE)
    before = scripted.now
    _ = asyncio.run(scripted.reading.run())
    assert scripted.pauses == [0.5, 1.0, 2.0, 4.0, 4.0, 4.0, BUSY_SECONDS, 0.5]
    assert scripted.now == before + sum(scripted.pauses)
    assert [lag for lag, pause in zip(scripted.lags, scripted.pauses, strict=True) if pause != BUSY_SECONDS] == [
        0.0
    ] * 7


def test_a_shard_that_waits_for_its_turn_is_behind() -> None:
    """Nobody knows what came into it since it was last asked."""
    scripted = Scripted([EMPTY] * 3, MINUTE)
    _ = asyncio.run(scripted.reading.run())
    last_asked = scripted.now - scripted.pauses[-1]
    assert scripted.reading.lag_seconds(last_asked + scripted.pauses[-1] + 0.5) == 0.0
    assert scripted.reading.lag_seconds(last_asked + 30.0) == 30.0
