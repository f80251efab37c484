"""A command that runs in a process of its own while the test goes on, and may be killed."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import threading
from collections.abc import Callable, Generator
from contextlib import contextmanager
from typing import Any, Final

from tests.cli.rows.conftest import RowShell

SECONDS_MAX: Final = 120.0


class Running:
    """Its lines of JSON are read as they come."""

    def __init__(self, shell: RowShell, *words: str) -> None:
        self.lines: list[dict[str, Any]] = []
        self._came = threading.Condition()
        self._process = subprocess.Popen(
            [sys.executable, "-m", "crossfade.cli", *words, "--json"],
            env={**os.environ, **shell.environment},
            cwd=shell.folder,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )
        self._reader = threading.Thread(target=self._read, daemon=True)
        self._reader.start()

    def _read(self) -> None:
        assert self._process.stdout is not None
        for line in self._process.stdout:
            with self._came:
                self.lines.append(json.loads(line))
                self._came.notify_all()
        with self._came:
            self._came.notify_all()

    def wait_for(self, true: Callable[[dict[str, Any]], bool]) -> None:
        """Until it has said so. Fails where it ends before."""

        def said() -> bool:
            return any(map(true, self.lines)) or not self._reader.is_alive()

        with self._came:
            _ = self._came.wait_for(said, SECONDS_MAX)
        assert any(map(true, self.lines)), self.lines[-3:]

    def kill(self) -> None:
        """As a power failure would."""
        self._process.kill()
        _ = self._process.wait()

    def end(self) -> int:
        """As Ctrl-C would; the exit status."""
        self._process.send_signal(signal.SIGINT)
        try:
            return self._process.wait(SECONDS_MAX)
        finally:
            self._process.kill()


@contextmanager
def running(shell: RowShell, *words: str) -> Generator[Running, None, None]:
    """While the test is in it; ended then, however."""
    made = Running(shell, *words)
    try:
        yield made
    finally:
        _ = made.end()
