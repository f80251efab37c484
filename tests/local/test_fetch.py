"""The files of DynamoDB Local are what was recorded, or the start says so."""

from __future__ import annotations

import hashlib
import json
import os
import shutil
import subprocess
import sys
from pathlib import Path, PurePosixPath

import pytest

from crossfade.local import ENDPOINT_VARIABLE, DynamoDBLocal, LocalDatabaseError, fetch
from crossfade.local.fetch import PinnedFile, Release


@pytest.fixture
def copied_cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A cache of its own with the verified files of the user's cache; the folder with the files is returned."""
    release = fetch.ensure_release()
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    monkeypatch.delenv(ENDPOINT_VARIABLE, raising=False)
    folder = tmp_path / "crossfade" / release.folder.name
    return Path(shutil.copytree(release.folder, folder))


def a_jar(folder: Path) -> Path:
    return next(folder.rglob("DynamoDBLocal-*.jar"))


def test_a_changed_file_is_refused(copied_cache: Path) -> None:
    """One flipped byte in one jar stops the start, names the jar and says what to do."""
    jar = a_jar(copied_cache)
    content = bytearray(jar.read_bytes())
    content[len(content) // 2] ^= 1
    _ = jar.write_bytes(content)
    with pytest.raises(LocalDatabaseError, match=jar.name) as caught:
        _ = DynamoDBLocal.start()
    assert f"delete the folder {copied_cache}" in caught.value.next_step


def test_a_missing_file_is_refused(copied_cache: Path) -> None:
    """A cache that lost a file is not run."""
    a_jar(copied_cache).unlink()
    with pytest.raises(LocalDatabaseError, match="is missing"):
        _ = fetch.ensure_release()


def test_a_touched_file_is_checked_in_full_once(copied_cache: Path) -> None:
    """New times with the same contents are fine, and are remembered, so the next start is cheap again."""
    stamp = copied_cache / fetch.STAMP
    os.utime(a_jar(copied_cache), ns=(1, 1))
    _ = fetch.ensure_release()
    seen: dict[str, list[int]] = json.loads(stamp.read_text(encoding="ascii"))
    assert [time_ns for _size, time_ns in seen.values()].count(1) == 1
    written_ns = stamp.stat().st_mtime_ns
    _ = fetch.ensure_release()
    assert stamp.stat().st_mtime_ns == written_ns


def test_a_file_put_beside_the_pinned_ones_is_not_run(copied_cache: Path) -> None:
    """The class path names the pinned jars one by one."""
    _ = (copied_cache / "stranger.jar").write_bytes(b"")
    release = fetch.ensure_release()
    assert "stranger.jar" not in release.class_path()
    assert str(a_jar(copied_cache)) in release.class_path()


def test_two_processes_at_once_share_one_download(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The second waits for the first and finds its files, and nothing temporary is left."""
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    source = tmp_path / "repository" / "group" / "artifact" / "1" / "artifact-1.jar"
    source.parent.mkdir(parents=True)
    _ = source.write_bytes(b"x" * 1000)
    program = f"""
import pathlib, shutil, sys
from crossfade.local import fetch
def download(release):
    print("downloads", flush=True)
    shutil.copytree({str(tmp_path / "repository")!r}, release.folder)
fetch._download = download
fetch.manifest = lambda: (fetch.PinnedFile(pathlib.PurePosixPath("group/artifact/1/artifact-1.jar"),
                                           {hashlib.sha256(b"x" * 1000).hexdigest()!r}),)
fetch.ensure_release()
"""
    both = [
        subprocess.Popen([sys.executable, "-c", program], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
        for _ in range(2)
    ]
    said = [process.communicate()[0] for process in both]
    assert [process.returncode for process in both] == [0, 0]
    assert sorted(said) == ["", "downloads\n"]
    assert not list((tmp_path / "crossfade").glob("fetching-*"))


def test_a_refused_download_is_one_clear_error(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Without a network nothing is left half done, and the message has a next step."""
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    monkeypatch.delenv(ENDPOINT_VARIABLE, raising=False)
    for name in ("http_proxy", "https_proxy", "HTTPS_PROXY"):
        monkeypatch.setenv(name, "http://127.0.0.1:9")  # the discard port: nothing listens
    monkeypatch.setattr(fetch, "ATTEMPTS", 1)
    with pytest.raises(LocalDatabaseError, match="could not fetch") as caught:
        _ = DynamoDBLocal.start()
    assert "network" in caught.value.next_step
    assert [path.name for path in (tmp_path / "crossfade").iterdir()] == [f"dynamodb-local-{fetch.VERSION}.lock"]


def test_a_processor_without_a_native_library_is_named() -> None:
    """Nothing is fetched that could not run, and there is a way round it."""
    with pytest.raises(LocalDatabaseError, match="this machine is aarch64") as caught:
        fetch.check_machine("aarch64")
    assert ENDPOINT_VARIABLE in caught.value.next_step


def test_every_pinned_file_has_coordinates() -> None:
    """Each path of the manifest is group/artifact/version/artifact-version.packaging, which is how it is fetched."""
    files = fetch.manifest()
    assert len(files) == 86
    for file in files:
        _group, artifact, version, packaging = file.coordinates()
        assert file.path.name == f"{artifact}-{version}.{packaging}"
        assert len(file.sha256) == 64


def test_the_library_path_has_a_folder_for_each_platform() -> None:
    """The native libraries lie in folders of their own, each of which Java must know."""
    native = PinnedFile(PurePosixPath("g/a/1/a-1.so"), "0" * 64)
    jar = PinnedFile(PurePosixPath("g/b/1/b-1.jar"), "0" * 64)
    release = Release(Path("/cache"), (native, jar))
    assert release.library_path() == "/cache/g/a/1"
    assert release.class_path() == "/cache/g/b/1/b-1.jar"
