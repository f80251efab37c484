"""The old table's snapshot by the service's own export, as commands: asked for, awaited, read back, had back.

The embedded engine has no exports and this machine no S3, so both are stood in for (tests/cleanup/exporting.py, s3.py).
"""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any

import pytest

from crossfade.core.items import canonical
from tests.cleanup.exporting import Exporting
from tests.cleanup.s3 import S3
from tests.cli.conftest import ITEMS, Shell
from tests.conftest import Database
from tests.migrations import table_names

PLACE = "s3://backups/orders/2026"
RUN_SECONDS = 60.0  # against a hang; nothing is measured


@dataclass
class Scene:
    """A complete migration whose last verify is accepted: the snapshot is the next step."""

    shell: Shell
    service: Exporting
    s3: S3

    @property
    def old(self) -> str:
        return self.shell.tables["source"]

    def snapshot(self, *, status: int = 0, to: str = PLACE) -> list[Any]:
        """What the step says, as JSON."""
        return self.shell.lines("cleanup", "--step", "snapshot", "--to", to, "--execute", status=status)

    def killed_at(self, moment: str) -> None:
        """The step in a process of its own that gets SIGKILL when the service is about to answer."""

        def kill() -> None:
            process.send_signal(signal.SIGKILL)
            _ = process.wait(RUN_SECONDS)

        setattr(self.service, moment, kill)
        words = ["cleanup", "--step", "snapshot", "--to", PLACE, "--execute", str(self.shell.file)]
        environment = {**os.environ, **self.shell.environment}
        with subprocess.Popen([sys.executable, "-m", "crossfade.cli", *words], env=environment) as process:
            assert process.wait(RUN_SECONDS) == -signal.SIGKILL
        setattr(self.service, moment, lambda: None)

    def open_step(self) -> str:
        document: Any = self.shell.json("cleanup", "--to", PLACE)
        return str(document["next"])


@pytest.fixture
def scene(at_stage: Callable[[str], Shell], dynamodb: Database) -> Iterator[Scene]:
    shell = at_stage("rampdown")
    _ = shell("complete", "--execute", "--confirm", shell.mark)
    with S3() as s3, Exporting(dynamodb.endpoint_url, shell.client, s3) as service:
        shell.environment |= {"AWS_ENDPOINT_URL_DYNAMODB": service.url, "AWS_ENDPOINT_URL_S3": s3.url}
        service.recover(shell.tables["source"])
        _ = shell("cleanup", "--execute")
        yield Scene(shell, service, s3)


def contents(items: list[Any]) -> set[object]:
    return {canonical(item) for item in items}


def test_the_service_exports_the_table_and_it_is_had_back(scene: Scene) -> None:
    """Planned, asked for, awaited with progress, read back item by item; deleted, restored from S3, and equal."""
    shell, service = scene.shell, scene.service
    odd = {"customer": {"S": "ünïcode \u2028"}, "order_id": {"S": "odd"}, "bytes": {"B": b"\x00\xff"}}
    odd |= {"sets": {"BS": [b"a", b"b"]}, "nested": {"M": {"list": {"L": [{"NULL": True}, {"N": "-1.50E+3"}]}}}}
    _ = shell.client.put_item(TableName=scene.old, Item=odd)
    before = contents(shell.scan(scene.old))
    planned = shell("cleanup", "--to", PLACE).output
    assert "the service exports the table itself" in planned
    assert not service.exports

    service.looks = 2
    *lines, result = scene.snapshot()
    (export,) = service.exports.values()
    assert export.request["S3Prefix"] == "orders/2026"
    waited = [line for line in lines if line["event"] == "progress"]
    assert {line["phase"] for line in waited} == {"exporting"}
    assert len(waited) == 2
    place = f"s3://backups/{export.prefix.rstrip('/')}"
    assert result["said"] == [f"{ITEMS + 1} items in {place}, by the service's export"]

    result = shell.lines("cleanup", "--execute")[-1]
    assert (result["step"], result["status"]) == ("read-back", "done")
    assert "61 items in 4 files are whole and equal to the table's" in result["said"][0]
    for words in (["--execute"], ["--quiet-days", "0", "--no-metrics", "--execute"], ["--execute"]):
        _ = shell("cleanup", *words)
    assert f"table {scene.old} is deleted" in shell("cleanup", "--execute", "--confirm", scene.old).output
    assert scene.old not in table_names(shell.client)

    again = ("restore", place, "--table", scene.old, "--control-table", shell.tables["control"], "--execute")
    assert "equals the snapshot: 61 items" in shell(*again).output
    assert contents(shell.scan(scene.old)) == before


@pytest.mark.parametrize("moment", ["at_request", "at_look"])
def test_a_killed_process_waits_for_the_same_export(scene: Scene, moment: str) -> None:
    """SIGKILL before the answer that names the export, and while it is in progress: the next run begins no other."""
    scene.service.looks = 1
    scene.killed_at(moment)
    (export,) = scene.service.exports.values()
    assert not export.ended
    assert scene.open_step() == "snapshot"
    assert scene.snapshot()[-1]["status"] == "done"
    assert len(scene.service.exports) == 1
    asked = scene.service.requests.count("ExportTableToPointInTime")
    assert asked == (2 if moment == "at_request" else 1)
    assert scene.shell.lines("cleanup", "--execute")[-1]["status"] == "done"


def test_an_export_that_fails_says_why_and_the_next_one_is_another(scene: Scene) -> None:
    """A bucket that is not there is found out after the request; the reason stays in `cleanup`."""
    result = scene.snapshot(status=1, to="s3://nowhere")[-1]
    assert result["status"] == "failed"
    assert result["said"][0] == "the service's export failed: S3NoSuchBucket: The specified bucket does not exist"
    assert "--step snapshot --to s3://nowhere" in result["next_step"]
    assert "S3NoSuchBucket" in scene.shell("cleanup", "--to", PLACE).output
    scene.s3.buckets.add("nowhere")
    assert scene.shell.lines("cleanup", "--execute")[-1]["status"] == "done"
    assert len(scene.service.exports) == 2
    assert scene.s3.keys("table.json") == [f"{list(scene.service.exports.values())[1].prefix}table.json"]


def test_without_point_in_time_recovery_the_table_is_scanned_to_s3(scene: Scene) -> None:
    """The plan says how the service could do it; what the scan writes is read back from S3 and restored."""
    scene.service.recover(scene.old, on=False)
    planned = scene.shell("cleanup", "--to", PLACE).output
    assert "update-continuous-backups" in " ".join(planned.split())
    assert scene.snapshot()[-1]["status"] == "done"
    assert not scene.service.exports
    assert scene.shell.lines("cleanup", "--execute")[-1]["status"] == "done"
    copy = f"{scene.old}.copy"
    words = ("restore", PLACE, "--table", copy, "--control-table", scene.shell.tables["control"], "--execute")
    assert f"equals the snapshot: {ITEMS} items" in scene.shell(*words).output
    assert contents(scene.shell.scan(copy)) == contents(scene.shell.scan(scene.old))


def test_recovery_that_is_switched_off_meanwhile_is_told(scene: Scene) -> None:
    """Killed before the export was asked for, then switched off: the service's words, and how to scan instead."""
    scene.service.looks = 1
    scene.killed_at("at_request")
    scene.service.exports.clear()  # as after eight hours, when the token is forgotten
    scene.service.recover(scene.old, on=False)
    refused = " ".join(scene.shell("cleanup", "--step", "snapshot", "--execute", status=1).stderr.split())
    assert f"Point in time recovery is not enabled for table '{scene.old}'" in refused
    assert f"--step snapshot --again --to {PLACE} --execute" in refused
    assert scene.shell.lines("cleanup", "--step", "snapshot", "--again", "--execute")[-1]["status"] == "done"
    assert not scene.service.exports


def flip(body: bytes) -> bytes:
    middle = len(body) // 2
    return body[:middle] + bytes([body[middle] ^ 0x40]) + body[middle + 1 :]


def cut(body: bytes) -> bytes:
    return body[:-20]


def test_a_damaged_file_of_an_export_is_found(scene: Scene) -> None:
    """One object of four, in three ways: it is named, the next steps stay closed, another export puts it right."""
    _ = scene.snapshot()
    (export,) = scene.service.exports.values()
    listed = json.loads(scene.s3.objects["backups", f"{export.prefix}manifest-files.json"].splitlines()[1])
    where = ("backups", listed["dataFileS3Key"])
    whole = scene.s3.objects[where]
    for body, said in ((flip(whole), "corrupted|MD5"), (cut(whole), "truncated"), (None, "missing")):
        del scene.s3.objects[where]
        if body is not None:
            scene.s3.objects[where] = body
        result = scene.shell.lines("cleanup", "--execute", status=1)[-1]
        assert (result["step"], result["status"]) == ("read-back", "failed")
        (line,) = result["said"]
        assert where[1].rpartition("/")[2] in line
        assert any(word in line for word in said.split("|"))
        scene.s3.objects[where] = whole
    assert "CLOSED" in scene.shell("cleanup", "--step", "throughput", status=1).output
    _ = scene.shell("cleanup", "--step", "snapshot", "--again", "--execute")
    assert scene.shell.lines("cleanup", "--execute")[-1]["status"] == "done"


def test_a_connection_that_is_lost_in_the_middle_of_a_file_is_made_anew(scene: Scene) -> None:
    """The rest of the object is asked for, and the read-back finds everything whole."""
    _ = scene.snapshot()
    scene.s3.breaks_off = 6
    result = scene.shell.lines("cleanup", "--execute")[-1]
    assert result["status"] == "done"
    assert scene.s3.breaks_off == 0
    assert len(scene.s3.ranges) == 6
