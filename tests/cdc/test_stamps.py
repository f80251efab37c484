"""The versions of rows go off the items once nothing needs them, and take nothing along."""

from __future__ import annotations

import signal
import subprocess
import sys
import threading
from dataclasses import replace
from typing import Any

import pytest

from crossfade.cdc.retiring import RowStep
from crossfade.cdc.stamps import StampOptions
from crossfade.control.record_items import to_item
from crossfade.control.records import Lease, Role
from crossfade.core.effects import Request
from crossfade.core.stages import Stage
from crossfade.errors import ConfigurationError, GateClosed, ServiceRejected, UnknownOutcome
from tests.backfill.setting import once
from tests.cdc.stamping import OPTIONS, Stamped, key_of, on, plain, stamped, tombstone
from tests.conftest import Database

RUN_SECONDS = 60.0  # against a hang; nothing is measured
STRIDE = 31


@pytest.fixture
def scene(dynamodb: Database) -> Stamped:
    """Complete, and the tombstones are purged."""
    made = Stamped(dynamodb)
    made.done(RowStep.TOMBSTONES)
    return made


def test_all_stamps_go_and_nothing_else(scene: Stamped) -> None:
    """What an application has written as a whole has none, and is left as it is; after it the step is done."""
    scene.fill(23)
    scene.put(plain(99))
    removed = scene.remove()
    assert (removed.complete, removed.items, removed.removed, removed.rewritten) == (True, 24, 23, 0)
    assert scene.held() == {item["pk"]["S"]: item for item in map(plain, (*range(23), 99))}
    assert scene.view().steps[-1].is_done
    assert scene.remove().removed == 0  # it may be done again


def test_a_kill_at_any_call_is_gone_on_from(dynamodb: Database, scene: Stamped) -> None:
    """By the same command: in the end no stamp is left, and every item is otherwise as it was."""
    scene.fill(40)
    killed = 0
    while (ended := run(dynamodb, scene, 1 + killed * STRIDE)) == -signal.SIGKILL:
        killed += 1
    assert ended == 0
    assert killed >= 2, "no kill hit the step: the test shows nothing"
    assert scene.held() == {item["pk"]["S"]: item for item in map(plain, range(40))}
    assert scene.view().steps[-1].is_done


def run(database: Database, scene: Stamped, killed_at: int) -> int:
    words = [database.endpoint_url, scene.tag, str(killed_at)]
    done = subprocess.run(
        [sys.executable, "-m", "tests.cdc.stamping", *words], timeout=RUN_SECONDS, check=False, capture_output=True
    )
    assert done.returncode in (0, -signal.SIGKILL), done.stderr.decode()
    return done.returncode


def test_a_stopped_run_goes_on_from_its_page(scene: Stamped) -> None:
    """With its counts; what is done is not read again."""
    scene.fill(40)
    looks: list[Request] = []
    stop = threading.Event()

    def look(request: Request) -> None:
        if request["TableName"] == scene.target:
            looks.append(request)
            if len(looks) == 2:
                stop.set()

    scene.jobs_client.before["scan"] = look
    options = replace(OPTIONS, segments=1)
    first = scene.remove(options, stop_event=stop)
    assert (first.complete, first.removed) == (False, 10)
    assert not scene.view().steps[-1].is_done
    looks.clear()
    second = scene.remove(options)
    assert (second.complete, second.removed, second.items) == (True, 40, 40)
    assert "ExclusiveStartKey" in looks[0]


@pytest.mark.parametrize("how", ["put", "delete", "update"])
def test_a_write_that_comes_between_is_kept(scene: Stamped, how: str) -> None:
    """One of the whole item, a delete, and an update that leaves the stamp where it is."""
    scene.fill(6)
    item = stamped(3)
    actions: dict[str, Any] = {
        "put": lambda: scene.put(plain(3, "Berta")),
        "delete": lambda: scene.client.delete_item(TableName=scene.target, Key=key_of(item)),
        "update": lambda: scene.update(item, name="Berta"),
    }
    scene.jobs_client.before["update_item"] = on(item, actions[how])
    removed = scene.remove()
    assert removed.rewritten == (how != "update")
    found = scene.held().get("customer#3")
    assert found == (None if how == "delete" else plain(3, "Berta"))
    assert scene.with_stamp() == set()


def test_an_update_whose_answer_is_lost_is_sent_again(scene: Stamped) -> None:
    """Whether it was carried out or not; and so is one that DynamoDB is too busy for."""
    scene.fill(6)

    def lose() -> None:
        raise UnknownOutcome("the connection broke")

    def refuse() -> None:
        raise ServiceRejected("ThrottlingException", "too fast")

    scene.jobs_client.after["update_item"] = once(lose)
    scene.jobs_client.before["update_item"] = once(refuse)
    assert scene.remove().removed == 6
    assert scene.with_stamp() == set()


def test_a_tombstone_keeps_its_stamp(scene: Stamped) -> None:
    """Without it what is deleted would be there again. The step says that it is not done, and is after a purge."""
    scene.fill(3)
    scene.put(tombstone(7))
    scene.put(tombstone(8))
    scene.update(tombstone(8), name="of the application")
    removed = scene.remove()
    assert (removed.complete, removed.removed, removed.kept) == (True, 4, 1)
    assert scene.held()["customer#7"] == tombstone(7)
    assert scene.held()["customer#8"] == plain(8, "of the application")
    assert not scene.view().steps[-1].is_done
    scene.client.delete_item(TableName=scene.target, Key=key_of(tombstone(7)))
    assert scene.remove().kept == 0
    assert scene.view().steps[-1].is_done


def test_the_pace_is_kept(scene: Stamped) -> None:
    """Stamps are counted, and a pace that is none is refused."""
    scene.fill(6)
    with pytest.raises(ConfigurationError, match="0 a second is no pace"):
        _ = StampOptions(per_second=0)
    assert scene.remove(replace(OPTIONS, per_second=1000.0)).removed == 6


def test_before_the_end_no_stamp_goes(dynamodb: Database) -> None:
    """In `rampdown` there is a way back, on which versions decide."""
    scene = Stamped(dynamodb, complete=False)
    scene.fill(1)
    scene.done(RowStep.TOMBSTONES)
    with pytest.raises(GateClosed, match="is in rampdown, and must be in complete") as caught:
        _ = scene.remove()
    assert caught.value.next_step.startswith("crossfade complete")
    assert scene.with_stamp() == {"customer#0"}


def test_what_needs_versions_goes_first(dynamodb: Database) -> None:
    """Tombstones, the table of parts, whoever carries the log."""
    scene = Stamped(dynamodb, folds=True)
    scene.fill(1)
    with pytest.raises(GateClosed, match="the step tombstones is not done") as caught:
        _ = scene.remove()
    assert caught.value.next_step == "crossfade cleanup --step tombstones --execute"
    scene.done(RowStep.TOMBSTONES)
    with pytest.raises(GateClosed, match="the step parts is not done"):
        _ = scene.remove()
    scene.done(RowStep.PARTS)
    lease = Lease("etl-1", Role.ETL, "host-9", 7, "f", 1, 1, 35.0, 25.0, 0, "")
    record = to_item(scene.migration.name, lease)
    scene.client.put_item(TableName=scene.migration.control_table, Item=record)
    with pytest.raises(GateClosed, match="the log is carried still: etl on host-9, pid 7"):
        _ = scene.remove()
    scene.client.delete_item(
        TableName=scene.migration.control_table, Key={name: record[name] for name in ("migration", "record")}
    )
    assert scene.remove().removed == 1


def test_another_migration_that_moves_the_target_on_closes_it(scene: Stamped) -> None:
    """It locks items by their stamps; one that begins meanwhile stops the step at the next page."""
    scene.fill(1)
    state = scene.run(scene.control.state())
    later = replace(state, stage=Stage.DUALWRITE, source=scene.target, target="shop-v3")
    begin: Any = {"TableName": scene.migration.control_table, "Item": to_item("later", later)}
    scene.jobs_client.before["describe_table"] = once(lambda: scene.client.put_item(**begin))
    for _ in range(2):
        with pytest.raises(GateClosed, match=f"migration later, in stage dualwrite, moves {scene.target} on"):
            _ = scene.remove()
    assert scene.with_stamp() == {"customer#0"}
