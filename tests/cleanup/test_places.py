"""Where a snapshot may be, and what is said where it may not: each with a next step, and none with a traceback."""

from __future__ import annotations

import errno
import os
from pathlib import Path
from typing import Any

import pytest

from crossfade.cleanup import storage
from crossfade.cleanup.steps import Step
from crossfade.cleanup.storage import Folder, place_of
from crossfade.errors import ConfigurationError, NotPossibleInStage
from tests.cleanup.retired import Retired, retired
from tests.conftest import Database


@pytest.fixture
def scene(dynamodb: Database, tmp_path: Path) -> Retired:
    scene = retired(dynamodb, tmp_path / "backups", items=12)
    _ = scene.do(Step.VERIFY)
    return scene


def full(name: str, number: int) -> Any:
    def refuse(path: Path, body: bytes) -> None:
        if name in str(path):
            raise OSError(number, os.strerror(number), str(path))
        _ = path.write_bytes(body)

    return refuse


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("s3:///x", "names no bucket"),
        ("s3://", "names no bucket"),
        ("s3://a", "no name of a bucket"),
        ("s3://my bucket/x", "no name of a bucket"),
        ("s3:/backups/x", "neither a folder nor a bucket"),
        ("gs://backups/x", "neither a folder nor a bucket"),
        ("~nobody-of-this-name/x", "home"),
        ("  ", "no folder was named"),
        (__file__, "is a file"),
        (f"{__file__}/below", "Not a directory"),
        ("/proc/nowhere", "No such file"),
    ],
)
def test_a_place_that_can_be_none_is_an_error_with_a_next_step(scene: Retired, text: str, said: str) -> None:
    """Nothing is recorded, so that the corrected command begins there."""
    with pytest.raises(ConfigurationError, match=said) as caught:
        _ = scene.do(Step.SNAPSHOT, place=text)
    assert caught.value.next_step
    assert scene.view().view(Step.SNAPSHOT).record is None
    assert scene.do(Step.SNAPSHOT).status == "done"


@pytest.mark.parametrize("number", [errno.ENOSPC, errno.EDQUOT, errno.EROFS, errno.EIO])
def test_a_disk_that_takes_no_more_is_an_error_with_a_next_step(
    scene: Retired, monkeypatch: pytest.MonkeyPatch, number: int
) -> None:
    """In the middle of the data: with room again the same command goes on, and nothing half written lies about."""
    with monkeypatch.context() as patched:
        patched.setattr(storage, "_write_through", full("/data/", number))
        with pytest.raises(ConfigurationError, match=os.strerror(number)) as caught:
            _ = scene.do(Step.SNAPSHOT)
    assert caught.value.next_step
    assert list(scene.folder.rglob("*.part")) == []
    assert scene.do(Step.SNAPSHOT).status == "done"
    assert scene.do(Step.READ_BACK).status == "done"


def test_a_disk_that_cannot_be_read_is_an_error_with_a_next_step(tmp_path: Path) -> None:
    """A folder where a file should be, and a file where a folder should be."""
    (tmp_path / "manifest-summary.json").mkdir()
    with pytest.raises(ConfigurationError, match="directory") as caught:
        _ = Folder(tmp_path).open("manifest-summary.json")
    assert caught.value.next_step
    with pytest.raises(FileNotFoundError):
        _ = Folder(Path(__file__)).open("manifest-summary.json")


def test_another_place_than_the_begun_one_is_refused(scene: Retired, monkeypatch: pytest.MonkeyPatch) -> None:
    """It names the begun place and both ways on; each of them works."""
    with monkeypatch.context() as patched:
        patched.setattr(storage, "_write_through", full("/data/", errno.ENOSPC))
        with pytest.raises(ConfigurationError):
            _ = scene.do(Step.SNAPSHOT)
    other = scene.folder.with_name("other")
    with pytest.raises(NotPossibleInStage, match=f"was begun in {scene.folder} ") as caught:
        _ = scene.do(Step.SNAPSHOT, place=str(other))
    assert not other.exists()
    assert f"--step snapshot --again --to {other} --execute" in caught.value.next_step
    assert scene.do(Step.SNAPSHOT, place="").status == "done"
    assert str(scene.export()).startswith(str(scene.folder))
    assert scene.do(Step.SNAPSHOT, place=str(other), again=True).status == "done"
    assert str(scene.export()).startswith(str(other))


def test_what_is_typed_for_a_place_that_is_there(tmp_path: Path) -> None:
    """A folder in each of its spellings is the same place."""
    for text in (str(tmp_path), f"file:{tmp_path}", f"file://{tmp_path}", f"{tmp_path}/"):
        assert place_of(text, lambda: None).text == str(tmp_path)
