"""Nothing goes on playing when the program that plays is ended."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from contextlib import suppress
from pathlib import Path

from tests.contract.processes import INTERRUPTED

ROOT = Path(__file__).parents[2]
PROGRAM = """
import os, sys, time
from tests.contract.processes import run_to_end, workers

def busy():
    os.write(1, f"{os.getpid()}\\n".encode())  # at once: print writes the end of the line by itself
    time.sleep(600)

def main():
    with workers(2) as pool:
        for future in [pool.submit(busy) for _ in range(4)]:
            future.result()
    return 0

if __name__ == "__main__":
    sys.exit(run_to_end(main))
"""


def test_sigterm_ends_the_workers_too(tmp_path: Path) -> None:
    """As after Ctrl-C: status 130, and both processes are gone although work was waiting."""
    program = tmp_path / "program.py"
    _ = program.write_text(PROGRAM)
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join([str(ROOT / "src"), str(ROOT)])}
    with subprocess.Popen([sys.executable, program], stdout=subprocess.PIPE, text=True, env=environment) as running:
        try:
            assert running.stdout is not None
            pids = [int(running.stdout.readline()) for _ in range(2)]
            assert ended(running) == INTERRUPTED
        finally:
            running.kill()
    assert [pid for pid in pids if is_there(pid)] == []


def ended(running: subprocess.Popen[str]) -> int | None:
    """The status after SIGTERM. Python notices a signal that comes just before it begins to wait for a lock with the
    next one only."""
    for _ in range(30):
        running.send_signal(signal.SIGTERM)
        with suppress(subprocess.TimeoutExpired):
            return running.wait(1)
    return None


def is_there(pid: int) -> bool:
    """Whether the process is still there some seconds later."""
    for _ in range(50):
        try:
            os.kill(pid, 0)
        except ProcessLookupError:
            return False
        time.sleep(0.1)
    return True
