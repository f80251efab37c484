"""A snapshot: its format, read with nothing but gzip and json; what reading it back finds; and what it refuses."""

from __future__ import annotations

import base64
import gzip
import hashlib
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from crossfade.cleanup.steps import SnapshotDamaged, Step
from crossfade.core.items import Item
from crossfade.errors import ConfigurationError, GateClosed, NotPossibleInStage
from tests.backfill.setting import order
from tests.cleanup.retired import ITEMS, Retired, retired
from tests.conftest import Database

ODD: Item = {
    "customer": {"S": "ünïcode \u2028"},
    "order": {"S": "odd"},
    "total": {"N": "-1.50E+3"},
    "bytes": {"B": b"\x00\xff"},
    "set": {"BS": [b"a", b"b"]},
    "nested": {"M": {"list": {"L": [{"NULL": True}, {"BOOL": False}, {"B": b""}]}}},
}


@pytest.fixture
def scene(dynamodb: Database, tmp_path: Path) -> Retired:
    return retired(dynamodb, tmp_path / "backups")


def md5(body: bytes) -> str:
    return base64.b64encode(hashlib.md5(body, usedforsecurity=False).digest()).decode()


def rewrite_manifest(folder: Path, name: str, change: Callable[[str], str]) -> None:
    """Change a manifest together with its checksums, as somebody would who means it."""
    body = change((folder / f"{name}.json").read_text()).encode()
    _ = (folder / f"{name}.json").write_bytes(body)
    for ending in (".md5", ".checksum"):
        _ = (folder / f"{name}{ending}").write_text(md5(body))


def test_the_files_are_those_of_the_services_own_export(scene: Retired) -> None:
    """Manifests, checksums, data files and every item, looked at without any of crossfade's code."""
    scene.setting.put_directly("source", ODD)
    _ = scene.do(Step.VERIFY)
    assert scene.do(Step.SNAPSHOT).status == "done"
    folder = scene.export()
    assert folder.parent == scene.folder / "AWSDynamoDB"
    stamp, _, mark = folder.name.partition("-")
    assert (len(stamp), len(mark)) == (14, 8)
    assert (folder / "_started").read_bytes() == b""
    for name in ("manifest-summary", "manifest-files"):
        body = (folder / f"{name}.json").read_bytes()
        assert (folder / f"{name}.md5").read_text() == (folder / f"{name}.checksum").read_text() == md5(body)
    summary = json.loads((folder / "manifest-summary.json").read_text())
    assert (summary["version"], summary["outputFormat"], summary["exportType"]) == (
        "2020-06-30",
        "DYNAMODB_JSON",
        "FULL_EXPORT",
    )
    assert summary["itemCount"] == ITEMS + 1
    assert summary["tableArn"].endswith(f"/{scene.source}")
    items: list[Any] = []
    lines = [json.loads(line) for line in (folder / summary["manifestFilesS3Key"]).read_text().splitlines()]
    assert len(lines) > 3, "more than one file a segment"
    for line in lines:
        body = (folder / line["dataFileS3Key"]).read_bytes()
        assert line["md5Checksum"] == md5(body)
        assert line["etag"] == hashlib.md5(body, usedforsecurity=False).hexdigest()
        found = [json.loads(text) for text in gzip.decompress(body).splitlines()]
        assert line["itemCount"] == len(found)
        items += [each["Item"] for each in found]
    assert len({(item["customer"]["S"], item["order"]["S"]) for item in items}) == len(items) == ITEMS + 1
    (odd,) = [item for item in items if item["order"]["S"] == "odd"]
    assert odd["bytes"] == {"B": "AP8="}
    assert odd["nested"] == {"M": {"list": {"L": [{"NULL": True}, {"BOOL": False}, {"B": ""}]}}}
    assert sorted(p.name for p in (folder / "data").iterdir()) == sorted(
        Path(line["dataFileS3Key"]).name for line in lines
    )


def test_read_back_finds_the_snapshot_whole(scene: Retired) -> None:
    """Every item, in both directions; odd values too. The digest is recorded."""
    scene.setting.put_directly("source", ODD)
    scene.up_to(Step.READ_BACK)
    record = scene.view().view(Step.READ_BACK).record
    assert record is not None
    assert record.fact("items") == str(ITEMS + 1)
    assert len(record.fact("digest")) == 64
    assert record.who == "ann"


def flip(path: Path) -> None:
    body = bytearray(path.read_bytes())
    body[len(body) // 2] ^= 0x40
    _ = path.write_bytes(body)


def cut(path: Path) -> None:
    _ = path.write_bytes(path.read_bytes()[:-20])


def leave_an_item_out(path: Path) -> None:
    _ = path.write_bytes(gzip.compress(b"".join(gzip.decompress(path.read_bytes()).splitlines(keepends=True)[1:])))


@pytest.mark.parametrize(
    ("damage", "said"),
    [(flip, "corrupted|MD5"), (cut, "truncated"), (Path.unlink, "missing"), (leave_an_item_out, "MD5")],
)
def test_a_damaged_file_is_found_and_named(scene: Retired, damage: Callable[[Path], None], said: str) -> None:
    """One file among several: the read-back fails, names it and no other, and the next steps stay closed."""
    scene.up_to(Step.SNAPSHOT)
    victim = sorted((scene.export() / "data").iterdir())[1]
    damage(victim)
    outcome = scene.do(Step.READ_BACK)
    assert outcome.status == "failed"
    (line,) = outcome.said
    assert victim.name in line
    assert any(word in line for word in said.split("|"))
    with pytest.raises(GateClosed, match="read-back: not done"):
        _ = scene.do(Step.THROUGHPUT)


def test_every_damaged_file_is_named(scene: Retired) -> None:
    """Two of them; and once the snapshot is taken again, the read-back succeeds."""
    scene.up_to(Step.SNAPSHOT)
    victims = sorted((scene.export() / "data").iterdir())[:2]
    flip(victims[0])
    cut(victims[1])
    said = " ".join(scene.do(Step.READ_BACK).said)
    assert all(victim.name in said for victim in victims)
    scene.clock.pass_(seconds=1)
    assert scene.do(Step.SNAPSHOT, again=True).status == "done"
    assert scene.do(Step.READ_BACK).status == "done"


def test_a_wrong_manifest_is_found(scene: Retired) -> None:
    """A manifest that differs from its checksum, a count that is not the sum, a file that holds fewer than it says."""
    scene.up_to(Step.SNAPSHOT)
    folder = scene.export()
    summary, files = (folder / "manifest-summary.json").read_text(), (folder / "manifest-files.json").read_text()
    _ = (folder / "manifest-files.json").write_text(files.replace("itemCount", "itemcount"))
    with pytest.raises(SnapshotDamaged, match=r"manifest-files\.json: its MD5 is"):
        _ = scene.do(Step.READ_BACK)
    rewrite_manifest(folder, "manifest-files", lambda _: "".join(files.splitlines(keepends=True)[1:]))
    with pytest.raises(SnapshotDamaged, match=r"manifest-summary\.json: says 120 items, but .* lists"):
        _ = scene.do(Step.READ_BACK)

    def one_more(_: str) -> str:
        first, *rest = [json.loads(line) for line in files.splitlines()]
        return "".join(json.dumps(line) + "\n" for line in ({**first, "itemCount": first["itemCount"] + 1}, *rest))

    rewrite_manifest(folder, "manifest-files", one_more)
    rewrite_manifest(folder, "manifest-summary", lambda _: summary.replace('"itemCount": 120', '"itemCount": 121'))
    outcome = scene.do(Step.READ_BACK)
    assert outcome.status == "failed"
    assert "and the manifest says" in outcome.said[0]


def test_what_changes_in_the_table_after_the_snapshot_is_named(scene: Retired) -> None:
    """An item more, one less and one that is otherwise, each with its key."""
    scene.up_to(Step.SNAPSHOT)
    scene.setting.put_directly("source", order(900))
    scene.setting.put_directly("source", order(3, note={"S": "other"}))
    scene.setting.client.delete_item(TableName=scene.source, Key={k: order(4)[k] for k in ("customer", "order")})
    outcome = scene.do(Step.READ_BACK)
    assert outcome.status == "failed"
    said = " | ".join(outcome.said)
    assert "3 items differ" in said
    assert "only in the table: customer='c4' order='o00900'" in said
    assert "otherwise in the table: customer='c3' order='o00003'" in said
    assert "only in the snapshot: customer='c4' order='o00004'" in said


def test_an_exchanged_key_is_found_though_the_counts_agree(scene: Retired) -> None:
    """An item is added that the snapshot lacks, and none goes: counts alone would need the other direction."""
    scene.up_to(Step.SNAPSHOT)
    scene.setting.put_directly("source", order(901))
    outcome = scene.do(Step.READ_BACK)
    assert "only in the table: customer='c5' order='o00901'" in " ".join(outcome.said)


def test_items_past_their_ttl_are_no_difference(scene: Retired) -> None:
    """What TTL takes away between snapshot and read-back is counted as expired."""
    scene.setting.put_directly("source", order(800, ends={"N": str(int(scene.clock().timestamp()) - 3600)}))
    scene.up_to(Step.SNAPSHOT)  # before it is told, since the engine takes it away as soon as it may
    ttl = {"Enabled": True, "AttributeName": "ends"}
    _ = scene.setting.client.update_time_to_live(TableName=scene.source, TimeToLiveSpecification=ttl)
    scene.setting.client.delete_item(TableName=scene.source, Key={k: order(800)[k] for k in ("customer", "order")})
    outcome = scene.do(Step.READ_BACK)
    assert outcome.status == "done", outcome.said
    assert "1 of them past their TTL" in outcome.said[0]


def test_the_first_steps_are_refused_before_their_time(dynamodb: Database, tmp_path: Path) -> None:
    """No snapshot without the accepted verify, nor without a place; no step twice without --again."""
    scene = retired(dynamodb, tmp_path / "backups", items=5)
    with pytest.raises(GateClosed, match="verify: not done"):
        _ = scene.do(Step.SNAPSHOT)
    _ = scene.do(Step.VERIFY)
    with pytest.raises(NotPossibleInStage, match="is done since"):
        _ = scene.do(Step.VERIFY)
    with pytest.raises(ConfigurationError, match="where shall the snapshot be"):
        _ = scene.do(Step.SNAPSHOT, place="")
    assert scene.do(Step.SNAPSHOT).status == "done"


def test_an_empty_table_has_a_snapshot_too(dynamodb: Database, tmp_path: Path) -> None:
    """No data file, a manifest of none, and the read-back holds."""
    scene = retired(dynamodb, tmp_path / "backups", items=0)
    scene.up_to(Step.READ_BACK)
    assert (scene.export() / "manifest-files.json").read_text() == ""
