"""A backfill, or a verify, in a process of its own, to be killed. It writes down every page it reads and every key it
puts, and at last what came of a verify.

python -m tests.backfill.runner ENDPOINT TAG LOG RUN [verify]
"""

from __future__ import annotations

import json
import os
import sys
from pathlib import Path
from typing import Any

import botocore.session

from crossfade import Migration, Table
from crossfade.backfill.result import BackfillOptions
from crossfade.backfill.run import run_backfill
from crossfade.core.effects import Reply, Request
from crossfade.jobs.connecting import Clients, Connection, job_config, lean
from crossfade.mapping import rename, suffix
from crossfade.verify import run as verify_run
from crossfade.verify.result import VerifyOptions

KEY: dict[str, Any] = {"customer": "S", "order": "S"}
SEGMENTS = 6
PAGE_ITEMS = 40


def migration_of(tag: str) -> Migration:
    return Migration(
        f"m-{tag}",
        Table(f"orders-{tag}", KEY),
        Table(f"orders-v2-{tag}", KEY),
        [suffix("customer", count=4), rename("total", "amount")],
        control_table=f"control-{tag}",
    )


class Written:
    """A connection that writes down pages once they are read, and puts before they are sent."""

    def __init__(self, connection: Connection, log: Path, run: int) -> None:
        self._connection = connection
        self._run = run
        self._log = os.open(log, os.O_WRONLY | os.O_APPEND | os.O_CREAT)

    def write(self, **facts: Any) -> None:
        line = json.dumps({"run": self._run, **facts}) + "\n"
        assert os.write(self._log, line.encode()) == len(line)  # one call: a kill leaves no half line

    async def call(self, operation: str, request: Request) -> Reply:
        if operation == "BatchWriteItem":
            (puts,) = request["RequestItems"].values()
            self.write(put=[put["PutRequest"]["Item"]["order"]["S"] for put in puts])
        reply = await self._connection.call(operation, request)
        if operation == "Scan":
            page = [item["order"]["S"] for item in reply["Items"]]
            self.write(table=request["TableName"], segment=request["Segment"], page=page)
        return reply

    async def aclose(self) -> None:
        await self._connection.aclose()


def main(endpoint_url: str, tag: str, log: str, run: str, job: str = "backfill") -> int:
    options = {"endpoint_url": endpoint_url, "region_name": "us-east-1"}
    secrets = {"aws_access_key_id": "crossfade", "aws_secret_access_key": "crossfade"}
    session: Any = botocore.session.Session()
    client = session.create_client("dynamodb", config=job_config(3), **options, **secrets)
    migration = migration_of(tag)
    clients: Clients = {"source": client, "target": client, "control": client}
    how: dict[str, Any] = {
        "segments": SEGMENTS,
        "workers": 3,
        "page_items": PAGE_ITEMS,
        "lease_seconds": 0.8,
        "landing_seconds": 0.2,
    }

    def connect(client: Any, calls_max: int) -> Connection:
        return Written(lean(client, calls_max), Path(log), int(run))

    if job == "backfill":
        return run_backfill(migration, clients, BackfillOptions(**how), connect=connect).exit_status
    verify_run.SAVED_ITEMS = PAGE_ITEMS  # type: ignore[misc]
    asked = VerifyOptions(**how, recheck_seconds=(0.01, 0.02, 0.02))
    result = verify_run.run_verify(migration, clients, asked, connect=connect)
    Written(lean(client, 1), Path(log), int(run)).write(result=result.as_json())
    return result.exit_status


if __name__ == "__main__":
    sys.exit(main(*sys.argv[1:]))
