"""How much memory each process has, looked at now and then."""

from __future__ import annotations

import subprocess
import threading
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType
from typing import Self

EVERY_SECONDS = 1.0
SETTLED_SECONDS = 10.0  # a process is still growing into its libraries before that


@dataclass(slots=True)
class Memory:
    """The memory of one process in MB: first seen after it had settled, last, and highest."""

    first: float = 0.0
    last: float = 0.0
    peak: float = 0.0
    looks: int = 0


class Watcher:
    """`with Watcher() as watcher`: then `watcher.watch(name, pid)`."""

    def __init__(self) -> None:
        self.seen: dict[str, Memory] = {}
        self._ids: dict[str, int] = {}
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._run, name="memory", daemon=True)

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._stop.set()
        self._thread.join()

    def watch(self, name: str, process_id: int | None) -> None:
        if process_id is not None:
            self.seen[name] = Memory()
            self._ids[name] = process_id

    def leave(self, name: str) -> None:
        """Look no more: what it does from now on is something else."""
        _ = self._ids.pop(name, None)

    def _run(self) -> None:
        while not self._stop.wait(EVERY_SECONDS):
            for name, process_id in list(self._ids.items()):
                megabytes = resident_megabytes(process_id)
                if megabytes is None:
                    self.leave(name)
                else:
                    self._note(self.seen[name], megabytes)

    def _note(self, memory: Memory, megabytes: float) -> None:
        memory.looks += 1
        if memory.looks * EVERY_SECONDS <= SETTLED_SECONDS:
            memory.first = megabytes
        memory.last = megabytes
        memory.peak = max(memory.peak, megabytes)


def resident_megabytes(process_id: int) -> float | None:
    """What the process holds of the machine's memory; None when it is gone."""
    status = Path(f"/proc/{process_id}/status")
    try:
        lines = status.read_text().splitlines()
    except FileNotFoundError:
        return None if Path("/proc/self").exists() else _asked(process_id)
    except ProcessLookupError:
        return None
    for line in lines:
        if line.startswith("VmRSS:"):
            return int(line.split()[1]) / 1024
    return None  # it has ended and nobody has asked how


def _asked(process_id: int) -> float | None:
    """Ask `ps`, where there is no /proc."""
    done = subprocess.run(  # noqa: S603
        ["ps", "-o", "rss=", "-p", str(process_id)],  # noqa: S607
        capture_output=True,
        text=True,
        check=False,
    )
    return int(done.stdout) / 1024 if done.stdout.strip() else None
