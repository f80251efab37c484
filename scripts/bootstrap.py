"""Make `.venv` hold exactly what `constraints.txt` pins and the embedded database, with nothing but Python's own pip.

Run by `make`. A stamp in `.venv` holds a hash of all that went in, so the second time takes a fraction of a second. The
database is compiled by `scripts/build_engine.py`, and the result is kept for the user. Whatever this machine lacks ends
it with one line that says what and what to do.
"""

from __future__ import annotations

import hashlib
import re
import shutil
import subprocess
import sys
from collections import deque
from collections.abc import Iterable
from pathlib import Path

from scripts import build_engine
from scripts.build_engine import say

ROOT = Path(__file__).resolve().parent.parent
VENV = ROOT / ".venv"
VENV_PYTHON = VENV / "bin" / "python"
STAMP = VENV / "bootstrapped"
CONSTRAINTS = ROOT / "constraints.txt"
FETCH_MB, DISK_MB = 180, 640  # measured on Linux x86-64; Node.js for pyright is the largest
OUTPUT_LINES_KEPT = 15
FETCHED = re.compile(r"\s*(?:Downloading|Using cached) (?!http)(\S+?)(?:-py\S*|-cp\S*)?\.(?:whl|tar\.gz) (\(.*\))")

# What pip says when the machine is at fault rather than the project, and what to tell the reader.
MACHINE_FAULTS = (
    ("No space left on device", "the disk is full: make room and run make again"),
    ("CERTIFICATE_VERIFY_FAILED", "the package registry's certificate is not trusted here: set PIP_CERT"),
    (
        r"NewConnectionError|NameResolutionError|Could not find a version|ConnectTimeout|ReadTimeout|ProxyError",
        "the Python package registry cannot be reached: check the network (pip's own settings and proxies are used)",
    ),
)


class MachineLacksError(Exception):
    """Something of the machine itself is missing; the message is one line."""


def main() -> int:
    key = contents_key()
    if VENV_PYTHON.exists() and STAMP.is_file() and STAMP.read_text(encoding="ascii") == key:
        return 0
    try:
        install(key)
    except (MachineLacksError, build_engine.EngineError) as error:
        say(str(error))
        return 1
    return 0


def contents_key() -> str:
    """A hash of what decides the contents of `.venv`; the folder is part of it, since scripts in `.venv` name it."""
    digest = hashlib.sha256(f"{ROOT} {sys.version}".encode())
    for path in (ROOT / "pyproject.toml", CONSTRAINTS, Path(__file__), *build_engine.inputs()):
        digest.update(path.read_bytes())
    return digest.hexdigest()


def install(key: str) -> None:
    pins = [line for line in CONSTRAINTS.read_text(encoding="ascii").splitlines() if line and "win32" not in line]
    toolchain = build_engine.toolchain_version()  # what is missing is said before anything is fetched
    free_mb = shutil.disk_usage(ROOT).free // 1_000_000
    if free_mb < DISK_MB:
        raise MachineLacksError(f"{ROOT} has {free_mb} MB free and .venv takes {DISK_MB} MB: make room there")
    say(f"installing {len(pins)} Python packages into .venv: {FETCH_MB} MB to fetch, {DISK_MB} MB on disk")
    pip = make_venv()
    show_progress(pip, ["--no-deps", "--requirement", str(CONSTRAINTS)], len(pins))
    show_progress(pip, ["--no-deps", str(build_engine.wheel(VENV_PYTHON, toolchain, say))], 0)
    show_progress(pip, ["--no-deps", "--no-build-isolation", "--editable", str(ROOT)], 0)
    _ = STAMP.write_text(key, encoding="ascii")
    say("installed")


def make_venv() -> list[str]:
    """Make `.venv` anew and return the command that is its pip.

    Debian splits `ensurepip` off into a package of its own; without it, a pip beside this Python will do.
    """
    build = [sys.executable, "-m", "venv", "--clear", str(VENV)]
    if succeeds([sys.executable, "-c", "import ensurepip, venv"]) and succeeds(build):
        return [str(VENV_PYTHON), "-m", "pip"]
    if succeeds([sys.executable, "-m", "pip", "--version"]) and succeeds([*build, "--without-pip"]):
        return [sys.executable, "-m", "pip", "--python", str(VENV_PYTHON)]
    shutil.rmtree(VENV, ignore_errors=True)
    version = f"{sys.version_info.major}.{sys.version_info.minor}"
    raise MachineLacksError(
        f"{sys.executable} has neither ensurepip nor pip, so it cannot install anything: install the rest of Python "
        f"(on Debian and Ubuntu the package python{version}-venv), or name another in PYTHON="
    )


def succeeds(command: list[str]) -> bool:
    return subprocess.run(command, capture_output=True, check=False).returncode == 0


def show_progress(pip: list[str], arguments: list[str], count: int) -> None:
    """Run `pip install` with a line for each package that is fetched; raise MachineLacksError if it fails."""
    command = [*pip, "install", "--disable-pip-version-check", "--no-input", "--progress-bar", "off", *arguments]
    with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, cwd=ROOT) as process:
        assert process.stdout  # noqa: S101  asked for above
        last = report(process.stdout, count)
    if process.returncode == 0:
        return
    said = "\n".join(last)
    for pattern, advice in MACHINE_FAULTS:
        if re.search(pattern, said):
            raise MachineLacksError(advice)
    print(said, file=sys.stderr)
    raise MachineLacksError("pip failed; it said the above")


def report(lines: Iterable[str], count: int) -> deque[str]:
    """Turn pip's output into progress; its last lines are returned for the case that it fails."""
    last: deque[str] = deque(maxlen=OUTPUT_LINES_KEPT)
    done = 0
    for line in lines:
        last.append(line.rstrip())
        fetched = FETCHED.match(line)
        if fetched:
            done += 1
            say(f"[{done}/{count}] {fetched[1]} {fetched[2]}")
        elif line.startswith("Installing collected packages") and count:
            say(f"unpacking {count} packages")
    return last


if __name__ == "__main__":
    sys.exit(main())
