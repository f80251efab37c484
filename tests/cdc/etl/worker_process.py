"""A worker in a process of its own, to be killed: `python -m tests.cdc.etl.worker_process JSON`."""

from __future__ import annotations

import asyncio
import json
import sys
from typing import Any

from crossfade.aws.lean.client import BulkClient
from crossfade.cdc.applying import Destination
from crossfade.cdc.etl import Settings, Worker, through
from crossfade.cdc.etl.reading import own
from tests.cdc.shop import shop
from tests.conftest import new_botocore_session

SESSION_SECONDS = 6  # the least that a broker takes: until then the partitions of a dead member wait


async def work(told: dict[str, Any]) -> None:
    settings = Settings(
        {**told["kafka"], "session.timeout.ms": SESSION_SECONDS * 1000},
        told["group"],
        tuple(told["topics"]),
        told["dead_letters"],
        commit_seconds=0.2,
    )
    client = new_botocore_session().create_client("dynamodb", **told["client"])
    async with BulkClient.like(client) as bulk:
        worker = Worker(settings, Destination(shop(told["target"]), told["parts"]), through(bulk), own())
        working = asyncio.create_task(worker.work())
        while not working.done():
            print(worker.counts.changes, flush=True)
            await asyncio.sleep(0.05)
        await working


if __name__ == "__main__":
    asyncio.run(work(json.loads(sys.argv[1])))
