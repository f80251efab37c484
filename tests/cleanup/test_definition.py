"""The definition beside a snapshot: damaged or missing, the snapshot is none, long before the old table goes."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from crossfade.cleanup.definition import fault_of
from crossfade.cleanup.export_format import md5_of
from crossfade.cleanup.steps import Step
from crossfade.cleanup.table import document_of
from crossfade.errors import GateClosed, NotPossibleInStage
from tests.cleanup.retired import Retired, retired
from tests.conftest import Database
from tests.migrations import described, table_names

Damage = Callable[[Path], object]


@pytest.fixture
def scene(dynamodb: Database, tmp_path: Path) -> Retired:
    return retired(dynamodb, tmp_path / "backups", items=12)


def flip(at: float) -> Damage:
    """One bit of one byte, so far into the file."""

    def damage(path: Path) -> None:
        body = bytearray(path.read_bytes())
        body[int(len(body) * at)] ^= 0x01
        _ = path.write_bytes(body)

    return damage


def rewrite(change: Callable[[dict[str, Any]], object]) -> Damage:
    """Together with the checksum, as somebody would who means it."""

    def damage(path: Path) -> None:
        document = json.loads(path.read_text())
        _ = change(document)
        body = json.dumps(document).encode()
        _ = path.write_bytes(body)
        _ = path.with_suffix(".md5").write_text(md5_of(body))

    return damage


def another_key(document: dict[str, Any]) -> None:
    create = document["CreateTable"]
    create["AttributeDefinitions"][0]["AttributeName"] = create["KeySchema"][0]["AttributeName"] = "client"


DAMAGES: dict[str, Damage] = {
    **{f"a byte at {at}": flip(at) for at in (0.0, 0.2, 0.35, 0.5, 0.65, 0.8, 0.95)},
    "missing": Path.unlink,
    "empty": lambda path: path.write_bytes(b""),
    "cut": lambda path: path.write_bytes(path.read_bytes()[:-20]),
    "no table in it": rewrite(lambda document: document.pop("CreateTable")),
    "another key": rewrite(another_key),
    "a key without its type": rewrite(lambda document: document["CreateTable"]["AttributeDefinitions"].clear()),
    "a wrong type": rewrite(lambda document: document["CreateTable"].update(BillingMode=7)),
    "nothing": rewrite(lambda document: document.clear()),
}


@pytest.mark.parametrize("damage", DAMAGES.values(), ids=DAMAGES)
def test_a_damaged_definition_fails_the_read_back(scene: Retired, damage: Damage) -> None:
    """It is named, the steps behind it stay closed, and another snapshot is what is told to be made."""
    scene.up_to(Step.SNAPSHOT)
    _ = damage(scene.export() / "table.json")
    outcome = scene.do(Step.READ_BACK)
    assert outcome.status == "failed"
    assert outcome.said[0].startswith("damaged: table.json: ")
    assert "--step snapshot --again" in outcome.next_step
    with pytest.raises(GateClosed, match="read-back: not done"):
        _ = scene.do(Step.THROUGHPUT)
    scene.clock.pass_(seconds=1)
    assert scene.do(Step.SNAPSHOT, again=True).status == "done"
    assert scene.do(Step.READ_BACK).status == "done"


@pytest.mark.parametrize("name", ["a byte at 0.5", "missing", "empty", "no table in it"])
def test_a_definition_damaged_after_the_read_back_keeps_the_old_table(scene: Retired, name: str) -> None:
    """Deleted is what could be made again; the step says so and the table stays."""
    scene.up_to(Step.QUIET, quiet_days=0)
    _ = DAMAGES[name](scene.export() / "table.json")
    outcome = scene.do(Step.DELETE, confirm=scene.source)
    assert (outcome.status, outcome.said[-1]) == ("failed", "nothing was deleted")
    assert outcome.said[0].startswith("damaged: table.json: ")
    assert scene.source in table_names(scene.setting.client)


def test_a_definition_that_is_another_since_the_read_back_keeps_the_old_table(scene: Retired) -> None:
    """Sound, with its checksum, and not what was read back."""
    scene.up_to(Step.QUIET, quiet_days=0)
    protect = rewrite(lambda document: document["CreateTable"].update(DeletionProtectionEnabled=True))
    _ = protect(scene.export() / "table.json")
    with pytest.raises(NotPossibleInStage, match="not the one that was read back"):
        _ = scene.do(Step.DELETE, confirm=scene.source)
    assert scene.source in table_names(scene.setting.client)


def test_what_a_table_is_made_of_makes_one(scene: Retired) -> None:
    """The definition of a table as it is has no fault; one with an index on an untyped attribute has."""
    document = document_of(described(scene.setting.client, scene.source) or {}, "")
    assert fault_of(document) == ""
    index: dict[str, Any] = {
        "IndexName": "by-note",
        "KeySchema": [{"AttributeName": "note", "KeyType": "HASH"}],
        "Projection": {},
    }
    document["CreateTable"]["GlobalSecondaryIndexes"] = [index]
    assert fault_of(document) == "does not say 'note'"
