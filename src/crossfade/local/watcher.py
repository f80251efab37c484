"""Run a program that must not outlive somebody: a script of its own, started by `Watched` and imported by nobody.

    python -I -S watcher.py TELL GRACE REMOVE PROGRAM ARGUMENT ...

Standard input is a pipe from the one who started us. While it is open the program runs; when it ends, because that
process closed it or is gone (also by SIGKILL), the program is asked to end by SIGTERM, and killed after GRACE seconds.
A `k` on the pipe kills it at once. TELL is the number of a file descriptor to which the program's process id goes, or
why it cannot be run. REMOVE is a folder that goes when the pipe has ended, or empty: what was killed or ended by itself
can be started again with what it had. The exit status is the program's.

Should this process itself be killed, the program goes too where the system can do that (Linux).
"""

from __future__ import annotations

import contextlib
import ctypes
import os
import select
import shutil
import signal
import sys
import time
from collections.abc import Sequence
from typing import Final, NoReturn

CANNOT_RUN: Final = 127
PARENT_DEATH_SIGNAL: Final = 1  # PR_SET_PDEATHSIG of <sys/prctl.h>
POLL_SECONDS: Final = 0.02  # while it ends; otherwise nothing is polled


def main(arguments: Sequence[str]) -> int:
    tell, grace, remove, *command = arguments
    woken, wake = os.pipe()
    for end in (woken, wake):
        os.set_blocking(end, False)
    _ = signal.signal(signal.SIGCHLD, _wake_only)
    _ = signal.set_wakeup_fd(wake)
    for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):  # the pipe alone ends us
        _ = signal.signal(number, signal.SIG_IGN)
    child = _start(command, int(tell), os.getpid())
    status, alone = _watched(child, woken, float(grace))
    if remove and alone:
        shutil.rmtree(remove, ignore_errors=True)
    return status


def _wake_only(_number: int, _frame: object) -> None:
    """Have a handler at all: only with one does the signal write to the pipe that wakes us."""


def _start(command: Sequence[str], tell: int, watcher: int) -> int:
    child = os.fork()
    if child == 0:
        _become(command, tell, watcher)
    with contextlib.suppress(OSError):
        _ = os.write(tell, f"{child}\n".encode())
    os.close(tell)
    return child


def _become(command: Sequence[str], tell: int, watcher: int) -> NoReturn:
    try:
        os.setsid()
        _die_with_parent()
        if os.getppid() != watcher:
            os._exit(CANNOT_RUN)
        for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP, signal.SIGCHLD):
            _ = signal.signal(number, signal.SIG_DFL)
        _ = os.dup2(os.open(os.devnull, os.O_RDONLY), 0)
        os.set_inheritable(tell, False)
        os.execv(command[0], list(command))  # noqa: S606  that is what this is for
    except OSError as error:
        with contextlib.suppress(OSError):
            _ = os.write(tell, f"cannot be run: {error}\n".encode())
    os._exit(CANNOT_RUN)


def _die_with_parent() -> None:
    if sys.platform == "linux":
        _ = ctypes.CDLL(None).prctl(PARENT_DEATH_SIGNAL, int(signal.SIGKILL), 0, 0, 0)


def _watched(child: int, woken: int, grace: float) -> tuple[int, bool]:
    """Wait for its end or for the pipe's, and then see to it that it ends; its status, and True if the pipe ended."""
    while True:
        ready, _, _ = select.select([0, woken], [], [])
        if woken in ready:
            _drain(woken)
            status = _ended(child)
            if status is not None:
                return status, False
        if 0 in ready:
            kill = os.read(0, 1) == b"k"
            return _end(child, 0.0 if kill else grace), not kill


def _drain(woken: int) -> None:
    with contextlib.suppress(BlockingIOError):
        while os.read(woken, 512):
            pass


def _end(child: int, grace: float) -> int:
    if grace:
        os.kill(child, signal.SIGTERM)  # not waited for yet, so the number is still its own
        until = time.monotonic() + grace
        while time.monotonic() < until:
            status = _ended(child)
            if status is not None:
                return status
            time.sleep(POLL_SECONDS)
    os.killpg(child, signal.SIGKILL)  # with what it started itself
    return os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) & 0xFF


def _ended(child: int) -> int | None:
    found, status = os.waitpid(child, os.WNOHANG)
    return os.waitstatus_to_exitcode(status) & 0xFF if found else None


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
