"""One process of the application: `python -m tests.histories.client`; a run starts several, and kills some.

It says `ready` when it works, ends on SIGTERM after what it has begun, and ends by itself when its parent is gone.
"""

from __future__ import annotations

import argparse
import os
import signal
import sys
import threading
from collections.abc import Sequence
from pathlib import Path
from random import Random
from types import FrameType
from typing import Any

import botocore.session
from botocore.config import Config

from crossfade.demo.dropping import attach_without
from crossfade.demo.journal import Journal
from tests.histories import scenes
from tests.histories.calls import Calls
from tests.histories.records import Recorder
from tests.histories.traffic import Traffic


def main(arguments: Sequence[str] | None = None) -> int:
    options = parser().parse_args(arguments)
    stop = threading.Event()

    def told_to_stop(_signal: int, _frame: FrameType | None) -> None:
        stop.set()

    _ = signal.signal(signal.SIGTERM, told_to_stop)
    _ = signal.signal(signal.SIGINT, signal.SIG_IGN)  # Ctrl-C is the parent's
    client = new_client(options.endpoint)
    migration = scenes.migration(options.mapping, options.unique, options.strategy)
    router = attach_without(
        options.drop,
        client,
        migration,
        lease_seconds=scenes.LEASE_SECONDS,
        poll_seconds=scenes.POLL_SECONDS,
    )
    with Journal(options.journal) as journal:
        threads: list[threading.Thread] = []
        for n in range(options.threads):
            who = f"{options.name}.{n}"
            calls = Calls(client, migration.source.name, Recorder(journal, who))
            random = Random(f"{options.seed}.{who}")
            traffic = Traffic(calls, scenes.KEYS, options.seed, random, options.rate, tuple(options.kinds))
            threads.append(threading.Thread(target=traffic.run, args=(stop,), name=who))
        for thread in threads:
            thread.start()
        print("ready", flush=True)
        while not stop.wait(1.0):  # a wait with an end, so that signals come through
            if os.getppid() != options.parent:
                stop.set()
        for thread in threads:
            thread.join()
    if not router.detach():
        print("not everything could be ended in time", file=sys.stderr)
    return 0


def new_client(endpoint_url: str) -> Any:
    session: Any = botocore.session.Session()
    return session.create_client(
        "dynamodb",
        endpoint_url=endpoint_url,
        region_name="us-east-1",
        aws_access_key_id="crossfade",
        aws_secret_access_key="crossfade",  # noqa: S106 - the engine checks none
        config=Config(
            connect_timeout=scenes.CONNECT_TIMEOUT_SECONDS,
            read_timeout=scenes.READ_TIMEOUT_SECONDS,
            retries={"total_max_attempts": 1},  # an append that is repeated unseen would rightly be there twice
            max_pool_connections=24,
        ),
    )


def parser() -> argparse.ArgumentParser:
    this = argparse.ArgumentParser(prog="python -m tests.histories.client", description=__doc__)
    _ = this.add_argument("--endpoint", required=True)
    _ = this.add_argument("--unique", required=True)
    _ = this.add_argument("--mapping", required=True)
    _ = this.add_argument("--strategy", required=True)
    _ = this.add_argument("--journal", type=Path, required=True)
    _ = this.add_argument("--name", required=True)
    _ = this.add_argument("--seed", type=int, required=True)
    _ = this.add_argument("--rate", type=float, required=True)
    _ = this.add_argument("--threads", type=int, required=True)
    _ = this.add_argument("--kinds", type=lambda text: text.split(","), required=True)
    _ = this.add_argument("--drop", default="")
    _ = this.add_argument("--parent", type=int, required=True)
    return this


if __name__ == "__main__":
    sys.exit(main())
