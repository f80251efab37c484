"""`detach_on_sigterm`: a process that SIGTERM would end leaves its migrations first.

The signal's handler runs in the main thread, between any two steps of whatever that is doing: it may hold a lock, or be
in the middle of a call whose answer the leaving waits for. So the handler only starts a thread and returns. What is
under way ends; a call that would begin after it waits, as if the process had ended already; and when all have left,
or the time is over, the signal has its way.
"""

from __future__ import annotations

import _thread
import logging
import os
import signal
import threading
import time
from typing import Any, Final, NoReturn

from crossfade.drivers.process_end import Member, members
from crossfade.errors import ConfigurationError

LOG: Final = logging.getLogger("crossfade")

# With giving the lease back, which may take seconds more, within the 30 s that Kubernetes and ECS grant by default.
SIGTERM_SECONDS: Final = 20.0
LEAVE_SECONDS: Final = 6.0  # for giving the lease back, and being told that it was
AGAIN_SECONDS: Final = 1.0  # a signal to a process and one to its group come together, and are one request to end
LOOK_SECONDS: Final = 0.01  # how often it is looked whether the last operation has ended
LAST_SECONDS: Final = 1.0  # for the main thread to let the signal have its way; it may be in the middle of C code


def detach_on_sigterm(timeout_seconds: float = SIGTERM_SECONDS) -> bool:
    """Have SIGTERM end this process after it has left its migrations, in at most some seconds more than these.

    Returns False where SIGTERM has a handler already, or is ignored: that stays as it is. For the main thread, before
    or after `attach`. Raises ConfigurationError in any other thread.

    The process ends by the signal, as it would have without this, and so does what sees it end. A second SIGTERM, a
    second or more after the first, ends it at once.
    """
    if threading.current_thread() is not threading.main_thread():
        raise ConfigurationError(
            "detach_on_sigterm() was called beside the main thread, where Python takes no handlers of signals",
            next_step="call it in the main thread, at start-up",
        )
    found = signal.getsignal(signal.SIGTERM)
    if found is not signal.SIG_DFL and found != _SIGTERM.arrived:
        LOG.warning(
            "SIGTERM has a handler already (%s), which stays; where that does not end Python in order, as sys.exit()"
            " does, call detach() of the router before it ends the process",
            getattr(found, "__qualname__", found),
        )
        return False
    _SIGTERM.timeout_seconds = timeout_seconds
    _ = signal.signal(signal.SIGTERM, _SIGTERM.arrived)
    return True


class Sigterm:
    """What SIGTERM has begun in this process."""

    def __init__(self) -> None:
        self.timeout_seconds: float = SIGTERM_SECONDS
        self.since: float | None = None
        self._is_over = False

    def after_fork_in_child(self) -> None:
        """A child has a SIGTERM of its own."""
        self.since = None

    def arrived(self, number: int, frame: object) -> None:
        """The handler."""
        del number, frame
        now = time.monotonic()
        if self._is_over or (self.since is not None and now - self.since >= AGAIN_SECONDS):
            end_by_signal()
        if self.since is None:
            self.since = now
            try:
                _ = _thread.start_new_thread(self._leave, ())  # takes no lock that the main thread may hold
            except RuntimeError:  # Python is about to end, and all leave at its exit
                LOG.debug("SIGTERM came while Python was ending")

    def _leave(self) -> None:
        try:
            leave_all(members(), self.timeout_seconds)
        except BaseException:
            LOG.exception("leaving on SIGTERM has failed")
            raise
        finally:
            self._is_over = True
            # Dispositions are the main thread's to change; it may rest in a call that only a signal of its own ends.
            signal.pthread_kill(threading.main_thread().ident or 0, signal.SIGTERM)
            time.sleep(LAST_SECONDS)
            os._exit(128 + signal.SIGTERM)


def leave_all(leaving: list[Member], timeout_seconds: float) -> None:
    """Have all leave side by side: one that takes its whole time is no harm to the others."""
    until = time.monotonic() + timeout_seconds
    for member in leaving:
        member.hold()
    # Of two migrations on one client the mirrors of one may be calls of the other: none leaves before all have ended.
    while len(leaving) > 1 and any(member.unfinished for member in leaving) and time.monotonic() < until:
        time.sleep(LOOK_SECONDS)
    threads: list[threading.Thread] = []
    for member in leaving:
        remaining: tuple[Any, ...] = (max(0.0, until - time.monotonic()),)
        threads.append(threading.Thread(target=member.end_within, args=remaining, daemon=True))
        threads[-1].start()
    for thread in threads:
        thread.join(max(0.0, until + LEAVE_SECONDS - time.monotonic()))


def end_by_signal() -> NoReturn:
    """End by SIGTERM itself; in the main thread. The first process of a container is spared by the kernel."""
    _ = signal.signal(signal.SIGTERM, signal.SIG_DFL)
    signal.raise_signal(signal.SIGTERM)
    os._exit(128 + signal.SIGTERM)


_SIGTERM: Final = Sigterm()
os.register_at_fork(after_in_child=_SIGTERM.after_fork_in_child)
