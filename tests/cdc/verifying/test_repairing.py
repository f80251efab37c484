"""What a repair leaves behind: an item that the log can go on from, and nothing newer overwritten."""

from __future__ import annotations

from typing import Any

import pytest

from crossfade.cdc.applying import Destination, apply
from crossfade.cdc.changes import Change, Version
from crossfade.cdc.verifying import RowVerifyOptions
from crossfade.core.effects import Request
from crossfade.core.mapping import STAMP
from crossfade.core.stages import Stage
from crossfade.errors import MappingError, NotPossibleInStage
from crossfade.migration import Table
from tests.backfill.setting import Interposed, connect, once
from tests.cdc.verifying.damage import stale_child
from tests.cdc.verifying.setting import LANDING_SECONDS, Migrated, mapped

REPAIR = RowVerifyOptions(segments=1, landing_seconds=LANDING_SECONDS, repair=True)


def named(migrated: Migrated, name: str) -> None:
    """Another name in the item alone, as if a change had been lost."""
    migrated.put({**migrated.item("customer#1", "profile"), "name": {"S": name}})


def name_of(migrated: Migrated) -> str:
    return str(migrated.item("customer#1", "profile")["name"]["S"])


def version_of(migrated: Migrated) -> str:
    return str(migrated.item("customer#1", "profile")[STAMP]["M"]["version"]["S"])


def one_customer(migrated: Migrated) -> None:
    migrated.write("INSERT INTO shop.customers VALUES (1, 'Ann')")
    _ = migrated.carry()
    migrated.carried_all()


def test_what_is_late_does_not_undo_a_repair_and_the_log_goes_on(migrated: Migrated) -> None:
    """An item that is missing is written under the log's version: an event of before is refused, one behind wins."""
    one_customer(migrated)
    before = Version.of_text(version_of(migrated))
    key = {"pk": {"S": "customer#1"}, "sk": {"S": "profile"}}
    _ = migrated.perform("DeleteItem", {"TableName": migrated.target, "Key": key})
    result = migrated.verify(REPAIR)
    assert (result.status, result.exit_status, result.missing, result.repaired) == ("repaired", 0, 1, 1)
    late = Change("shop.customers", (1,), {"id": 1, "name": "late"}, before)
    assert migrated.run(apply(migrated.destination, late)).late == 1
    assert name_of(migrated) == "Ann"
    migrated.write("UPDATE shop.customers SET name = 'Anna' WHERE id = 1")
    migrated.carried_all()
    assert name_of(migrated) == "Anna"
    assert Version.of_text(version_of(migrated)) > before


def test_a_deleted_item_that_came_back_is_a_tombstone_again(migrated: Migrated) -> None:
    """Not only gone: what brought it back may come once more."""
    one_customer(migrated)
    held = migrated.item("customer#1", "profile")
    migrated.write("DELETE FROM shop.customers")
    migrated.carried_all()
    migrated.put(held)
    assert migrated.verify(REPAIR).repaired == 1
    version = Version.of_text(held[STAMP]["M"]["version"]["S"])
    late = Change("shop.customers", (1,), {"id": 1, "name": "Ann"}, version)
    assert migrated.run(apply(migrated.destination, late)).late == 1
    assert migrated.items() == {}


def test_hazard_33_a_repair_overwrites_nothing_newer(migrated: Migrated) -> None:
    """A change comes between the repair's look and its write: the write is refused, and the item left to the log."""
    one_customer(migrated)
    named(migrated, "damaged")

    def newer(_request: Request) -> None:
        migrated.write("UPDATE shop.customers SET name = 'newest' WHERE id = 1")
        migrated.carried_all()

    interposed = Interposed(migrated.jobs_client)
    first = once(lambda: newer({}))

    def before_put(request: Request) -> None:
        if request["TableName"] == migrated.target:
            first(request)

    interposed.before["put_item"] = before_put
    clients: Any = {"target": interposed, "control": interposed}
    result = migrated.verify(REPAIR, clients=clients, connect=connect)
    assert name_of(migrated) == "newest"
    assert (result.mismatched, result.repaired, result.left_alone) == (1, 0, 1)
    assert result.reasons == {"written anew meanwhile, left to the log": 1}
    assert result.exit_status == 1
    assert migrated.verify().status == "clean"


def test_a_stale_child_row_is_found_before_it_is_shown(migrated: Migrated) -> None:
    """The item is right and would be wrong with the next change of its parent; repaired, it stays right."""
    migrated.write(
        "INSERT INTO shop.orders VALUES (102, 1)", "INSERT INTO shop.`lines` VALUES (1021, 102, 1), (1022, 102, 2)"
    )
    _ = migrated.carry()
    migrated.carried_all()
    stale_child(migrated)
    found = migrated.verify()
    assert (found.stale_parts, found.differences) == (1, 1)
    assert migrated.verify(REPAIR).status == "repaired"
    newest = max(part["version"]["S"] for part in migrated.held(migrated.migration.parts_table))
    assert migrated.item("order#102", "order")[STAMP]["M"]["version"]["S"] == newest
    migrated.write("UPDATE shop.orders SET total = 2 WHERE id = 102")
    migrated.carried_all()
    item = migrated.items()["order#102"]
    assert item["lines"] == {"L": [{"L": [{"N": "1021"}, {"N": "1"}]}, {"L": [{"N": "1022"}, {"N": "2"}]}]}
    assert migrated.verify().status == "clean"


def test_an_item_that_is_lost_with_its_parts_is_made_of_its_rows(migrated: Migrated) -> None:
    """All of it: the rows of children too, which come behind it, so that the next change finds them."""
    migrated.write(
        "INSERT INTO shop.orders VALUES (102, 1)", "INSERT INTO shop.`lines` VALUES (1021, 102, 1), (1022, 102, 2)"
    )
    _ = migrated.carry()
    migrated.carried_all()
    before = migrated.items()["order#102"]
    for table, names in ((migrated.target, ("pk", "sk")), (migrated.migration.parts_table, ("item", "part"))):
        for item in migrated.held(table):
            _ = migrated.perform("DeleteItem", {"TableName": table, "Key": {name: item[name] for name in names}})
    one_by_one = RowVerifyOptions(segments=1, workers=1, landing_seconds=LANDING_SECONDS, repair=True)
    result = migrated.verify(one_by_one)
    assert (result.missing, result.not_repaired, result.status) == (1, 0, "repaired"), result
    assert migrated.items()["order#102"] == before
    assert len(migrated.held(migrated.migration.parts_table)) == 3
    assert migrated.verify().status == "clean"


def test_a_row_that_cannot_be_mapped_is_a_difference_that_no_repair_mends(migrated: Migrated) -> None:
    """It is told with the reason, beside all others that are looked at."""
    one_customer(migrated)
    migrated.write("INSERT INTO shop.customers VALUES (2, 'Bert')")
    migrated.carried_all()
    rows = mapped(type(migrated.migration.rows)(Table(migrated.target, key=dict(migrated.migration.target.key))))
    make = rows.singles[0].make

    def strict(row: Any) -> Any:
        if row["name"] == "Bert":
            raise MappingError("nobody is called Bert")
        return make(row)

    object.__setattr__(rows.singles[0], "make", strict)
    destination = Destination(rows, migrated.migration.parts_table)
    result = migrated.verify(REPAIR, sides=migrated.sides(destination))
    assert (result.missing, result.extra, result.not_repaired) == (1, 0, 1)
    assert "nobody is called Bert" in result.samples[0].text()
    assert result.reasons == {"its row cannot be mapped: nobody is called Bert": 1}
    without = migrated.verify(sides=migrated.sides(destination))
    assert (without.unmapped, without.reasons) == (1, result.reasons)
    assert result.next_step.startswith("correct the function (or the row) of what cannot be mapped, then")


@pytest.mark.parametrize("repair", [False, True])
def test_without_anything_to_compare_or_to_repair_it_is_refused(migrated: Migrated, repair: bool) -> None:
    """In `off` both sides differ by design."""
    migrated.move(Stage.OFF)
    with pytest.raises(NotPossibleInStage, match="a verify means nothing in stage off"):
        _ = migrated.verify(RowVerifyOptions(landing_seconds=LANDING_SECONDS, repair=repair))
