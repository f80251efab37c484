"""SIGKILL at random points, ten times in one backfill, then resume: no loss, and one page a segment is repeated."""

from __future__ import annotations

import json
import random
import signal
import subprocess
import sys
import time
from collections import defaultdict
from pathlib import Path
from typing import Any

from tests.backfill import runner
from tests.backfill.setting import Setting
from tests.conftest import Database

ITEMS = 2_400
KILLS = 10
SEED = 20
DEADLINE_SECONDS = 120.0  # of the whole test, against a hang; nothing is measured


class Log:
    """What all runs have written down so far."""

    def __init__(self, path: Path) -> None:
        self.path = path

    def lines(self) -> list[dict[str, Any]]:
        if not self.path.exists():
            return []
        written, _, _ = self.path.read_text().rpartition("\n")  # a line may be half written at this moment
        return [json.loads(line) for line in written.splitlines()]

    def puts(self) -> int:
        return sum("put" in line for line in self.lines())


def begin(database: Database, tag: str, log: Log, run: int, *job: str) -> subprocess.Popen[bytes]:
    arguments = [database.endpoint_url, tag, str(log.path), str(run), *job]
    return subprocess.Popen([sys.executable, "-m", "tests.backfill.runner", *arguments])


def test_ten_kills_lose_nothing_and_repeat_at_most_a_page_a_segment(dynamodb: Database, tmp_path: Path) -> None:
    """Each run puts again, of every segment, no key but those of the first page that it reads there."""
    setting = Setting(dynamodb)
    tag = setting.migration.name.removeprefix("m-")
    assert runner.migration_of(tag).compiled.fingerprint == setting.migration.compiled.fingerprint
    setting.fill(ITEMS)
    log = Log(tmp_path / "log")
    chance = random.Random(SEED)
    deadline = time.monotonic() + DEADLINE_SECONDS
    killed = 0
    for run in range(KILLS):
        process = begin(dynamodb, tag, log, run)
        enough = log.puts() + chance.randint(1, 7)
        while log.puts() < enough and process.poll() is None:
            assert time.monotonic() < deadline
            time.sleep(chance.random() * 0.004)
        process.send_signal(signal.SIGKILL)
        killed += process.wait() == -signal.SIGKILL
    assert killed == KILLS, "every run must have been killed before it was complete"
    assert begin(dynamodb, tag, log, KILLS).wait(DEADLINE_SECONDS) == 0
    setting.assert_equal()
    assert_repeats(log)


def assert_repeats(log: Log) -> None:
    first_pages: dict[tuple[int, int], set[str]] = {}
    segment_of: dict[str, int] = {}
    put_by_run: dict[int, set[str]] = defaultdict(set)
    for line in log.lines():
        if "put" in line:
            put_by_run[line["run"]].update(line["put"])
        else:
            segment_of |= dict.fromkeys(line["page"], line["segment"])
            _ = first_pages.setdefault((line["run"], line["segment"]), set(line["page"]))
    repeats = 0
    before: set[str] = set()
    for run in sorted(put_by_run):
        again = put_by_run[run] & before
        repeats += len(again)
        for order in again:
            assert order in first_pages[run, segment_of[order]], f"run {run} put {order} of a later page again"
        before |= put_by_run[run]
    assert len(before) == ITEMS
    assert all(len(page) <= runner.PAGE_ITEMS for page in first_pages.values())
    assert repeats, "no kill hit a page under way: the test shows nothing"
