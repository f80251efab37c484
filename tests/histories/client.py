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

from crossfade.demo.journal import Journal
from tests.histories import scenes
from tests.histories.calls import Calls
from tests.histories.clocks import Standing
from tests.histories.doors import left_out, rule_of
from tests.histories.records import Recorder
from tests.histories.speakers import KINDS, config_of, options_of, speaker
from tests.histories.traffic import Traffic


def main(arguments: Sequence[str] | None = None) -> int:
    options = parser().parse_args(arguments)
    stop = threading.Event()

    def told_to_stop(_signal: int, _frame: FrameType | None) -> None:
        stop.set()

    _ = signal.signal(signal.SIGTERM, told_to_stop)
    _ = signal.signal(signal.SIGINT, signal.SIG_IGN)  # Ctrl-C is the parent's
    if options.clock_stands_still:
        Standing().install()
    with left_out(options.drop):
        return work(options, stop)


def work(options: argparse.Namespace, stop: threading.Event) -> int:
    migration = scenes.migration(options.mapping, options.unique, options.strategy)
    reached = options_of(options.endpoint, options.role)
    speaking = speaker(options.client, reached, options.attempts, migration, rule_of(options.drop))
    with Journal(options.journal) as journal:
        threads: list[threading.Thread] = []
        for n in range(options.threads):
            who = f"{options.name}.{n}"
            recorder = Recorder(journal, who, options.attempts)
            calls = Calls(speaking.client, migration.source.name, recorder)
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
    if not speaking.detach():
        print("not everything could be ended in time", file=sys.stderr)
    return 0


def new_client(endpoint_url: str) -> Any:
    """Return a client that is not attached."""
    session: Any = botocore.session.Session()
    return session.create_client("dynamodb", config=Config(**config_of(1)), **options_of(endpoint_url, "crossfade"))


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
    _ = this.add_argument("--clock-stands-still", type=int, default=0)
    _ = this.add_argument("--client", choices=KINDS, default="boto3")
    _ = this.add_argument("--role", default="crossfade")
    _ = this.add_argument("--attempts", type=int, default=1)
    _ = this.add_argument("--parent", type=int, required=True)
    return this


if __name__ == "__main__":
    sys.exit(main())
