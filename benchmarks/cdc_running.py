"""Who starts, watches and ends the processes of the row log's benchmark."""

from __future__ import annotations

import contextlib
import json
import os
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Generator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Final

LOOK_SECONDS: Final = 0.02
END_SECONDS: Final = 120.0

Told = dict[str, Any]


class Part:
    """One process, and the lines that it has printed."""

    def __init__(self, part: str, told: Told) -> None:
        self.lines: list[Told] = []
        self.ready_at: float | None = None
        command = [sys.executable, "-m", "benchmarks.cdc_parts", part, json.dumps(told)]
        self._process = subprocess.Popen(  # noqa: S603
            command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
        )
        self._reading = threading.Thread(target=self._read, daemon=True)
        self._reading.start()

    @property
    def rows(self) -> int:
        """As it last told."""
        return next((line["rows"] for line in reversed(self.lines) if "rows" in line), 0)

    @property
    def at(self) -> float:
        """When it told that it had done more than before, for the last time."""
        done = self.rows
        return next((line["at"] for line in self.lines if line.get("rows") == done and "at" in line), 0.0)

    def resident(self, share: float) -> float:
        """Its memory in MiB when it had done so much of its rows."""
        told = [line for line in self.lines if "rss_mib" in line]
        wanted = share * self.rows
        return next((line["rss_mib"] for line in told if line["rows"] >= wanted), told[-1]["rss_mib"] if told else 0.0)

    def begin(self) -> None:
        """The line of input for which it waits."""
        assert self._process.stdin  # noqa: S101
        _ = self._process.stdin.write("\n")
        self._process.stdin.flush()

    def end(self) -> Told:
        """Let it end; what it used."""
        assert self._process.stdin  # noqa: S101
        with contextlib.suppress(BrokenPipeError):
            self._process.stdin.close()
        return self.wait()

    def wait(self) -> Told:
        """Until it has ended by itself; what it used. Raises RuntimeError where it failed."""
        if self._process.wait(END_SECONDS):
            raise RuntimeError(f"a process of the benchmark ended with {self._process.returncode}")
        self._reading.join()
        return next(line for line in reversed(self.lines) if "changes" in line)

    def raise_failure(self) -> None:
        if self._process.poll():
            raise RuntimeError(f"a process of the benchmark ended with {self._process.returncode}")

    def kill(self) -> None:
        if self._process.poll() is None:
            self._process.kill()
        _ = self._process.wait()

    def _read(self) -> None:
        assert self._process.stdout  # noqa: S101
        for line in self._process.stdout:
            told = json.loads(line)
            if told.get("ready"):
                self.ready_at = time.monotonic()
            else:
                self.lines.append(told)


@contextmanager
def parts(*wanted: tuple[str, Told]) -> Generator[list[Part]]:
    """These processes; none is left behind."""
    started: list[Part] = []
    try:
        for part, told in wanted:
            started.append(Part(part, told))
        yield started
    finally:
        for each in started:
            each.kill()


def wait_until(condition: Callable[[], bool], watched: Sequence[Part], seconds: float) -> None:
    """Raises TimeoutError, or what a process failed with."""
    until = time.monotonic() + seconds
    while not condition():
        for each in watched:
            each.raise_failure()
        if time.monotonic() > until:
            raise TimeoutError(f"it took longer than {seconds:.0f} s; rows so far: {[each.rows for each in watched]}")
        time.sleep(LOOK_SECONDS)


def seconds_of_all() -> float:
    """Processor time of this process and of all that runs below it: servers, and what they have started."""
    parents: dict[int, int] = {}
    used: dict[int, float] = {}
    for folder in Path("/proc").glob("[0-9]*"):
        with contextlib.suppress(OSError):  # it has ended
            told = (folder / "stat").read_text().rpartition(")")[2].split()
            parents[int(folder.name)] = int(told[1])
            used[int(folder.name)] = sum(map(int, told[11:15])) / os.sysconf("SC_CLK_TCK")

    def is_ours(process: int) -> bool:
        while process > 1 and process != os.getpid():
            process = parents.get(process, 0)
        return process == os.getpid()

    return sum(seconds for process, seconds in used.items() if is_ours(process))
