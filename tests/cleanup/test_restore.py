"""A table had back: snapshot, deletion, restore, and the tables are equal; what a restore never writes to."""

from __future__ import annotations

import os
import shutil
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from crossfade.cleanup.export_format import export_folder, read_manifests
from crossfade.cleanup.ledger import Ledger
from crossfade.cleanup.restore import Restored, aim_at, run_restore
from crossfade.cleanup.steps import SnapshotDamaged, Step
from crossfade.cleanup.storage import Folder
from crossfade.control.records import Lease, Role
from crossfade.control.starting import RESTORES, StartPlan, start
from crossfade.control.store import Control
from crossfade.core.items import Item
from crossfade.errors import ConfigurationError, NotPossibleInStage
from tests.backfill.setting import KEY, connect, create_table, order
from tests.cleanup.retired import ITEMS, Retired, no_service, retired
from tests.conftest import Database
from tests.migrations import described, make_anew, table_names


@pytest.fixture
def scene(dynamodb: Database, tmp_path: Path) -> Retired:
    return retired(dynamodb, tmp_path / "backups")


def restore(scene: Retired, table: str) -> Restored:
    client = scene.setting.client
    ledger = Ledger(Control(RESTORES + table, scene.setting.migration.control_table), scene.caller, os.getpid())
    aim = aim_at(read_manifests(export_folder(Folder(scene.folder))), table, described(client, table))
    clients: Any = {"source": client, "target": client, "control": client}
    return run_restore(aim, ledger, clients, service=no_service, workers=2, connect=connect)


def items_of(scene: Retired, table: str) -> list[Item]:
    found: list[Item] = scene.setting.client.scan(TableName=table, ConsistentRead=True)["Items"]
    return sorted(found, key=lambda item: item["order"]["S"])


def test_snapshot_delete_restore_equal(scene: Retired) -> None:
    """The old table is deleted and made again from its snapshot: schema, index, TTL and every item."""
    client = scene.setting.client
    index = {
        "IndexName": "by-note",
        "KeySchema": [{"AttributeName": "note", "KeyType": "HASH"}],
        "Projection": {"ProjectionType": "INCLUDE", "NonKeyAttributes": ["total"]},
    }
    make_anew(client, scene.source, {"note": "S"}, GlobalSecondaryIndexes=[index])
    ttl = {"Enabled": True, "AttributeName": "ends"}
    _ = client.update_time_to_live(TableName=scene.source, TimeToLiveSpecification=ttl)
    before, schema = items_of(scene, scene.source), client.describe_table(TableName=scene.source)["Table"]
    scene.up_to(Step.DELETE, quiet_days=0, confirm=scene.source)
    assert scene.source not in table_names(client)
    assert restore(scene, scene.source).status == "equal"
    assert items_of(scene, scene.source) == before
    assert len(before) == ITEMS
    after = client.describe_table(TableName=scene.source)["Table"]
    assert after["KeySchema"] == schema["KeySchema"]
    assert after["BillingModeSummary"]["BillingMode"] == schema["BillingModeSummary"]["BillingMode"]
    assert [i["IndexName"] for i in after["GlobalSecondaryIndexes"]] == ["by-note"]
    expiry = client.describe_time_to_live(TableName=scene.source)["TimeToLiveDescription"]
    assert expiry["AttributeName"] == "ends"


def test_a_table_with_items_is_not_written_to(scene: Retired) -> None:
    """Not one item of it changes, and the refusal says what to do; an empty one with the key is filled."""
    scene.up_to(Step.SNAPSHOT)
    name = f"other-{scene.source}"
    create_table(scene.setting.client, name, KEY)
    scene.setting.client.put_item(TableName=name, Item=order(5, note={"S": "mine"}))
    with pytest.raises(NotPossibleInStage, match="holds items"):
        _ = restore(scene, name)
    assert items_of(scene, name) == [order(5, note={"S": "mine"})]
    scene.setting.client.delete_item(TableName=name, Key={k: order(5)[k] for k in KEY})
    assert restore(scene, name).status == "equal"
    with pytest.raises(NotPossibleInStage, match="holds items"):
        _ = restore(scene, name)


def test_a_table_of_another_key_is_refused(scene: Retired) -> None:
    """Before anything is written, with both keys."""
    scene.up_to(Step.SNAPSHOT)
    name = f"other-{scene.source}"
    create_table(scene.setting.client, name, {"order": "S"})
    with pytest.raises(ConfigurationError, match=r"has the key order \(S\), .* had customer \(S\), order \(S\)"):
        _ = restore(scene, name)


def test_an_export_of_the_services_own_needs_a_table(scene: Retired) -> None:
    """Without our table.json, and with the prefix of a bucket in its names: the table must be there, then it loads."""
    scene.up_to(Step.SNAPSHOT)
    folder = scene.export()
    (folder / "table.json").unlink()
    (folder / "table.md5").unlink()
    (folder / "manifest-summary.checksum").unlink()
    with pytest.raises(ConfigurationError, match="does not say how to make one"):
        _ = restore(scene, f"made-{scene.source}")
    create_table(scene.setting.client, f"made-{scene.source}", KEY)
    assert restore(scene, f"made-{scene.source}").status == "equal"


def test_a_damaged_snapshot_is_not_restored_as_if_it_were_whole(scene: Retired) -> None:
    """The file is named; nobody says that the table equals it."""
    scene.up_to(Step.SNAPSHOT)
    victim = min((scene.export() / "data").iterdir())
    kept = victim.read_bytes()
    _ = victim.write_bytes(kept[:-30])
    with pytest.raises(SnapshotDamaged, match=victim.name) as caught:
        _ = restore(scene, f"made-{scene.source}")
    assert "nothing was written to the table" in str(caught.value)
    assert "another copy of the snapshot" in caught.value.next_step
    assert f"made-{scene.source}" not in table_names(scene.setting.client)
    _ = victim.write_bytes(kept)
    restored = restore(scene, f"made-{scene.source}")
    assert (restored.status, restored.resumed) == ("equal", True)


def test_a_truncated_snapshot_is_noticed_before_an_empty_table_is_written_to(scene: Retired) -> None:
    """Every file that is not whole is named, and the table stays as it was."""
    scene.up_to(Step.SNAPSHOT)
    name = f"empty-{scene.source}"
    create_table(scene.setting.client, name, KEY)
    first, second, *_ = sorted((scene.export() / "data").iterdir())
    _ = first.write_bytes(first.read_bytes()[:-9])
    second.unlink()
    with pytest.raises(SnapshotDamaged) as caught:
        _ = restore(scene, name)
    assert first.name in str(caught.value)
    assert second.name in str(caught.value)
    assert items_of(scene, name) == []


def test_a_damaged_definition_stops_no_restore_into_a_table_that_is_there(scene: Retired) -> None:
    """Without a table it is named, with what to do; made by hand, the table is filled."""
    scene.up_to(Step.SNAPSHOT)
    name = f"made-{scene.source}"
    _ = (scene.export() / "table.json").write_text("{}")
    with pytest.raises(SnapshotDamaged, match=r"table\.json: its MD5 .* does not say how to make") as caught:
        _ = restore(scene, name)
    assert caught.value.next_step.startswith("make it, empty")
    create_table(scene.setting.client, name, KEY)
    assert restore(scene, name).status == "equal"


def test_a_completed_migration_does_not_stand_in_the_way_of_one_on_the_restored_table(scene: Retired) -> None:
    """Before the old table is deleted it does, and while an application is attached with it."""
    setting, caller = scene.setting, scene.caller
    control = replace(setting.control, migration="anew")
    plan = StartPlan("dual-write", scene.source, f"{scene.source}-3", "f")
    with pytest.raises(NotPossibleInStage, match="retire its old table first"):
        _ = setting.run(start(control, caller, plan))
    scene.up_to(Step.DELETE, quiet_days=0, confirm=scene.source)
    assert restore(scene, scene.source).status == "equal"
    lease = Lease("app-1", Role.APP, "web-3", 7, "f", 1, 99, 0.0, 0.0, 0, "")
    _ = setting.client.put_item(**setting.control.put(lease))
    with pytest.raises(NotPossibleInStage, match="app-1 on web-3 is attached with migration"):
        _ = setting.run(start(control, caller, plan))
    _ = setting.run(setting.control.remove("client#app-1"))
    assert setting.run(start(control, caller, plan)).stage == "off"


def test_several_snapshots_in_one_folder_must_be_told_apart(scene: Retired) -> None:
    """Which one is meant is not guessed."""
    scene.up_to(Step.SNAPSHOT)
    _ = shutil.copytree(scene.export(), scene.export().with_name("01700000000000-00000000"))
    with pytest.raises(ConfigurationError, match="holds 2 snapshots"):
        _ = restore(scene, f"made-{scene.source}")
    with pytest.raises(ConfigurationError, match="holds no snapshot"):
        _ = export_folder(Folder(scene.folder.parent))
