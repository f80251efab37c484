"""Killed and gone away: a worker by SIGKILL, the broker, the source. What has come through is right all the same.

It takes minutes beside other work, most of them for the broker to notice: so it is played with EVERY=1 only.
"""

from __future__ import annotations

import asyncio
import json
import subprocess
import sys

import pytest

from crossfade.cdc.etl import Worker, through
from crossfade.cdc.etl.reading import own
from crossfade.local.kafka import KafkaServer
from crossfade.local.mariadb import MariaDbServer
from tests.cdc.etl.setting import ARRIVAL_SECONDS, Capturing, Setting, Writer, wait_for
from tests.cdc.etl.test_end_to_end import reached
from tests.sampling import ALL

pytestmark = pytest.mark.skipif(not ALL, reason="with EVERY=1 only: it takes minutes")


def worker_process(setting: Setting) -> subprocess.Popen[str]:
    told = {
        "kafka": setting.kafka,
        "group": setting.settings.group,
        "topics": setting.settings.topics,
        "dead_letters": setting.settings.dead_letters,
        "client": setting.database.client_options(),
        "target": setting.tables["target"],
        "parts": setting.tables["parts"],
    }
    command = [sys.executable, "-m", "tests.cdc.etl.worker_process", json.dumps(told)]
    return subprocess.Popen(command, stdout=subprocess.PIPE, text=True)


def test_a_worker_is_killed(setting: Setting) -> None:
    """By SIGKILL, with changes under way and no word to anybody: another one takes over and the target is right."""
    capture, writer = Capturing(setting.capture()), Writer(setting.source, 9, 600)
    capture.start()
    writer.start()
    killed = worker_process(setting)
    assert killed.stdout
    with killed.stdout:
        for line in killed.stdout:
            if int(line) >= 100:
                break
    killed.kill()
    _ = killed.wait(ARRIVAL_SECONDS)

    async def play() -> None:
        async with setting.bulk() as bulk:
            worker = Worker(setting.settings, setting.destination(), through(bulk), own())
            working = asyncio.create_task(worker.work())
            await asyncio.to_thread(writer.join, ARRIVAL_SECONDS)
            await reached(setting)
            assert setting.items() == setting.wanted()
            assert worker.counts.changes > 0
            _ = working.cancel()
            _ = await asyncio.gather(working, return_exceptions=True)

    asyncio.run(play())
    capture.end()
    assert writer.failure is None


def test_the_broker_and_the_source_go_away(setting: Setting, kafka: KafkaServer, mariadb: MariaDbServer) -> None:
    """Both are killed and come back; capture and worker go on by themselves, and nothing is missing."""

    async def play() -> None:
        async with setting.bulk() as bulk:
            worker = Worker(setting.settings, setting.destination(), through(bulk), own())
            working = asyncio.create_task(worker.work())
            capture = Capturing(setting.capture())
            capture.start()

            async def reached_alive() -> None:
                """With the worker and the capture that were there from the beginning."""
                waiting = asyncio.create_task(reached(setting))
                _ = await asyncio.wait({working, waiting}, return_when=asyncio.FIRST_COMPLETED)
                if working.done():
                    _ = working.result()
                assert capture.failure is None, capture.failure
                await waiting
                assert setting.items() == setting.wanted()

            await asyncio.to_thread(written, setting, 10)
            await asyncio.to_thread(kafka.kill)
            await asyncio.to_thread(written, setting, 11)
            await asyncio.to_thread(kafka.restart)
            await reached_alive()
            await asyncio.to_thread(mariadb.kill)
            await asyncio.to_thread(mariadb.restart)
            await asyncio.to_thread(written, setting, 12)
            await reached_alive()
            await asyncio.to_thread(capture.end)
            _ = working.cancel()
            _ = await asyncio.gather(working, return_exceptions=True)

    asyncio.run(play())


def written(setting: Setting, seed: int) -> None:
    writer = Writer(setting.source, seed, 100, 0.0)
    writer.run()
    assert writer.failure is None
    wait_for(lambda: not writer.is_alive())
