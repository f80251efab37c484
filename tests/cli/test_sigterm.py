"""A job that a supervisor ends by SIGTERM leaves a clean lease and what it has done, and says by its status how far it
came."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from collections.abc import Callable
from typing import Any, Final

import pytest

from crossfade.cli.outcome import COULD_NOT_RUN, DONE, NOT_YET
from tests.aws.conftest import wait_for
from tests.cli.conftest import ITEMS, Shell

SECONDS_MAX: Final = 60.0
JOBS: Final[dict[str, tuple[tuple[str, ...], int]]] = {
    "backfill": (("backfill", "--rate", "20", "--segments", "8", "--workers", "1", "--execute"), NOT_YET),
    "verify": (("verify", "--rate", "20", "--segments", "8", "--workers", "1"), COULD_NOT_RUN),
    "replicate": (("replicate", "--execute"), DONE),
    "watch": (("watch",), DONE),
}


def records(shell: Shell, kind: str) -> list[dict[str, Any]]:
    found = shell.client.scan(TableName=shell.tables["control"], ConsistentRead=True)["Items"]
    return [item for item in found if item["record"]["S"].startswith(kind)]


def copied(shell: Shell) -> int:
    return len(shell.scan(shell.tables["target"]))


@pytest.mark.parametrize("name", JOBS)
def test_a_job_that_sigterm_ends_leaves_a_clean_lease(at_stage: Callable[[str], Shell], name: str) -> None:
    """In the middle of its work; its status is the one that the pages name, and no verify is asked for."""
    words, status = JOBS[name]
    shell = at_stage("dualwrite")
    _ = shell("replicate", "--enable-streams", "--execute", "--once")
    process = subprocess.Popen(
        [sys.executable, "-m", "crossfade.cli", *words],
        env={**os.environ, **shell.environment},
        cwd=shell.folder,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
    )
    if name == "watch":  # it has none
        assert process.stdout is not None
        assert process.stdout.readline()
    else:
        wait_for(lambda: bool(records(shell, "client#")), "a lease")
    if name == "backfill":
        wait_for(lambda: 0 < copied(shell) < ITEMS, "the first pages")
    process.send_signal(signal.SIGTERM)
    said, _ = process.communicate(timeout=SECONDS_MAX)
    assert process.returncode == status, said
    assert "Traceback" not in said
    assert records(shell, "client#") == []
    assert records(shell, "state")[0]["unclean"] == {"N": "0"}


def test_a_backfill_goes_on_where_sigterm_ended_it(at_stage: Callable[[str], Shell]) -> None:
    """Its checkpoints are there: no item is counted twice over both runs."""
    shell = at_stage("dualwrite")
    process = subprocess.Popen(
        [sys.executable, "-m", "crossfade.cli", *JOBS["backfill"][0]],
        env={**os.environ, **shell.environment},
        cwd=shell.folder,
        stdout=subprocess.DEVNULL,
    )
    wait_for(lambda: copied(shell) >= ITEMS // 3, "the first pages")
    process.send_signal(signal.SIGTERM)
    assert process.wait(SECONDS_MAX) == NOT_YET
    assert copied(shell) < ITEMS
    rest = shell.lines("backfill", "--segments", "8", "--execute")[-1]
    assert (rest["resumed"], rest["status"], rest["items"]) == (True, "complete", ITEMS)
    assert copied(shell) == ITEMS
