"""The fence of a freeze: passed when all that the source's log held is in the target, and not before."""

from __future__ import annotations

import asyncio

from crossfade.cdc.etl import Carrying, Worker, progress_of, retry_group, through
from crossfade.cdc.etl.reading import own
from crossfade.control.carrying import read_carrier
from crossfade.control.records import CarrierRecord, FenceRecord
from tests.cdc.etl.setting import Capturing, Setting, wait_for
from tests.cdc.etl.test_what_stops import retry, strict


def test_the_fence_is_passed_when_all_is_there(setting: Setting) -> None:
    """With changes that wait, and with a dead letter, it is not; with both dealt with, the token is reported."""

    def letters_left() -> int:
        topics = [setting.settings.dead_letters]
        return progress_of(setting.kafka, retry_group(setting.settings), topics, wall=lambda: 0.0).lag_events

    carrying = Carrying(
        setting.control,
        "etl",
        setting.run,
        end_of_log=setting.end_of_log,
        progress=setting.progress,
        letters_left=letters_left,
        clock=lambda: "now",
    )

    def carried() -> CarrierRecord:
        carrying.beat()
        found = setting.run(read_carrier(setting.control))
        assert isinstance(found, CarrierRecord)
        return found

    carrying.begin()
    capture = Capturing(setting.capture())
    capture.start()
    setting.write("INSERT INTO shop.customers VALUES (1, 'Ann'), (2, 'poison')")
    _ = setting.perform("PutItem", setting.control.put(FenceRecord("token", 1, "", "now")))
    assert carried().passed == ""

    async def play() -> None:
        async with setting.bulk() as bulk:
            rows = strict(setting.tables["target"], "poison")
            worker = Worker(setting.settings, setting.destination(rows), through(bulk), own())
            working = asyncio.create_task(worker.work())
            end = await asyncio.to_thread(setting.end_of_log)
            await asyncio.to_thread(wait_for, lambda: setting.progress().has_reached(end))
            assert (await asyncio.to_thread(carried)).passed == ""
            _ = await asyncio.to_thread(retry, setting)
            assert (await asyncio.to_thread(carried)).passed == "token"
            _ = working.cancel()
            _ = await asyncio.gather(working, return_exceptions=True)

    asyncio.run(play())
    assert setting.items() == setting.wanted()
    capture.end()
