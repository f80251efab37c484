"""A difference that comparisons have found is told when it stays the very same, and taken back when it is gone."""

from __future__ import annotations

import threading

from crossfade.control.comparisons import TOLD_MAX, WINDOW_SECONDS, Comparisons, read_differences
from crossfade.control.records import DifferenceRecord, Job
from crossfade.core.stages import Stage
from crossfade.core.sync.compare import Difference
from tests.backfill.setting import order, order_key
from tests.conftest import Database
from tests.streams.setting import StreamSetting

HOT = 3


def told(setting: StreamSetting) -> tuple[DifferenceRecord, ...]:
    found: tuple[DifferenceRecord, ...] = setting.run(
        read_differences(setting.control, setting.run(setting.control.job(Job.VERIFY)))
    )
    return found


def suspected(number: int, kind: str = "mismatched") -> dict[str, object]:
    """The event of a comparison that found that."""
    return {"outcome": kind, "difference": Difference(order_key(number), order(number), order(number))}


def look(setting: StreamSetting, comparisons: Comparisons) -> None:
    for key in comparisons.keys(0.0).values():
        setting.run(comparisons.look(setting.pair, setting.control, "web-1", key))


def test_a_key_that_is_written_all_the_while_is_no_difference(dynamodb: Database) -> None:
    """Hundreds of times a second, each write with its mirror: at each look the two sides may differ, and never twice in
    the same way. What is written past us, and stays, is one; and is none any more when it is mended."""
    setting = StreamSetting(dynamodb, Stage.SHADOW, streams=False)
    assert setting.verify().status == "clean"
    comparisons, stop = Comparisons("web", 7), threading.Event()

    def write() -> None:
        count = 0
        while not stop.is_set():
            count += 1
            _ = setting.app("PutItem", Item=order(HOT, note={"S": str(count % 2)}))

    writer = threading.Thread(target=write)
    writer.start()
    for _ in range(2):
        comparisons.note(suspected(HOT))
        look(setting, comparisons)
    stop.set()
    writer.join()
    assert told(setting) == ()

    setting.put_directly("source", order(HOT, note={"S": "past us"}))
    comparisons.note(suspected(HOT))
    look(setting, comparisons)
    (seen,) = told(setting)
    assert (seen.kind, seen.host, seen.pid) == ("mismatched", "web", 7)
    assert comparisons.due(100.0)  # it is looked at again and again
    look(setting, comparisons)
    assert told(setting) == (seen,) or told(setting)[0].at >= seen.at
    _ = setting.app("PutItem", Item=order(HOT))
    look(setting, comparisons)
    assert told(setting) == ()
    assert not comparisons.due(1000.0)


def test_a_newer_verify_stands_above_what_was_seen_before_it_began(dynamodb: Database) -> None:
    """It has seen it itself. Before any verify nothing is told: there is no finding that it would be against."""
    setting = StreamSetting(dynamodb, Stage.SHADOW, streams=False)
    comparisons = Comparisons("web", 7)
    setting.put_directly("source", order(1, note={"S": "past us"}))
    comparisons.note(suspected(1))
    look(setting, comparisons)
    assert told(setting) == ()
    assert setting.verify().status != "clean"
    comparisons.note(suspected(1))
    look(setting, comparisons)
    assert len(told(setting)) == 1
    assert setting.verify().status != "clean"
    assert told(setting) == ()


def test_comparisons_that_mostly_fail_are_told_for_a_minute() -> None:
    """How many, and with what kind of error: not its words, which may hold a value."""
    comparisons = Comparisons("web", 7)
    assert comparisons.failing(0.0) == ""
    for _ in range(9):
        comparisons.note({"outcome": "error", "key": "k", "error": "AccessDeniedException: of item secret"})
    for _ in range(3):
        comparisons.note({"outcome": "matching"})
    said = "9 of 12 comparisons failed in the last minute, the last one with AccessDeniedException"
    assert comparisons.failing(1.0) == said
    for _ in range(10):
        comparisons.note({"outcome": "matching"})
    assert comparisons.failing(2.0) == ""
    assert comparisons.failing(3.0 + WINDOW_SECONDS) == ""
    assert comparisons.outcomes == {"error": 9, "matching": 13}


def test_a_client_looks_at_a_few_keys() -> None:
    """However many differ: a few hold the gate as well."""
    comparisons = Comparisons("web", 7)
    for number in range(3 * TOLD_MAX):
        comparisons.note(suspected(number, "missing"))
    assert len(comparisons.keys(0.0)) == TOLD_MAX
    assert comparisons.outcomes == {"missing": 3 * TOLD_MAX}
