"""Tombstones go when nothing can come any more that they refuse, and only while they are what was read."""

from __future__ import annotations

import threading
import time
from typing import Any

import pytest

from crossfade.cdc.purging import Purged, PurgeOptions, run_purge
from crossfade.cdc.verifying import LogApplied, Pause
from crossfade.core.effects import Request
from crossfade.core.mapping import STAMP
from crossfade.errors import ConfigurationError, NotPossibleInStage
from tests.backfill.setting import Interposed, connect, once
from tests.cdc.stamping import Stamped, tombstone
from tests.cdc.verifying.setting import LANDING_SECONDS, Migrated, key_of
from tests.conftest import Database

OPTIONS = PurgeOptions(segments=2, age_seconds=3600, landing_seconds=LANDING_SECONDS)
TOMORROW = 86_400.0


def purged(migrated: Migrated, options: PurgeOptions = OPTIONS, **how: Any) -> Purged:
    """As if it were `later` than it is."""
    later = how.pop("later", TOMORROW)
    target: Any = how.pop("target", migrated.jobs_client)
    return run_purge(
        migrated.migration,
        migrated.destination,
        {"target": target, "control": migrated.jobs_client},
        how.pop("settling", None) or migrated.settling(),
        options,
        late=how.pop("late", lambda: ""),
        connect=connect,
        wall=lambda: time.time() + later,
        **how,
    )


def tombstones(migrated: Migrated) -> set[str]:
    held = migrated.held(migrated.target)
    return {item["pk"]["S"] for item in held if "deleted" in item.get(STAMP, {}).get("M", {})}


def parts(migrated: Migrated) -> set[tuple[str, str]]:
    return {(part["item"]["S"], part["part"]["S"]) for part in migrated.held(migrated.migration.parts_table)}


def some_deleted(migrated: Migrated) -> None:
    """Of each kind: by itself, one of several of a row, a folded one; and as many that are there."""
    migrated.write(
        "INSERT INTO shop.customers VALUES (1, 'Ann'), (2, 'Bert')",
        'INSERT INTO shop.products VALUES (1, \'["1a", "1b"]\')',
        "INSERT INTO shop.orders VALUES (1, 1), (2, 2), (3, 3)",
        "INSERT INTO shop.`lines` VALUES (10, 1, 1), (11, 1, 1), (20, 2, 1), (21, 2, 1), (30, 3, 1)",
        "DELETE FROM shop.customers WHERE id = 2",
        "UPDATE shop.products SET codes = '[\"1a\"]'",
        "DELETE FROM shop.`lines` WHERE id IN (10, 11, 20)",
        "DELETE FROM shop.orders WHERE id IN (1, 3)",
    )
    _ = migrated.carry()
    migrated.carried_all()
    assert tombstones(migrated) == {"customer#2", "code#1b", "order#1", "order#3"}


def test_what_no_event_needs_any_more_is_purged(migrated: Migrated) -> None:
    """Tombstones go, and of a dead parent the parts that are gone; what is there stays, and so does a living child."""
    some_deleted(migrated)
    before, items = parts(migrated), migrated.items()
    result = purged(migrated)
    assert (result.done, result.purged, result.parts, result.left) == (True, 4, 4, 0), result
    assert tombstones(migrated) == set()
    gone = {("shop.orders [1]", f"shop.{row}") for row in ("orders [1]", "lines [10]", "lines [11]")}
    assert before - parts(migrated) == {*gone, ("shop.orders [3]", "shop.orders [3]")}
    assert migrated.items() == items
    assert migrated.verify().status == "clean"


def test_a_young_tombstone_stays(migrated: Migrated) -> None:
    """As long as a write may be under way that it is there to refuse."""
    some_deleted(migrated)
    result = purged(migrated, later=0)
    assert (result.purged, result.young) == (0, 4)
    assert len(tombstones(migrated)) == 4
    with pytest.raises(ConfigurationError, match="may still be needed"):
        _ = PurgeOptions(age_seconds=1)


def test_hazard_4_while_an_older_event_may_come_nothing_is_purged(migrated: Migrated) -> None:
    """The log is not applied up to the purge's begin, or something is kept aside: either is refused."""
    some_deleted(migrated)
    behind = LogApplied(lambda: migrated.beginning, lambda _: False, patience_seconds=0.5)
    with pytest.raises(NotPossibleInStage, match="the log was not applied"):
        _ = purged(migrated, settling=behind)
    with pytest.raises(NotPossibleInStage, match="2 dead letters are left"):
        _ = purged(migrated, late=lambda: "2 dead letters are left")
    assert len(tombstones(migrated)) == 4


def test_it_is_the_very_tombstone_that_goes(migrated: Migrated) -> None:
    """A row that comes again between the look and the delete makes the item anew, and the delete is refused."""
    some_deleted(migrated)
    interposed = Interposed(migrated.jobs_client)

    def again() -> None:
        migrated.write("INSERT INTO shop.customers VALUES (2, 'Berta')", "INSERT INTO shop.orders VALUES (1, 9)")
        migrated.carried_all()

    puts: list[str] = []
    interposed.before["delete_item"] = once(again)
    interposed.before["put_item"] = lambda request: puts.append(request["TableName"])
    result = purged(migrated, target=interposed)
    assert result.busy >= 1
    assert migrated.target not in puts  # nothing has to be put back that was never deleted
    assert migrated.items()["customer#2"]["name"] == {"S": "Berta"}
    assert migrated.items()["order#1"]["total"] == {"N": "9"}
    assert migrated.verify().status == "clean"


def test_what_an_application_has_written_over_it_stays(migrated: Migrated) -> None:
    """An update leaves the stamp as it was: seen at the look, and put back where it came behind it."""
    some_deleted(migrated)

    def update(pk: str) -> None:
        request: Request = {
            "TableName": migrated.target,
            "Key": key_of(pk, "profile" if pk.startswith("customer") else "product"),
            "UpdateExpression": "SET #name = :name",
            "ExpressionAttributeNames": {"#name": "name"},
            "ExpressionAttributeValues": {":name": {"S": "of the application"}},
        }
        _ = migrated.perform("UpdateItem", request)

    update("code#1b")
    interposed = Interposed(migrated.jobs_client)

    def before_delete(request: Request) -> None:
        if request["Key"].get("pk") == {"S": "customer#2"}:
            update("customer#2")

    interposed.before["delete_item"] = before_delete
    result = purged(migrated, target=interposed)
    assert (result.purged, result.busy) == (2, 1)
    for pk, sk in (("code#1b", "product"), ("customer#2", "profile")):
        assert migrated.item(pk, sk)["name"] == {"S": "of the application"}


def test_a_stopped_purge_goes_on(migrated: Migrated) -> None:
    """With the count of what it had purged, and from the page where it was."""
    migrated.write(
        "INSERT INTO shop.customers SELECT seq, NULL FROM shop.seq_1_to_40",
        "DELETE FROM shop.customers",
    )
    _ = migrated.carry()
    migrated.carried_all()
    options = PurgeOptions(segments=1, page_items=4, workers=1, age_seconds=3600, landing_seconds=LANDING_SECONDS)
    looks: list[Request] = []
    stop = threading.Event()

    def look(request: Request) -> None:
        looks.append(request)
        if len(looks) == 3:
            stop.set()

    interposed = Interposed(migrated.jobs_client)
    interposed.before["scan"] = look
    first = purged(migrated, options, target=interposed, stop_event=stop)
    assert (first.done, first.purged) == (False, 12)
    looks.clear()
    second = purged(migrated, options, target=interposed)
    assert (second.done, second.purged, second.items) == (True, 40, 40)
    assert "ExclusiveStartKey" in looks[0]
    assert tombstones(migrated) == set()


def test_where_nothing_carries_any_more_nothing_is_waited_for(migrated: Migrated) -> None:
    """In `complete` there is no log to be applied."""
    some_deleted(migrated)
    assert purged(migrated, settling=Pause(0.0)).purged == 4


def test_a_purge_that_was_begun_before_the_end_begins_anew_in_complete(dynamodb: Database) -> None:
    """Behind the place where it was stopped, there may be tombstones since: none may be left when it says so."""
    scene = Stamped(dynamodb, complete=False)
    for number in range(12):
        scene.put(tombstone(number))
    stop = threading.Event()
    scene.jobs_client.after["scan"] = once(stop.set)
    first = scene.purge(stop_event=stop)
    assert (first.done, first.purged) == (False, 5)
    gone = min(set(range(12)) - {int(name.partition("#")[2]) for name in scene.held()})
    scene.put(tombstone(gone))
    scene.complete()
    assert scene.purge().done
    assert scene.held() == {}
    assert scene.view().steps[0].is_done
