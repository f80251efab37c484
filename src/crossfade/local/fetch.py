"""The files of DynamoDB Local: fetched once per user, checked against recorded checksums, never redistributed.

`dynamodb_local.sha256` lists every file by its path in a Maven repository with its SHA-256, so nothing is resolved and
nothing can drift: the list is what `com.amazonaws:DynamoDBLocal:2.6.1` resolves to, plus `jetty-xml` of the same Jetty,
which reads `loopback.xml`. jgo does the downloading, from its own default repository. The files are brought into a
temporary folder, checked in full, and the folder is renamed into place, under a lock: two processes at once, or a kill
in the middle, leave either nothing or everything. Afterwards a start compares sizes and times only, as `make` does;
when one differs the contents are checked in full again.
"""

from __future__ import annotations

import contextlib
import fcntl
import hashlib
import importlib
import json
import os
import platform
import shutil
import sys
import tempfile
import threading
import time
from collections.abc import Generator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from importlib import resources
from pathlib import Path, PurePosixPath
from typing import Any

from crossfade.local.errors import LocalDatabaseError

VERSION = "2.6.1"
MANIFEST = "dynamodb_local.sha256"
DOWNLOAD_BYTES = 53_148_667  # the sum of the sizes of the files in the manifest
SUPPORTED_MACHINES = frozenset({"x86_64", "amd64"})  # what the native libraries in the manifest were built for
FREE_BYTES_NEEDED = 2 * DOWNLOAD_BYTES
PARALLEL_DOWNLOADS = 8  # most files are small, so the wait is for round trips
ATTEMPTS = 3  # a file that fails three times in a row is not a hiccup
REQUEST_TIMEOUT_SECONDS = 60
PROGRESS_SECONDS = 2.0  # between two lines where the output is not a terminal
STAMP = "verified.json"


@dataclass(frozen=True, slots=True)
class PinnedFile:
    """One file of the release: its path in a Maven repository and its SHA-256 in hexadecimal."""

    path: PurePosixPath
    sha256: str

    def coordinates(self) -> tuple[str, str, str, str]:
        """Group, artifact, version and packaging, which is what the path is made of."""
        *group, artifact, version, name = self.path.parts
        return ".".join(group), artifact, version, name.rsplit(".", 1)[1]


@dataclass(frozen=True, slots=True)
class Release:
    """A verified copy on disk."""

    folder: Path
    files: tuple[PinnedFile, ...]

    def class_path(self) -> str:
        """Exactly the pinned jars, so that a file put beside them is not run."""
        return os.pathsep.join(str(self.folder / file.path) for file in self.files if file.path.suffix == ".jar")

    def library_path(self) -> str:
        """The folders of the native SQLite libraries, one for each platform."""
        return os.pathsep.join(str(self.folder / file.path.parent) for file in self.files if file.path.suffix != ".jar")


def cache_folder() -> Path:
    """`$XDG_CACHE_HOME/crossfade`, else `~/.cache/crossfade`."""
    base = os.environ.get("XDG_CACHE_HOME")
    return (Path(base) if base else Path.home() / ".cache") / "crossfade"


def manifest() -> tuple[PinnedFile, ...]:
    """Every file of the release, as recorded."""
    lines = resources.files("crossfade.local").joinpath(MANIFEST).read_text(encoding="ascii").splitlines()
    return tuple(PinnedFile(PurePosixPath(path), sha256) for sha256, path in (line.split() for line in lines))


def ensure_release() -> Release:
    """The verified files of DynamoDB Local, fetched if they are not here yet.

    Raises LocalDatabaseError when they cannot be fetched or are not what was recorded.
    """
    check_machine(platform.machine())
    folder = cache_folder() / f"dynamodb-local-{VERSION}"
    release = Release(folder, manifest())
    try:
        folder.parent.mkdir(parents=True, exist_ok=True)
        with _locked(folder.with_name(f"{folder.name}.lock")):
            if not folder.is_dir():
                _fetch_into_place(release)
            verify(release)
    except OSError as error:
        raise LocalDatabaseError(
            f"the cache folder {folder.parent} cannot be used: {error}",
            next_step="set XDG_CACHE_HOME to a writable folder",
        ) from error
    return release


def check_machine(machine: str) -> None:
    """Raise LocalDatabaseError on a processor for which the release has no native SQLite library."""
    if machine.lower() not in SUPPORTED_MACHINES:
        raise LocalDatabaseError(
            f"DynamoDB Local {VERSION} comes with native libraries for x86-64 only; this machine is {machine}",
            next_step="point CROSSFADE_DYNAMODB_ENDPOINT at a DynamoDB Local that runs in a container or elsewhere",
        )


def verify(release: Release) -> None:
    """Check that each file is the recorded one: cheaply when nothing was touched since the last full check.

    Raises LocalDatabaseError naming the first file that is missing or different.
    """
    stamp, seen = release.folder / STAMP, _sizes_and_times(release)
    if None not in seen.values() and _read_stamp(stamp) == seen:
        return
    for file in release.files:
        path = release.folder / file.path
        if not path.is_file() or _sha256(path) != file.sha256:
            what = "is not the file that was recorded" if path.is_file() else "is missing"
            raise LocalDatabaseError(
                f"{path} {what} (see {MANIFEST})",
                next_step=f"delete the folder {release.folder} and start again: it is fetched anew",
            )
    part = stamp.with_suffix(f".{os.getpid()}")
    _ = part.write_text(json.dumps(seen), encoding="ascii")
    _ = part.replace(stamp)


def _fetch_into_place(release: Release) -> None:
    parent = release.folder.parent
    if shutil.disk_usage(parent).free < FREE_BYTES_NEEDED:
        raise LocalDatabaseError(
            f"{parent} has no room for {FREE_BYTES_NEEDED // 1_000_000} MB",
            next_step="make room there, or set XDG_CACHE_HOME to a folder that has it",
        )
    _say(
        f"crossfade: fetching Amazon DynamoDB Local {VERSION} ({len(release.files)} files, "
        f"{DOWNLOAD_BYTES // 1_000_000} MB) into {release.folder}\n"
        "crossfade: its licence (DynamoDB Local License Agreement) lets you use it and forbids redistributing it\n"
    )
    with tempfile.TemporaryDirectory(prefix="fetching-", dir=parent) as temporary:
        arriving = Release(Path(temporary) / "files", release.files)
        _download(arriving)
        verify(arriving)
        _ = arriving.folder.rename(release.folder)


def _download(release: Release) -> None:
    maven = _jgo_maven()
    progress = _Progress(len(release.files))
    context = maven.MavenContext(
        resolver=maven.PythonResolver(progress_callback=progress.watch),
        repo_cache=release.folder,
        local_repos=[],
        timeout=REQUEST_TIMEOUT_SECONDS,
    )
    with ThreadPoolExecutor(PARALLEL_DOWNLOADS, thread_name_prefix="fetch") as pool:
        pending = [pool.submit(_download_one, context, release.folder, file) for file in release.files]
        try:
            for done in pending:
                done.result()
        except BaseException:
            pool.shutdown(wait=True, cancel_futures=True)
            raise
        finally:
            progress.finish()


def _download_one(context: Any, folder: Path, file: PinnedFile) -> None:
    """Bring one file. Any failure of the network or of the repository counts, so `Exception` is what is caught."""
    group, artifact, version, packaging = file.coordinates()
    wanted = context.project(group, artifact).at_version(version).artifact(packaging=packaging)
    for attempt in range(1, ATTEMPTS + 1):
        try:
            context.resolver.download(wanted)
        except Exception as error:
            (folder / file.path).unlink(missing_ok=True)  # jgo leaves the part that came
            if attempt == ATTEMPTS:
                raise LocalDatabaseError(
                    f"could not fetch {file.path}: {error}",
                    next_step="check the network (proxy and certificates come from the environment) and start again, "
                    "or point CROSSFADE_DYNAMODB_ENDPOINT at a DynamoDB Local that runs already",
                ) from error
            time.sleep(attempt)
        else:
            return


def _jgo_maven() -> Any:
    """jgo has types of its own, but is an extra: without it only this function fails, and says how to get it."""
    try:
        return importlib.import_module("jgo.maven")
    except ImportError as error:
        raise LocalDatabaseError(
            "fetching DynamoDB Local takes the package jgo", next_step="python -m pip install 'crossfade[local]'"
        ) from error


class _Progress:
    """Bytes and files so far, on standard error: one moving line on a terminal, else a line now and then."""

    def __init__(self, files_total: int) -> None:
        self._lock = threading.Lock()
        self._files_total = files_total
        self._files = self._bytes = 0
        self._said_at = time.monotonic()
        self._terminal = sys.stderr.isatty()

    @contextlib.contextmanager
    def watch(self, _name: str, _size_bytes: int) -> Generator[Any, None, None]:
        yield self._add
        with self._lock:
            self._files += 1

    def finish(self) -> None:
        with self._lock:
            self._print(end="\n")

    def _add(self, count_bytes: int) -> None:
        with self._lock:
            self._bytes += count_bytes
            pause_seconds = PROGRESS_SECONDS / 10 if self._terminal else PROGRESS_SECONDS
            if time.monotonic() - self._said_at >= pause_seconds:
                self._print(end="" if self._terminal else "\n")

    def _print(self, end: str) -> None:
        self._said_at = time.monotonic()
        start = "\r" if self._terminal else ""
        _say(
            f"{start}crossfade: {self._files} of {self._files_total} files, "
            f"{self._bytes / 1e6:.1f} of {DOWNLOAD_BYTES / 1e6:.1f} MB{end}"
        )


def _say(text: str) -> None:
    print(text, end="", file=sys.stderr, flush=True)


@contextlib.contextmanager
def _locked(path: Path) -> Generator[None, None, None]:
    """Hold the lock on `path`; the kernel lets go of it if this process dies."""
    with path.open("w") as file:
        fcntl.flock(file, fcntl.LOCK_EX)
        yield


def _sha256(path: Path) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def _sizes_and_times(release: Release) -> dict[str, list[int] | None]:
    """Per recorded checksum: size in bytes and time of change in nanoseconds; None where there is no file."""
    seen: dict[str, list[int] | None] = {}
    for file in release.files:
        try:
            status = (release.folder / file.path).stat()
        except FileNotFoundError:
            seen[file.sha256] = None
        else:
            seen[file.sha256] = [status.st_size, status.st_mtime_ns]
    return seen


def _read_stamp(path: Path) -> object:
    try:
        return json.loads(path.read_text(encoding="ascii"))
    except (FileNotFoundError, ValueError):
        return None
