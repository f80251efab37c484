"""SIGKILL at random points of a verify: the next goes on behind the checkpoints, and tells what a whole one does."""

from __future__ import annotations

import random
import signal
import time
from collections import defaultdict
from pathlib import Path
from typing import Any, Final

import pytest

from crossfade.verify.result import VerifyOptions
from tests.backfill import runner
from tests.backfill.setting import Setting
from tests.backfill.test_kill import Log, begin
from tests.conftest import Database
from tests.verify.test_verify import damage, is_verified

ITEMS: Final = 2_400
KILLS: Final = 3
DEADLINE_SECONDS: Final = 120.0  # of the whole test, against a hang; nothing is measured


@pytest.mark.parametrize("damaged", [False, True])
def test_a_verify_that_is_killed_again_and_again_reports_what_a_whole_one_does(
    dynamodb: Database, tmp_path: Path, damaged: bool
) -> None:
    """Every page counts once. Of a segment in which nothing differs, no page but the first one is read again; and the
    finding opens the gate, since a client that only reads leaves no mark behind."""
    setting = Setting(dynamodb)
    tag = setting.migration.name.removeprefix("m-")
    setting.fill(ITEMS)
    assert setting.backfill().status == "complete"
    if damaged:
        damage(setting)
    log = Log(tmp_path / "log")
    chance = random.Random(7)
    deadline = time.monotonic() + DEADLINE_SECONDS
    for run in range(KILLS):
        process = begin(dynamodb, tag, log, run, "verify")
        enough = len(log.lines()) + chance.randint(6, 24)
        while len(log.lines()) < enough and process.poll() is None:
            assert time.monotonic() < deadline
            time.sleep(chance.random() * 0.004)
        process.send_signal(signal.SIGKILL)
        assert process.wait() == -signal.SIGKILL, "every run must have been killed before it was complete"
    status = begin(dynamodb, tag, log, KILLS, "verify").wait(DEADLINE_SECONDS)
    assert status == (1 if damaged else 0)
    assert setting.run(setting.control.state()).unclean == 0
    assert is_verified(setting) is not damaged
    told = log.lines()[-1]["result"]
    if not damaged:
        assert_no_page_is_read_again(log)
    whole = setting.verify(VerifyOptions(segments=runner.SEGMENTS)).as_json()
    assert without_its_course(told) == without_its_course(whole)


def without_its_course(result: dict[str, Any]) -> dict[str, Any]:
    """Samples in any order; how long it took and into how many segments it was cut is not of the tables."""
    course = ("seconds", "segments", "segments_done")
    samples = sorted((sample["kind"], sample["key"], list(sample["lines"])) for sample in result["samples"])
    return {name: value for name, value in result.items() if name not in course} | {"samples": samples}


def assert_no_page_is_read_again(log: Log) -> None:
    pages: dict[tuple[str, int], list[tuple[int, frozenset[str]]]] = defaultdict(list)
    for line in log.lines():
        if line.get("page"):
            pages[line["table"], line["segment"]].append((line["run"], frozenset(line["page"])))
    repeats = 0
    for read in pages.values():
        seen: set[str] = set()
        runs: set[int] = set()
        for run, page in read:
            if page & seen:
                assert run not in runs, "a page behind a checkpoint was read again"
                repeats += 1
            seen |= page
            runs.add(run)
    assert repeats, "no kill hit a page under way: the test shows nothing"
    assert sum(len({order for _, page in read for order in page}) for read in pages.values()) == 2 * ITEMS
