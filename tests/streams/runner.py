"""A replication in a process of its own, to be killed. It writes down every key before it syncs it.

python -m tests.streams.runner ENDPOINT TAG LOG [--once]
"""

from __future__ import annotations

import os
import sys
from typing import Any

import botocore.session

from crossfade.core.effects import Reply, Request
from crossfade.jobs.connecting import Connection, job_config, lean
from crossfade.streams.replicate import run_replicate
from crossfade.streams.result import ReplicateOptions
from tests.backfill.runner import migration_of


class Written:
    """A connection that writes a line for every put."""

    def __init__(self, connection: Connection, log: str) -> None:
        self._connection = connection
        self._log = os.open(log, os.O_WRONLY | os.O_APPEND | os.O_CREAT)

    async def call(self, operation: str, request: Request) -> Reply:
        if operation == "PutItem" and "order" in request["Item"]:
            _ = os.write(self._log, b"put\n")
        return await self._connection.call(operation, request)

    async def aclose(self) -> None:
        await self._connection.aclose()


def main(endpoint_url: str, tag: str, log: str, *more: str) -> int:
    options = {"endpoint_url": endpoint_url, "region_name": "us-east-1"}
    secrets = {"aws_access_key_id": "crossfade", "aws_secret_access_key": "crossfade"}
    session: Any = botocore.session.Session()
    client = session.create_client("dynamodb", config=job_config(3), **options, **secrets)
    result = run_replicate(
        migration_of(tag),
        {"source": client, "target": client, "control": client},
        ReplicateOptions(workers=2, once="--once" in more, lease_seconds=0.8, landing_seconds=0.2),
        connect=lambda client, calls_max: Written(lean(client, calls_max), log),
    )
    return result.exit_status


if __name__ == "__main__":
    sys.exit(main(*sys.argv[1:]))
