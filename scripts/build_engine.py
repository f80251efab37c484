"""Build the wheel of the embedded database (`engine/`), once per user, engine version and Rust toolchain.

    python -m scripts.build_engine wheel      print where the wheel is, after building it if it is not there yet
    python -m scripts.build_engine pin        pin the newest crates that fit, for maintainers

`engine/crates.lock` is Cargo's lock file without the lines that say from where: Cargo is asked for those, so that a
mirror or another registry will do. The licences of everything compiled in are collected into the wheel.
"""

from __future__ import annotations

import fcntl
import hashlib
import json
import os
import re
import shutil
import subprocess
import sys
import time
from collections import deque
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parent.parent
ENGINE = ROOT / "engine"
PINS, LOCK = ENGINE / "crates.lock", ENGINE / "Cargo.lock"
LICENCES = ENGINE / "licences"
INPUTS = ("Cargo.toml", "pyproject.toml", "crates.lock", "src/*.rs")
OLDEST_CARGO = (1, 88)  # as dynoxide asks for
BUILD_MB = 700  # of disk while it is built; the wheel is 3.5 MB
SAY_EVERY_SECONDS = 10.0
OUTPUT_LINES_KEPT = 25
LICENCE_FILES = re.compile(r"(LICEN[CS]E|COPYING|COPYRIGHT|NOTICE|UNLICENSE)", re.IGNORECASE)
HOW_TO_GET_RUST = "install Rust (rustup, or your system's package if it is new enough) and run make again"


class EngineError(Exception):
    """Something is missing for the build; the message is one line with the next step."""


def inputs() -> list[Path]:
    """The files that decide what is built."""
    return [path for pattern in INPUTS for path in sorted(ENGINE.glob(pattern))]


def wheel(python: Path, toolchain: str, say: Callable[[str], None]) -> Path:
    """The engine's wheel, built by the maturin of `python` if this user has none of this version and toolchain.

    Raises EngineError.
    """
    digest = hashlib.sha256(toolchain.encode())
    for path in inputs():
        digest.update(path.name.encode() + path.read_bytes())
    folder = cache_folder() / f"engine-{digest.hexdigest()[:20]}"
    folder.mkdir(parents=True, exist_ok=True)
    with (folder / "lock").open("w") as file:
        fcntl.flock(file, fcntl.LOCK_EX)  # two at once: the second finds what the first has built
        found = sorted(folder.glob("*.whl"))
        return found[0] if found else build(python, folder, say)


def cache_folder() -> Path:
    """`$XDG_CACHE_HOME/crossfade`, else `~/.cache/crossfade`."""
    base = os.environ.get("XDG_CACHE_HOME")
    return (Path(base) if base else Path.home() / ".cache") / "crossfade"


def toolchain_version() -> str:
    """What `rustc` says of itself. Raises EngineError where it, cargo or a C compiler is missing or too old."""
    cargo = output_of("cargo", "--version")
    found = re.match(r"cargo (\d+)\.(\d+)", cargo or "")
    if not found or (int(found[1]), int(found[2])) < OLDEST_CARGO:
        has = f"cargo here is {found[1]}.{found[2]}" if found else "there is no cargo on PATH"
        raise EngineError(f"the embedded database is built with cargo 1.88 or newer, and {has}: {HOW_TO_GET_RUST}")
    rustc = output_of("rustc", "-vV")
    if rustc is None:
        raise EngineError(f"cargo is here but rustc is not: {HOW_TO_GET_RUST}")
    if not (shutil.which("cc") or os.environ.get("CC")):
        raise EngineError(
            "the embedded database has SQLite in it, in C, and there is no cc on PATH: install a C compiler "
            "(on Debian and Ubuntu the packages gcc and libc6-dev) and run make again"
        )
    return rustc


def output_of(*command: str) -> str | None:
    try:
        return subprocess.run(command, capture_output=True, text=True, check=True, cwd=ENGINE).stdout
    except (OSError, subprocess.CalledProcessError):
        return None


def build(python: Path, folder: Path, say: Callable[[str], None]) -> Path:
    free_mb = shutil.disk_usage(ENGINE).free // 1_000_000
    if free_mb < BUILD_MB:
        raise EngineError(f"{ENGINE} has {free_mb} MB free and the build takes {BUILD_MB} MB: make room there")
    write_lock()
    crates = PINS.read_text(encoding="utf-8").count("[[package]]")
    say(f"building the embedded database, once: {crates} Rust crates, one to three minutes")
    collect_licences()
    target = ENGINE / "target" / "wheels"
    shutil.rmtree(target, ignore_errors=True)
    maturin = ["-m", "maturin", "build", "--release", "--locked", "--color", "never", "--out", str(target)]
    run(str(python), *maturin, watch=Progress(crates, say))
    (built,) = target.glob("*.whl")
    kept = folder / built.name
    _ = shutil.copyfile(built, kept.with_suffix(".part"))
    return kept.with_suffix(".part").rename(kept)


def write_lock() -> None:
    """Write Cargo.lock: the pins, each with the registry that Cargo itself names here."""
    LOCK.unlink(missing_ok=True)
    run("cargo", "generate-lockfile")
    source = re.search(r"^source = .*$", LOCK.read_text(encoding="utf-8"), re.MULTILINE)
    if source is None:
        raise EngineError("cargo has resolved the crates and names no registry: is engine/Cargo.toml whole?")
    pins = PINS.read_text(encoding="utf-8")
    _ = LOCK.write_text(re.sub(r"^(?=checksum = )", f"{source[0]}\n", pins, flags=re.MULTILINE), encoding="utf-8")


def pin() -> None:
    """Resolve anew and keep the result, without the registry's address."""
    LOCK.unlink(missing_ok=True)
    run("cargo", "generate-lockfile")
    pins = re.sub(r"^source = .*\n", "", LOCK.read_text(encoding="utf-8"), flags=re.MULTILINE)
    _ = PINS.write_text(pins, encoding="utf-8")


def crates() -> list[dict[str, Any]]:
    """What is compiled in, as `cargo metadata` tells of each: `name`, `version`, `license`, `manifest_path`, ..."""
    _ = toolchain_version()
    if not LOCK.is_file():
        write_lock()
    told = output_of("cargo", "metadata", "--format-version", "1", "--locked")
    if told is None:
        raise EngineError("cargo cannot read engine/Cargo.toml and its lock: see `cargo metadata` in engine/")
    packages: list[dict[str, Any]] = json.loads(told)["packages"]
    return sorted(packages, key=lambda package: (package["name"], package["version"]))


def collect_licences() -> None:
    """One file with the licence texts of every crate, for the wheel."""
    LICENCES.mkdir(exist_ok=True)
    _ = shutil.copyfile(ROOT / "LICENSE", LICENCES / "LICENSE")
    texts: list[str] = []
    for package in crates():
        folder = Path(package["manifest_path"]).parent
        if folder == ENGINE:
            continue
        texts.append(f"{'=' * 78}\n{package['name']} {package['version']}: {package['license']}\n{'=' * 78}\n")
        files = sorted(path for path in folder.iterdir() if path.is_file() and LICENCE_FILES.match(path.name))
        texts += [f"{path.name}\n\n{path.read_text(encoding='utf-8', errors='replace')}\n" for path in files]
    _ = (LICENCES / "THIRD-PARTY.txt").write_text("\n".join(texts), encoding="utf-8")


class Progress:
    """A line now and then: how many crates have been compiled."""

    def __init__(self, total: int, say: Callable[[str], None]) -> None:
        self._total, self._say = total, say
        self._compiled, self._said_at = 0, time.monotonic()

    def __call__(self, line: str) -> None:
        self._compiled += line.lstrip().startswith("Compiling ")
        if time.monotonic() - self._said_at >= SAY_EVERY_SECONDS:
            self._said_at = time.monotonic()
            self._say(f"building the embedded database: {self._compiled} of up to {self._total} crates")


def run(*command: str, watch: Callable[[str], None] = lambda _line: None) -> None:
    """Run it in `engine/`; raise EngineError, after showing the last it said, if it fails."""
    with subprocess.Popen(
        command, cwd=ENGINE, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, errors="replace"
    ) as process:
        assert process.stdout  # noqa: S101  asked for above
        last = watched(process.stdout, watch)
    if process.returncode == 0:
        return
    said = "\n".join(last)
    print(said, file=sys.stderr)
    if re.search(r"failed to (download|get|fetch|query)|Could not resolve host|network failure|SSL", said):
        raise EngineError("the Rust crate registry cannot be reached: check the network (cargo's settings are used)")
    if "No space left on device" in said:
        raise EngineError("the disk is full: make room and run make again")
    raise EngineError(f"{Path(command[0]).name} failed; it said the above")


def watched(lines: Iterable[str], watch: Callable[[str], None]) -> deque[str]:
    last: deque[str] = deque(maxlen=OUTPUT_LINES_KEPT)
    for line in lines:
        last.append(line.rstrip())
        watch(line)
    return last


def say(text: str) -> None:
    print(f"crossfade: {text}", file=sys.stderr, flush=True)


def main(arguments: list[str]) -> int:
    try:
        if arguments == ["wheel"]:
            print(wheel(Path(sys.executable), toolchain_version(), say))
        elif arguments == ["pin"]:
            pin()
        else:
            print(__doc__, file=sys.stderr)
            return 2
    except EngineError as error:
        say(str(error))
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
