"""One application process of the shop: `python -m crossfade.demo.application`; the demo starts several.

One line of it knows of crossfade: `attach`, at the start. It ends on SIGTERM, after what it has begun.
"""

from __future__ import annotations

import argparse
import os
import signal
import sys
import threading
from collections.abc import Sequence
from pathlib import Path
from types import FrameType
from typing import Any

import boto3
from botocore.config import Config

from crossfade import Router
from crossfade.demo.dropping import attach_without
from crossfade.demo.goods import SOURCE
from crossfade.demo.journal import Journal
from crossfade.demo.shop import Shop
from crossfade.demo.workload import Plan, User
from crossfade.migration import load

CONNECT_TIMEOUT_SECONDS = 1.0
READ_TIMEOUT_SECONDS = 2.0


def main(arguments: Sequence[str] | None = None) -> int:
    options = parser().parse_args(arguments)
    stop = threading.Event()

    def told_to_stop(_signal: int, _frame: FrameType | None) -> None:
        stop.set()

    _ = signal.signal(signal.SIGTERM, told_to_stop)
    _ = signal.signal(signal.SIGINT, signal.SIG_IGN)  # Ctrl-C is the demo's: it tells us when to stop
    sdk: Any = boto3  # it has no types
    resource = sdk.resource(
        "dynamodb",
        endpoint_url=options.endpoint,
        region_name="us-east-1",
        aws_access_key_id="crossfade",
        aws_secret_access_key="crossfade",  # noqa: S106 - the embedded engine checks none
        config=Config(
            connect_timeout=CONNECT_TIMEOUT_SECONDS,
            read_timeout=READ_TIMEOUT_SECONDS,
            retries={"total_max_attempts": 1},  # an append that is repeated unseen would count twice
            max_pool_connections=32,
        ),
    )
    attached = None if options.plain else attach(resource, options)
    with Journal(options.journal) as journal:
        plan = Plan(options.name, options.items, options.seed, options.rate / options.threads, options.bursts)
        table = resource.Table(SOURCE)
        users = [User(Shop(table), journal, plan, n, stop) for n in range(options.threads)]
        threads = [threading.Thread(target=user.run, name=f"user-{n}") for n, user in enumerate(users)]
        for thread in threads:
            thread.start()
        print("ready", flush=True)
        while not stop.wait(1.0):  # a wait with an end, so that signals come through
            if os.getppid() != options.parent:
                stop.set()  # the demo is gone
        for thread in threads:
            thread.join()
    if attached is not None and not attached.detach():
        print("not everything could be ended in time", file=sys.stderr)
    return 0


def attach(resource: Any, options: argparse.Namespace) -> Router:
    """The one line; the rest of its arguments are there because a demo should not take all day."""
    migration = load(options.migration)
    dropped = os.environ.get("CROSSFADE_DROP_RULE")  # for `--drop`, which shows that each rule is needed
    lease, poll = options.lease_seconds, options.poll_seconds
    return attach_without(dropped, resource, migration, lease_seconds=lease, poll_seconds=poll)


def parser() -> argparse.ArgumentParser:
    this = argparse.ArgumentParser(prog="python -m crossfade.demo.application", description=__doc__)
    _ = this.add_argument("--endpoint", required=True)
    _ = this.add_argument("--migration", type=Path)
    _ = this.add_argument("--journal", type=Path, required=True)
    _ = this.add_argument("--name", required=True)
    _ = this.add_argument("--items", type=int, required=True)
    _ = this.add_argument("--seed", type=int, default=1)
    _ = this.add_argument("--rate", type=float, default=50.0, help="actions a second")
    _ = this.add_argument("--threads", type=int, default=2)
    _ = this.add_argument("--lease-seconds", type=float, default=10.0)
    _ = this.add_argument("--poll-seconds", type=float, default=1.0)
    _ = this.add_argument("--parent", type=int, default=os.getppid())
    _ = this.add_argument("--bursts", action="store_true", help="everybody at the same moments")
    _ = this.add_argument("--plain", action="store_true", help="run without crossfade")
    return this


if __name__ == "__main__":
    sys.exit(main())
