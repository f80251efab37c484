"""A worker of pytest-xdist that dies takes with it what it said last: here it is kept, and told with the failure.

What a worker writes to stderr, the traceback of a fatal error or of a test that hung among it, goes to a file of its
own. When the worker is gone, that and how it ended (its exit status, or the signal) stand in the failure's text.
"""

from __future__ import annotations

import os
import signal
import tempfile
from pathlib import Path
from typing import Any, Final

import pytest

ENDED_SECONDS: Final = 5.0  # a worker that is gone has ended, or is about to
SHOWN_MAX: Final = 20_000  # characters, from the end


@pytest.hookimpl(tryfirst=True)
def pytest_configure(config: pytest.Config) -> None:
    """In a worker: before pytest's own fault handler looks where stderr is."""
    worker: dict[str, str] | None = getattr(config, "workerinput", None)
    if worker is not None:
        with file_of(worker["testrunuid"], worker["workerid"]).open("wb") as kept:
            _ = os.dup2(kept.fileno(), 2)


@pytest.hookimpl(optionalhook=True)
def pytest_handlecrashitem(report: pytest.TestReport) -> None:
    """In the process that started the workers."""
    node: Any = getattr(report, "node")  # noqa: B009  set by pytest-xdist, and by no type
    kept = file_of(node.workerinput["testrunuid"], node.workerinput["workerid"])
    said = kept.read_text(errors="replace")[-SHOWN_MAX:]
    ended = how(node.gateway._io.popen.wait(ENDED_SECONDS))
    report.longrepr = f"{report.longrepr}\n{ended}\n{said or 'it wrote nothing to stderr'}"


@pytest.hookimpl(optionalhook=True)
def pytest_testnodedown(node: Any, error: object | None) -> None:
    """The file of a worker that ended well is not needed."""
    if error is None:
        file_of(node.workerinput["testrunuid"], node.workerinput["workerid"]).unlink(missing_ok=True)


def file_of(run: str, worker: str) -> Path:
    return Path(tempfile.gettempdir()) / f"crossfade-tests-{run}-{worker}.stderr"


def how(status: int) -> str:
    return f"it ended by {signal.Signals(-status).name}" if status < 0 else f"it ended with status {status}"
