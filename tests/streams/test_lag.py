"""How far behind a shard is: by the times of its changes and, where these are whole minutes, by the place."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from typing import Any

import pytest

from crossfade.control.records import Reader, ShardPosition
from crossfade.core.effects import Routine
from crossfade.streams.asking import PAGE_RECORDS, Page, Stream
from crossfade.streams.changes import Change
from crossfade.streams.shard import ShardReading

STREAM = Stream("source", "orders", "arn:aws:dynamodb:us-east-1:0:table/orders/stream/2026-01-01T00:00:00.000", "look")
MINUTE = 60.0 * 30_000_000
KEEPING_UP = 4  # pages with a change or two


class Scripted:
    """Pages of changes with these times, one read each quarter of a second of a clock of its own."""

    def __init__(self, pages: Sequence[Sequence[float]], now: float) -> None:
        self.ledger: Any = self
        self.now = now
        self.lags: list[float | None] = []
        self.reading = ShardReading(
            self, STREAM, ShardPosition(Reader.WATCH, "source", "s", "run", "", False, 0), self.deal
        )
        self._pages = list(pages)

    def advance(self, position: ShardPosition, **_: Any) -> ShardPosition:
        return position

    async def deal(self, stream: Stream, changes: Sequence[Change]) -> None:
        del stream, changes

    async def read(self, routine: Routine[Page]) -> Page:
        routine.close()
        times = self._pages.pop(0)
        changes = [Change("source", {}, "MODIFY", at, "", False, None, None) for at in times]
        return Page(changes, "1" if changes else "", "next")

    async def pause(self, seconds: float) -> None:
        await asyncio.sleep(0)
        self.now += seconds
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
