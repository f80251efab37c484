"""Processes of every kind on a started migration, which are told to end: what they leave behind."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final

import pytest

from crossfade.aws import own_calls
from crossfade.control.store import Caller, Control
from crossfade.control.waiting import await_everyone
from crossfade.core.stages import Stage
from crossfade.drivers.scope import Scope
from crossfade.drivers.sync import SyncDriver
from tests.aws.conftest import World, wait_for, world
from tests.processes.setting import NAME, Journal

__all__ = ["world"]

ROOT: Final = Path(__file__).parents[2]
END_SECONDS_MAX: Final = 60.0  # against a hang; nothing is measured
SOME_WRITES: Final = 5


@dataclass
class Scene:
    """A migration in dualwrite, and the processes that were begun on it, each in a session of its own."""

    world: World
    folder: Path
    begun: list[subprocess.Popen[str]] = field(default_factory=list[subprocess.Popen[str]])

    @property
    def environment(self) -> dict[str, str]:
        options = self.world.database.client_options()
        return os.environ | {
            NAME: self.world.migration.name.removeprefix("orders-"),
            "JOURNAL": str(self.folder / "journal"),
            "AWS_ENDPOINT_URL_DYNAMODB": options["endpoint_url"],
            "AWS_DEFAULT_REGION": options["region_name"],
            "AWS_ACCESS_KEY_ID": options["aws_access_key_id"],
            "AWS_SECRET_ACCESS_KEY": options["aws_secret_access_key"],
            "PYTHONPATH": os.pathsep.join([f"{ROOT / 'src'}", f"{ROOT}", *sys.path[1:]]),
        }

    def begin(self, *command: str, **environment: str) -> subprocess.Popen[str]:
        process = subprocess.Popen(
            [sys.executable, "-m", *command],
            cwd=self.folder,
            env=self.environment | environment,
            text=True,
            start_new_session=True,
        )
        self.begun.append(process)
        return process

    def until_it_writes(self, process: subprocess.Popen[str], writes: int = SOME_WRITES) -> None:
        def has() -> bool:
            assert process.poll() is None, f"ended too early, with {process.returncode}"
            return len(self.acknowledged()) >= writes

        wait_for(has, "acknowledged writes")

    def acknowledged(self) -> list[str]:
        return Journal(str(self.folder / "journal")).orders()

    def ended(self, process: subprocess.Popen[str], number: int = signal.SIGTERM) -> int:
        """The status of a process that is sent the signal."""
        process.send_signal(number)
        return process.wait(END_SECONDS_MAX)

    def assert_clean(self) -> None:
        """No lease is left, nothing marks "verify needed", and what was acknowledged is on both sides."""
        assert self.leases() == 0
        assert self.world.state().unclean == 0
        for order in self.acknowledged():
            assert self.world.source_item("c", order) is not None
            assert self.world.target_item("c", order) is not None

    def leases(self) -> int:
        found = self.world.plain.query(
            TableName=self.world.migration.control_table,
            KeyConditionExpression="migration = :m AND begins_with(#r, :client)",
            ExpressionAttributeNames={"#r": "record"},
            ExpressionAttributeValues={":m": {"S": self.world.migration.name}, ":client": {"S": "client#"}},
        )
        return int(found["Count"])

    def unclean_once_counted_out(self) -> int:
        """How often something may have been left undone, when the next step of the migration has waited for all."""
        control = Control(self.world.migration.name, self.world.migration.control_table)
        caller = Caller("test", "here", lambda: "2026-01-01T00:00:00+00:00")
        driver = SyncDriver(self._call, unnoted)
        _ = driver.run(await_everyone(control, caller, alive=True), Scope())
        return self.world.state().unclean

    def _call(self, _place: Any, operation: str, request: dict[str, Any]) -> dict[str, Any]:
        return own_calls.call(self.world.plain, operation, request, self.world.migration.name)

    def stop(self) -> None:
        for process in self.begun:
            if process.poll() is None:
                os.killpg(process.pid, signal.SIGKILL)
                _ = process.wait(END_SECONDS_MAX)


def unnoted(_name: str, _facts: dict[str, Any]) -> None:
    """Nobody is told."""


@pytest.fixture
def scene(world: World, tmp_path: Path) -> Iterator[Scene]:
    """A migration in dualwrite, and a folder for processes."""
    world.set_stage(Stage.DUALWRITE)
    made = Scene(world, tmp_path)
    yield made
    made.stop()
