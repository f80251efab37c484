"""A server's process that ends when ours ends, whatever happens to us, with the last lines it said.

The servers here (Java, MariaDB) do not look at their standard input, as our engine does; a small process between us
(`watcher.py`) does it for them.
"""

from __future__ import annotations

import contextlib
import os
import re
import shutil
import socket
import subprocess
import sys
import threading
import time
import weakref
from collections import deque
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import IO, Final, TypeVar

from crossfade.local import watcher
from crossfade.local.errors import LocalServerError
from crossfade.local.stopping import Stoppable

OUTPUT_LINES_KEPT: Final = 60  # enough for a Java exception with its cause
LINE_CHARACTERS_KEPT: Final = 2_000
GRACE_SECONDS: Final = 10.0  # from SIGTERM to SIGKILL; a broker or a database closes its files in one
START_SECONDS: Final = 90.0  # three on a quiet machine, far more beside other work on two cores
ANSWER_SECONDS: Final = 5.0  # a fork of a small process
POLL_SECONDS: Final = 0.05
PORT_ATTEMPTS: Final = 3
IN_USE: Final = re.compile("(?i)address already in use")  # Java's words, and everybody's who asks the system

_Started = TypeVar("_Started")


class Watched(Stoppable):
    """One child process. `stop()`, the end of the `with` block or of this process ends it."""

    def __init__(
        self,
        name: str,
        command: Sequence[str | Path],
        *,
        folder: Path | None = None,
        environment: Mapping[str, str] | None = None,
        grace_seconds: float = GRACE_SECONDS,
        remove: Path | None = None,
    ) -> None:
        """Start it in `folder`; `remove` is a folder that goes with it when it is stopped, by us or by our end.

        It stays when the process is killed or ends by itself, so that it can be started again with what it had.
        `environment` is all that it gets; ours where None. Raises LocalServerError when it cannot be run.
        """
        self.name = name
        self._grace_seconds = grace_seconds
        self._remove = remove
        self._output: deque[str] = deque(maxlen=OUTPUT_LINES_KEPT)
        told, tell = os.pipe()
        try:
            self._process = subprocess.Popen(  # noqa: S603  our own script with our own arguments
                [
                    *(sys.executable, "-I", "-S", str(Path(watcher.__file__).resolve())),
                    *(str(tell), str(grace_seconds), str(remove or "")),
                    *(str(part) for part in command),
                ],
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                stderr=subprocess.STDOUT,
                pass_fds=[tell],
                start_new_session=True,
                cwd=folder,
                env=environment,
                text=True,
                errors="replace",
            )
        finally:
            os.close(tell)
        assert self._process.stdin  # noqa: S101  asked for above
        assert self._process.stdout  # noqa: S101
        self._lifeline: IO[str] = self._process.stdin
        self._reader = threading.Thread(
            target=self._read, args=(self._process.stdout,), name=f"{name}-output", daemon=True
        )
        self._reader.start()
        _living.add(self)
        try:
            self.process_id = self._told(told)
        except BaseException:
            self.stop()
            raise

    @property
    def running(self) -> bool:
        return self._process.poll() is None

    @property
    def said(self) -> str:
        """Return the process's last lines, indented."""
        return "\n".join(f"    {line}" for line in tuple(self._output)) or "    (nothing)"

    def wait_until(self, ready: Callable[[], bool], seconds: float = START_SECONDS) -> None:
        """Return when it is ready. Raises LocalServerError, with what it said, when it ends or takes too long."""
        until = time.monotonic() + seconds
        while not ready():
            if not self.running:
                self._reader.join(ANSWER_SECONDS)
                raise LocalServerError(f"{self.name} ended by itself; the last it said:\n{self.said}")
            if time.monotonic() > until:
                raise LocalServerError(
                    f"{self.name} was not ready after {seconds:.0f} s; the last it said:\n{self.said}",
                    next_step="try again when the machine has less to do",
                )
            time.sleep(POLL_SECONDS)

    def wait_for_end(self, seconds: float = START_SECONDS) -> None:
        """Return when it has ended well. Raises LocalServerError, with what it said, otherwise."""
        try:
            status = self._process.wait(seconds)
        except subprocess.TimeoutExpired:
            status = None
        if status != 0:
            self._reader.join(0.0 if status is None else ANSWER_SECONDS)
            what = f"has not ended after {seconds:.0f} s" if status is None else f"ended with status {status}"
            raise LocalServerError(f"{self.name} {what}; the last it said:\n{self.said}")

    def stop(self) -> None:
        """Ask it to end, wait until it has; it is killed after the grace. Calling it twice is fine."""
        self.cut()
        self._gone()
        if self._remove:
            shutil.rmtree(self._remove, ignore_errors=True)  # where it had ended before

    def kill(self) -> None:
        """Kill it at once, as a crash would, and wait until it is gone."""
        with contextlib.suppress(BrokenPipeError, ValueError):  # gone, or stopped already
            _ = self._lifeline.write("k")
            self._lifeline.flush()
        self._gone()

    def cut(self) -> None:
        """Close our end of the pipe, which ends it, and do not wait."""
        with contextlib.suppress(BrokenPipeError):
            self._lifeline.close()

    def _gone(self) -> None:
        try:
            _ = self._process.wait(self._grace_seconds + ANSWER_SECONDS)
        except subprocess.TimeoutExpired:
            self._process.kill()  # the watcher, and with it the server
            _ = self._process.wait()
        self.cut()
        self._reader.join(ANSWER_SECONDS)
        _living.discard(self)

    def _told(self, told: int) -> int:
        """The server's process id. Raises LocalServerError with the reason where there is none."""
        with os.fdopen(told, encoding="utf-8", errors="replace") as answers:
            lines = answers.read().splitlines()  # its end is the program's start, or that it could not be run
        reasons = [line for line in lines if not line.isdigit()]
        if reasons or not lines:
            raise LocalServerError(f"{self.name} {reasons[0] if reasons else 'cannot be run'}")
        return int(lines[0])

    def _read(self, output: IO[str]) -> None:
        with output:
            for line in output:
                self._output.append(line.rstrip()[:LINE_CHARACTERS_KEPT])


class WatchedServer(Stoppable):
    """A server that is one such process at a time."""

    def __init__(self, process: Watched) -> None:
        self._process = process

    @property
    def process_id(self) -> int:
        return self._process.process_id

    @property
    def said(self) -> str:
        """The last lines of its output."""
        return self._process.said

    def kill(self) -> None:
        """Kill it as a crash would; `restart` brings it back."""
        self._process.kill()

    def restart(self) -> None:
        """Start it again after `kill`, on the same port and with what it had written. Raises LocalServerError."""
        if self._process.running:
            self._process.kill()
        self._process = self._run()

    def stop(self) -> None:
        self._process.stop()

    def _run(self) -> Watched:
        raise NotImplementedError


def free_ports(count: int) -> list[int]:
    """Ports of 127.0.0.1 that nobody listens on now, all different; for servers that cannot be given port 0."""
    with contextlib.ExitStack() as open_sockets:
        sockets = [open_sockets.enter_context(socket.socket()) for _ in range(count)]
        for each in sockets:
            each.bind(("127.0.0.1", 0))
        return [int(each.getsockname()[1]) for each in sockets]


def listens(port: int) -> bool:
    """True if somebody takes connections on this port of 127.0.0.1."""
    with socket.socket() as connection:
        connection.settimeout(ANSWER_SECONDS)
        return connection.connect_ex(("127.0.0.1", port)) == 0


def with_free_ports(count: int, start: Callable[[list[int]], _Started]) -> _Started:
    """What `start` returns for free ports; tried again where somebody else took one in between."""
    for _attempt in range(PORT_ATTEMPTS - 1):
        try:
            return start(free_ports(count))
        except LocalServerError as error:
            if IN_USE.search(error.message) is None:
                raise
    return start(free_ports(count))


_living: weakref.WeakSet[Watched] = weakref.WeakSet()


def _cut_in_child() -> None:
    """A forked child must not hold the pipe, or the server would outlive the process that started it."""
    for process in _living:
        process.cut()


os.register_at_fork(after_in_child=_cut_in_child)
