"""The end of a process, however it comes: whoever has joined a migration leaves it first.

    the program is over, or sys.exit()             atexit
    a child of multiprocessing or billiard is over  multiprocessing's finalizers: before Python 3.13 it skips atexit
    a child of Celery's prefork pool is over       Celery's signal: it skips both
    SIGTERM, after `detach_on_sigterm()`           sigterm.py

Nothing can be had of a process that `os._exit` or a signal ends in any other way. And a loop of asyncio has ended by
then, and with it what was on it: only SIGTERM finds it running.
"""

from __future__ import annotations

import atexit
import sys
import threading
from collections.abc import Callable
from typing import Any, Final, Protocol

# multiprocessing's own finalizers, those of its queues among them, have higher priorities and run before.
FINALIZED_LAST: Final = -1_000_000


BESIDE: Final = "crossfade"  # how the names of threads begin that work beside an application


def is_beside() -> bool:
    """True on such a thread: whoever waited there for its work to end would wait for ever."""
    return threading.current_thread().name.startswith(BESIDE)


class Member(Protocol):
    """What has joined a migration in this process."""

    @property
    def unfinished(self) -> int:
        """How many operations and mirrors have not ended."""
        ...

    def hold(self) -> None:
        """Let no further call of the application go on: it waits, until the process has ended."""
        ...

    def end(self) -> Any:
        """Leave, as the last act of the process. The application's further calls are refused, where not held."""
        ...

    def end_within(self, timeout_seconds: float) -> bool:
        """`end`, whether all that was under way ended in time. May be called on any thread, also twice."""
        ...


_MEMBERS: Final[dict[Member, list[Any]]] = {}  # in the order of joining, with what has been registered for each


def members() -> list[Member]:
    """Return those of this process, the first to have joined first."""
    return list(_MEMBERS)


def enter(member: Member, *, at_exit: bool = True) -> None:
    """Have `member` leave when this process ends. `at_exit`: it can when Python ends in order."""
    _MEMBERS[member] = []
    if at_exit:
        _ = atexit.register(member.end)
        enter_child(member)


def enter_child(member: Member) -> None:
    """Have `member` leave when this process ends, if that is a child which skips `atexit`; once in each process."""
    registered = _MEMBERS.setdefault(member, [])
    if _is_child():
        finalize: Any = sys.modules["multiprocessing.util"]
        registered.append(finalize.Finalize(None, member.end, exitpriority=FINALIZED_LAST))
    celery: Any = sys.modules.get("celery.signals")
    if celery is not None:
        uid = f"crossfade {id(member)}"
        celery.worker_process_shutdown.connect(_receiver(member), weak=False, dispatch_uid=uid)


def leave(member: Member) -> None:
    """Forget `member`, which has left."""
    atexit.unregister(member.end)
    for finalizer in _MEMBERS.pop(member, ()):
        finalizer.cancel()
    celery: Any = sys.modules.get("celery.signals")
    if celery is not None:
        celery.worker_process_shutdown.disconnect(dispatch_uid=f"crossfade {id(member)}")


def _is_child() -> bool:
    """Whether multiprocessing, or billiard, which shares its finalizers, has made this process."""
    standard: Any = sys.modules.get("multiprocessing.process")
    if standard is not None and standard.parent_process() is not None:
        return True
    billiards: Any = sys.modules.get("billiard.process")
    return billiards is not None and billiards.current_process().name != "MainProcess"


def _receiver(member: Member) -> Callable[..., None]:
    def worker_process_shutdown(**_: object) -> None:
        member.end()

    return worker_process_shutdown
