"""From a MariaDB that is written to, by a real Kafka, to the engine: whoever dies on the way, the rows arrive."""

from __future__ import annotations

import asyncio
import contextlib
import time
import uuid
from collections.abc import Iterable, Iterator
from dataclasses import replace
from typing import cast

import pytest

from crossfade.cdc.changes import Change
from crossfade.cdc.etl import Worker, through
from crossfade.cdc.etl.reading import own
from crossfade.cdc.mysql.reader import Told
from crossfade.cdc.mysql.snapshot import Progress, Snapshot
from crossfade.cdc.mysql.watermarks import Watermarks
from crossfade.cdc.publishing import SAVE_SECONDS
from tests.cdc.etl.setting import ARRIVAL_SECONDS, Capturing, Setting, Writer, wait_for

TRANSACTIONS = 400  # of each writer


class Crash(Exception):
    """The capture dies with messages under way."""


def crashing(log: Iterable[Told], changes: int) -> Iterator[Told | Progress]:
    for told in log:
        if isinstance(told, Change):
            changes -= 1
        if changes < 0:
            raise Crash
        yield told


def crashing_soon(log: Iterable[Told], _snapshot: str) -> Iterator[Told | Progress]:
    return crashing(log, 300)


async def reached(setting: Setting) -> None:
    """Until all that the source's log holds now is applied."""
    end = await asyncio.to_thread(setting.end_of_log)
    await asyncio.to_thread(wait_for, lambda: setting.progress().has_reached(end))


async def with_partitions(*workers: Worker) -> None:
    """Until each has some: so that none is late for all of the messages."""
    async with asyncio.timeout(ARRIVAL_SECONDS):
        while not all(worker.partitions for worker in workers):
            await asyncio.sleep(0.01)


async def changes_applied(worker: Worker, count: int) -> None:
    async with asyncio.timeout(ARRIVAL_SECONDS):
        while worker.counts.changes < count:
            await asyncio.sleep(0.01)


def test_rows_arrive_whoever_dies(setting: Setting) -> None:
    """The capture dies and goes on, a worker dies and another comes; behind the last marker the target is right."""
    writers = [Writer(setting.source, seed, TRANSACTIONS) for seed in (1, 2)]
    first = Capturing(setting.capture(beside=crashing_soon))

    async def play() -> None:
        async with setting.bulk() as bulk:
            workers = [Worker(setting.settings, setting.destination(), through(bulk), own()) for _ in range(3)]
            dying, staying = (asyncio.create_task(worker.work()) for worker in workers[:2])
            await with_partitions(*workers[:2])
            first.start()
            for writer in writers:
                writer.start()
            await changes_applied(workers[0], 60)
            _ = dying.cancel()
            with contextlib.suppress(asyncio.CancelledError):
                _ = await dying
            coming = asyncio.create_task(workers[2].work())
            await asyncio.to_thread(first.join, ARRIVAL_SECONDS)
            await with_partitions(workers[2])
            second = Capturing(setting.capture())
            second.start()
            for writer in writers:
                await asyncio.to_thread(writer.join, ARRIVAL_SECONDS)
            await reached(setting)
            assert setting.items() == setting.wanted()
            assert all(worker.counts.changes for worker in workers)
            progress = await asyncio.to_thread(setting.progress)
            assert 0 <= progress.lag_seconds < 10
            second.end()
            for task in (staying, coming):
                _ = task.cancel()
            _ = await asyncio.gather(staying, coming, return_exceptions=True)

    asyncio.run(play())
    assert isinstance(first.failure, Crash)
    assert [writer.failure for writer in writers] == [None, None]
    assert len(setting.items()) > 10


def test_again_from_the_beginning_changes_nothing(setting: Setting) -> None:
    """Another group reads all of the topics into the target that has it all; stamps apart, nothing is another."""
    capture = Capturing(setting.capture())
    capture.start()
    writer = Writer(setting.source, 3, 150, 0.0)
    writer.start()
    writer.join(ARRIVAL_SECONDS)

    async def play() -> None:
        async with setting.bulk() as bulk:
            worker = Worker(setting.settings, setting.destination(), through(bulk), own())
            working = asyncio.create_task(worker.work(lambda: capture.published is not None, quiet_seconds=60))
            await reached(setting)
            capture.end()
            counts = await working
            before = setting.items()
            assert before == setting.wanted()
            again = Worker(
                replace(setting.settings, group=f"{setting.settings.group}-again"),
                setting.destination(),
                through(bulk),
                own(),
            )
            counts_again = await again.work(quiet_seconds=2)
            assert counts_again.changes == counts.changes > 100
            assert counts_again.late > 0
            assert setting.items() == before

    asyncio.run(play())
    assert writer.failure is None


def test_a_second_capture_takes_over(setting: Setting) -> None:
    """The first one can keep no position any more, and ends; what both have sent is the same."""
    first = Capturing(setting.capture())
    first.start()
    setting.write("INSERT INTO shop.customers VALUES (1, 'Ann')")
    second = Capturing(setting.capture())
    wait_for(lambda: first.is_alive())
    second.start()
    setting.write("INSERT INTO shop.customers VALUES (2, 'Bert')")

    async def play() -> None:
        async with setting.bulk() as bulk:
            worker = Worker(setting.settings, setting.destination(), through(bulk), own())
            working = asyncio.create_task(worker.work())
            await reached(setting)
            assert setting.items() == setting.wanted()
            _ = working.cancel()
            _ = await asyncio.gather(working, return_exceptions=True)

    asyncio.run(play())
    first.join(ARRIVAL_SECONDS)
    with pytest.raises(Exception, match="another process captures"):
        first.end()
    second.end()


def test_what_was_there_before_comes_too(setting: Setting) -> None:
    """A snapshot beside the log goes through the topics as well; the capture dies in it and goes on where it was."""
    watermarks = Watermarks("shop")
    rows = ", ".join(f"({number}, 'name {number}')" for number in range(1000, 1200))
    setting.write(f"INSERT INTO shop.customers VALUES {rows}", watermarks.creating)
    setting.beginning = setting.end_of_log()
    begun_with: list[str] = []

    def beside(log: Iterable[Told], kept: str) -> Iterator[Told | Progress]:
        begun_with.append(kept)
        progress = Progress.of_text(kept) if kept else None
        with setting.source.connect() as connection:
            snapshot = Snapshot(
                connection,
                watermarks,
                ["shop.customers"],
                name="shop",
                new_mark=lambda: uuid.uuid4().hex,
                progress=progress,
                chunk_rows=7,
            )
            for told in snapshot.beside(log):
                if isinstance(told, Progress) and not kept:
                    time.sleep(SAVE_SECONDS / 6)  # so that what was told before is kept more than once
                    if told.after is not None and cast("int", told.after[0]) > 1100:
                        raise Crash
                yield told

    def capturing() -> Capturing:
        return Capturing(setting.capture(beside=beside, watermarks=watermarks.name))

    writer = Writer(setting.source, 6, 200)
    first, second = capturing(), capturing()

    async def play() -> None:
        async with setting.bulk() as bulk:
            worker = Worker(setting.settings, setting.destination(), through(bulk), own())
            working = asyncio.create_task(worker.work())
            first.start()
            writer.start()
            await asyncio.to_thread(first.join, ARRIVAL_SECONDS)
            second.start()
            await asyncio.to_thread(writer.join, ARRIVAL_SECONDS)
            await asyncio.to_thread(wait_for, finished)
            await reached(setting)
            assert setting.items() == setting.wanted()
            _ = working.cancel()
            _ = await asyncio.gather(working, return_exceptions=True)

    def finished() -> bool:
        found = setting.captured()
        return bool(found.snapshot) and Progress.of_text(found.snapshot).finished

    asyncio.run(play())
    second.end()
    assert isinstance(first.failure, Crash)
    assert begun_with[0] == ""
    assert not Progress.of_text(begun_with[1]).finished
    assert len(setting.items()) > 200
