"""SIGKILL in every step of cleanup and in a restore, at one call after the other, and the same command again."""

from __future__ import annotations

import json
import signal
import subprocess
import sys
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest

from crossfade.cleanup.steps import Step
from crossfade.core.items import canonical
from crossfade.core.mapping import STAMP
from crossfade.errors import Fenced
from tests.backfill.setting import order
from tests.cleanup.retired import ITEMS, Retired, retired
from tests.conftest import Database
from tests.migrations import make_anew, table_names

RUN_SECONDS = 60.0  # against a hang; nothing is measured
STRIDES = {"verify": 3, "snapshot": 17, "read-back": 17, "throughput": 7, "quiet": 17, "stamps": 37, "delete": 17}
STRIDES["restore"] = 29


def run(database: Database, scene: Retired, what: str, killed_at: int) -> int:
    tag = scene.setting.migration.name.removeprefix("m-")
    words = [database.endpoint_url, tag, str(scene.folder), what, str(killed_at)]
    done = subprocess.run(
        [sys.executable, "-m", "tests.cleanup.runner", *words], timeout=RUN_SECONDS, check=False, capture_output=True
    )
    assert done.returncode in (0, 1, -signal.SIGKILL), done.stderr.decode()
    return done.returncode


def kill_until_done(
    database: Database, scene: Retired, what: str, after_each: Callable[[], object] = lambda: None
) -> int:
    """Killed a little later each time, until a run comes to its end. How many were killed."""
    killed = 0
    while run(database, scene, what, 1 + killed * STRIDES[what]) == -signal.SIGKILL:
        killed += 1
        _ = after_each()
    # A run that comes after a kill between the result and its answer finds the step done, and is refused.
    assert what == "restore" or record_is_done(scene, Step(what))
    assert killed >= 2, "no kill hit the step: the test shows nothing"
    return killed


def record_is_done(scene: Retired, step: Step) -> bool:
    return scene.view().view(step).status == "done"


def test_the_last_verify_survives_kills(dynamodb: Database, tmp_path: Path) -> None:
    """It is taken over once, and the next step is open after that and not before."""
    scene = retired(dynamodb, tmp_path / "backups")
    opened: list[bool] = []
    _ = kill_until_done(dynamodb, scene, "verify", lambda: opened.append(record_is_done(scene, Step.VERIFY)))
    assert not opened[0]
    assert scene.do(Step.SNAPSHOT).status == "done"


def test_the_snapshot_survives_kills(dynamodb: Database, tmp_path: Path) -> None:
    """Until it is done no manifest is there; then every item is in it once, and reading back finds it equal."""
    scene = retired(dynamodb, tmp_path / "backups")
    _ = scene.do(Step.VERIFY)
    without: list[bool] = []

    def look() -> None:
        record = scene.view().view(Step.SNAPSHOT).record
        if record is not None:
            without.append((Path(record.fact("place")) / "manifest-summary.json").exists())

    _ = kill_until_done(dynamodb, scene, "snapshot", look)
    assert not without[0]
    files = (scene.export() / "manifest-files.json").read_text().splitlines()
    assert sum(json.loads(line)["itemCount"] for line in files) == ITEMS
    assert scene.do(Step.READ_BACK).status == "done"


def test_the_read_back_survives_kills(dynamodb: Database, tmp_path: Path) -> None:
    """What was read before a kill need not be read again, and killed or not, the digest is the same."""
    scene = retired(dynamodb, tmp_path / "backups")
    scene.up_to(Step.SNAPSHOT)
    _ = kill_until_done(dynamodb, scene, "read-back")
    whole = scene.view().view(Step.READ_BACK).record
    assert whole is not None
    assert whole.fact("items") == str(ITEMS)
    scene.clock.pass_(seconds=1)
    assert scene.do(Step.READ_BACK, again=True).status == "done"
    again = scene.view().view(Step.READ_BACK).record
    assert again is not None
    assert again.fact("digest") == whole.fact("digest")


def test_the_throughput_survives_kills(dynamodb: Database, tmp_path: Path) -> None:
    """One unit each at the end, and the record keeps the figures of the beginning."""
    scene = retired(dynamodb, tmp_path / "backups")
    units = {"ReadCapacityUnits": 5, "WriteCapacityUnits": 7}
    make_anew(scene.setting.client, scene.source, {}, BillingMode="PROVISIONED", ProvisionedThroughput=units)
    scene.up_to(Step.READ_BACK)
    _ = kill_until_done(dynamodb, scene, "throughput")
    record = scene.view().view(Step.THROUGHPUT).record
    assert record is not None
    assert (record.fact("before"), record.fact("now")) == ("provisioned 5/7", "provisioned 1/1")


def test_the_quiet_period_survives_kills(dynamodb: Database, tmp_path: Path) -> None:
    """Its last look compares the table with the snapshot; killed in it, a write of somebody else's is still found."""
    scene = retired(dynamodb, tmp_path / "backups")
    scene.up_to(Step.THROUGHPUT)
    _ = kill_until_done(dynamodb, scene, "quiet")
    scene.setting.put_directly("source", order(500))
    scene.clock.pass_(days=15)
    last = scene.do(Step.DELETE, confirm=scene.source)
    assert last.status == "failed"
    assert last.said[-1] == "nothing was deleted"
    assert scene.source in table_names(scene.setting.client)


def test_the_removal_of_stamps_survives_kills(dynamodb: Database, tmp_path: Path) -> None:
    """No stamp is left and every item is otherwise as it was."""
    scene = retired(dynamodb, tmp_path / "backups", items=1)
    for n in range(40):
        scene.setting.put_directly("target", order(n, **{STAMP: {"S": f"s{n}"}}))
    before = scene.setting.held("target")
    _ = scene.do(Step.VERIFY)
    _ = kill_until_done(dynamodb, scene, "stamps")
    assert scene.setting.held("target") == before
    found = scene.setting.client.scan(TableName=scene.target, ConsistentRead=True)["Items"]
    assert len(found) == 40
    assert not [item for item in found if STAMP in item]


def test_the_deletion_survives_kills(dynamodb: Database, tmp_path: Path) -> None:
    """The table is there, or it is gone and the next run knows that it was us; the snapshot is not touched."""
    scene = retired(dynamodb, tmp_path / "backups")
    scene.up_to(Step.QUIET, quiet_days=0)
    files = {path: path.read_bytes() for path in scene.export().rglob("*") if path.is_file()}
    _ = kill_until_done(dynamodb, scene, "delete")
    assert scene.source not in table_names(scene.setting.client)
    assert {path: path.read_bytes() for path in scene.export().rglob("*") if path.is_file()} == files


def test_a_restore_survives_kills(dynamodb: Database, tmp_path: Path) -> None:
    """Killed between the making of the table, the loading and the comparing: at the end it equals the snapshot."""
    scene = retired(dynamodb, tmp_path / "backups", items=60)
    scene.up_to(Step.SNAPSHOT)
    _ = kill_until_done(dynamodb, scene, "restore")
    table = f"restored-{scene.setting.migration.name.removeprefix('m-')}"
    found = scene.setting.client.scan(TableName=table, ConsistentRead=True)["Items"]
    assert {canonical(item) for item in found} == {canonical(item) for item in scene.setting.held("source").values()}
    assert len(found) == 60


def test_whoever_was_taken_over_writes_nothing_more(dynamodb: Database, tmp_path: Path) -> None:
    """A second process takes a step over; the first one's parts and result are refused from then on."""
    scene = retired(dynamodb, tmp_path / "backups", items=1)
    ledger, setting = scene.ledger, scene.setting
    first = setting.run(ledger.begin("snapshot", {"a": "1"}))
    setting.run(ledger.save(first, replace(ledger.part(first, 0), done=True)))
    second = setting.run(ledger.begin("snapshot", {}))
    assert (second.resumed, second.record.fact("a")) == (True, "1")
    for routine in (ledger.save(first, ledger.part(first, 1)), ledger.note(first, {}), ledger.finish(first, {})):
        with pytest.raises(Fenced, match="was taken over by ann on laptop"):
            setting.run(routine)
    assert list(setting.run(ledger.parts(second))) == [0]
