"""Where PynamoDB's integration tests come from: its repository at the tag of the version that is installed here.

Its source distributions hold only the tests that need no database, so they are no help. What was fetched is kept in the
user's cache. CROSSFADE_PYNAMODB_REPOSITORY names another place to clone from: a mirror, or a checkout.
"""

from __future__ import annotations

import importlib.metadata
import os
import shutil
import subprocess
import tempfile
from pathlib import Path
from typing import Final

REPOSITORY: Final = "https://github.com/pynamodb/PynamoDB.git"
VARIABLE: Final = "CROSSFADE_PYNAMODB_REPOSITORY"
FETCH_SECONDS: Final = 60.0
TESTS: Final = Path("tests", "integration")


class NotFetched(Exception):
    """The tests are not here and could not be had."""


def integration_tests(version: str = "") -> Path:
    """The folder with the tests of a version, the installed one if none is named. Raises NotFetched."""
    version = version or importlib.metadata.version("pynamodb")
    cache = Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "crossfade"
    folder = cache / f"pynamodb-{version}-integration"
    if not folder.is_dir():
        cache.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryDirectory(dir=cache) as scratch:
            fetched = fetch(version, Path(scratch))
            try:
                _ = fetched.rename(folder)
            except OSError:  # somebody else was quicker
                if not folder.is_dir():
                    raise
    return folder


def fetch(version: str, scratch: Path) -> Path:
    """Clone the tag; the folder with the tests in `scratch`. Raises NotFetched."""
    place = os.environ.get(VARIABLE, REPOSITORY)
    if shutil.which("git") is None:
        raise NotFetched(f"PynamoDB {version} from {place}: there is no git to fetch it with")
    if Path(place).is_dir():
        place = Path(place).resolve().as_uri()  # a depth means nothing to git for a plain path
    clone = scratch / "clone"
    command = ["git", "-c", "advice.detachedHead=false", "clone", "--quiet", "--depth", "1", "--branch", version]
    environment = {**os.environ, "GIT_TERMINAL_PROMPT": "0"}
    try:
        done = subprocess.run(
            [*command, place, str(clone)],
            env=environment,
            capture_output=True,
            text=True,
            timeout=FETCH_SECONDS,
            check=False,
        )
    except subprocess.TimeoutExpired:
        raise NotFetched(f"{place} did not answer in {FETCH_SECONDS:.0f} s") from None
    if done.returncode or not (clone / TESTS).is_dir():
        said = done.stderr.strip() or f"no {TESTS} in it"
        raise NotFetched(f"PynamoDB {version} from {place}: {said}; {VARIABLE} can name another place")
    return clone / TESTS
