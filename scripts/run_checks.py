"""Run all that `make test` stands for: the static checks beside pytest, and four tests at a time.

What a static check has to say is shown as soon as it is done; pytest's output is held back until all of them are, and
then streams, so that its closing line is the last line. The exit status is 0 only if everything passed.
"""

from __future__ import annotations

import os
import subprocess
import sys
import threading
import time
from pathlib import Path
from typing import IO

ROOT = Path(__file__).resolve().parent.parent
BIN = Path(sys.executable).parent

LINT = {
    "ruff check": ["ruff", "check", "--quiet", "."],
    "ruff format": ["ruff", "format", "--quiet", "--diff", "."],
    "import contract": ["lint-imports", "--no-cache"],
}
TYPES = {
    "mypy": ["mypy", "--no-error-summary"],
    "pyright": ["pyright"],
}
LICENCES = {"licences": ["python", "-m", "scripts.licences"]}
VERBS = {"lint": LINT, "types": TYPES, "licences": LICENCES}
SHOWN = {"licences"}  # verbs that are for reading, also where all is well
AT_A_TIME = ["-n", "4", "--dist", "worksteal"]  # with an engine each; most tests wait for something


def main(arguments: list[str]) -> int:
    """`lint`, `types` and `licences` run those checks; `test` runs all, and pytest with what follows."""
    verb, rest = arguments[0], arguments[1:]
    if verb != "test":
        return 0 if run_static(VERBS[verb], show=verb in SHOWN) else 1
    colour = ["--color=yes"] if sys.stdout.isatty() else []  # pytest itself sees a pipe
    command: list[str | Path] = [BIN / "python", "-m", "pytest", *AT_A_TIME, *colour, *rest]
    pytest = subprocess.Popen(command, cwd=ROOT, stdout=subprocess.PIPE, stderr=subprocess.STDOUT)
    assert pytest.stdout  # noqa: S101  asked for above
    statics_done = threading.Event()
    copier = threading.Thread(target=copy_after, args=(pytest.stdout, statics_done))
    copier.start()
    try:
        clean = run_static(LINT | TYPES | LICENCES)
    finally:
        statics_done.set()
        copier.join()
    return 0 if pytest.wait() == 0 and clean else 1


def run_static(checks: dict[str, list[str]], *, show: bool = False) -> bool:
    """Run the checks one after another; True if all passed. What they say is shown of those that fail, or of all."""
    clean = True
    for name, command in checks.items():
        began_seconds = time.monotonic()
        done = subprocess.run(
            [BIN / command[0], *command[1:]], cwd=ROOT, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, check=False
        )
        passed = done.returncode == 0
        if show or not passed:
            _ = sys.stdout.buffer.write(done.stdout)
        print(f"{'ok  ' if passed else 'FAIL'} {name} ({time.monotonic() - began_seconds:.1f} s)", flush=True)
        clean = clean and passed
    return clean


def copy_after(output: IO[bytes], allowed: threading.Event) -> None:
    """Take pytest's output as it comes, so that it never waits for us, and pass it on once `allowed` is set."""
    held = bytearray()
    for chunk in iter(lambda: os.read(output.fileno(), 1 << 16), b""):
        held += chunk
        if allowed.is_set():
            flush(held)
    _ = allowed.wait()
    flush(held)


def flush(held: bytearray) -> None:
    _ = sys.stdout.buffer.write(held)
    _ = sys.stdout.buffer.flush()
    held.clear()


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
