"""A step of cleanup, or a restore, in a process of its own that kills itself at its Nth call.

python -m tests.cleanup.runner ENDPOINT TAG FOLDER WHAT N

Calls are counted right before they go out and right after their answer; 0 is never. WHAT is a step, or `restore`.
"""

from __future__ import annotations

import os
import signal
import sys
from pathlib import Path
from typing import Any

import botocore.session

from crossfade.cleanup.export_format import export_folder, read_manifests
from crossfade.cleanup.ledger import Ledger
from crossfade.cleanup.restore import aim_at, run_restore
from crossfade.cleanup.run import CleanupOptions, run_step
from crossfade.cleanup.steps import Step
from crossfade.cleanup.storage import Folder
from crossfade.control.store import Control
from crossfade.core.effects import Reply, Request
from crossfade.jobs.connecting import Connection, job_config, lean
from crossfade.jobs.session import here
from tests.backfill.runner import migration_of
from tests.cleanup.retired import SIZES, no_service
from tests.migrations import described


class Mortal:
    """A connection that ends the process, as `kill -9` does, at a moment that is always the same."""

    left = 0

    def __init__(self, connection: Connection) -> None:
        self._connection = connection

    @classmethod
    def tick(cls) -> None:
        cls.left -= 1
        if cls.left == 0:
            os.kill(os.getpid(), signal.SIGKILL)

    async def call(self, operation: str, request: Request) -> Reply:
        self.tick()
        reply = await self._connection.call(operation, request)
        self.tick()
        return reply

    async def aclose(self) -> None:
        await self._connection.aclose()


def connect(client: Any, calls_max: int) -> Connection:
    return Mortal(lean(client, calls_max))


def main(endpoint_url: str, tag: str, folder: str, what: str, killed_at: str) -> int:
    secrets = {"aws_access_key_id": "crossfade", "aws_secret_access_key": "crossfade"}
    session: Any = botocore.session.Session()
    client = session.create_client(
        "dynamodb", config=job_config(3), endpoint_url=endpoint_url, region_name="us-east-1", **secrets
    )
    clients: Any = {"source": client, "target": client, "control": client}
    migration = migration_of(tag)
    Mortal.left = int(killed_at)
    if what == "restore":
        table = f"restored-{tag}"
        snapshot = read_manifests(export_folder(Folder(Path(folder))))
        ledger = Ledger(Control(f"restore#{table}", migration.control_table), here(), os.getpid())
        aim = aim_at(snapshot, table, described(client, table))
        restored = run_restore(aim, ledger, clients, service=no_service, workers=1, connect=connect)
        return 0 if restored.status == "equal" else 1
    options = CleanupOptions(
        place=folder,
        sizes=SIZES,
        workers=1,
        quiet_days=0,
        metrics=False,
        confirm=migration.source.name,
    )
    outcome = run_step(migration, clients, Step(what), options, service=no_service, connect=connect)
    return 0 if outcome.status == "done" else 1


if __name__ == "__main__":
    sys.exit(main(*sys.argv[1:]))
