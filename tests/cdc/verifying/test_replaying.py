"""The log once more, judged by a verify: into the same table, with a corrected mapping, into a second table."""

from __future__ import annotations

from typing import Any

from crossfade.cdc.applying import Destination
from crossfade.cdc.rows import Rows
from crossfade.cdc.verifying import RowSides, RowVerifyResult
from crossfade.core.items import Item
from crossfade.core.mapping import STAMP
from crossfade.migration import Table
from tests.cdc.etl.setting import ARRIVAL_SECONDS, Writer
from tests.cdc.shop import KEY
from tests.cdc.verifying.damage import ROWS
from tests.cdc.verifying.setting import Migrated, mapped

TRANSACTIONS = 60


def lived(migrated: Migrated) -> None:
    """A history, all of it carried; nobody writes or carries any more."""
    migrated.write(*ROWS)
    writer = Writer(migrated.source, 7, TRANSACTIONS, 0.0)
    writer.start()
    writer.join(ARRIVAL_SECONDS)
    assert writer.failure is None
    replayed(migrated, migrated.destination, "log")


def replayed(migrated: Migrated, destination: Destination, name: str) -> None:
    """From the beginning to the end, as another carrier."""
    carrier = migrated.carry(destination, name)
    migrated.carried_all(name)
    carrier.end()


def judged(migrated: Migrated, destination: Destination, name: str) -> RowVerifyResult:
    """With a carrier that has applied all there is."""
    carrier = migrated.carry(destination, name)
    try:
        sides: RowSides = migrated.sides(destination, name)
        return migrated.verify(sides=sides)
    finally:
        carrier.end()


def corrected(table: str) -> Rows:
    """Customers have a greeting as well, and orders another form."""
    rows = mapped(Rows(Table(table, key=KEY)))
    customer, fold = rows.singles[0], rows.folds[0]
    made, folded = customer.make, fold.make

    def greeted(row: Any) -> Any:
        return {**dict(made(row) or {}), "greeting": f"Dear {row['name']}"}  # type: ignore[arg-type]

    def counted(row: Any, lines: Any) -> Any:
        return {**dict(folded(row, lines=lines) or {}), "count": len(lines)}

    object.__setattr__(customer, "make", greeted)
    object.__setattr__(fold, "make", counted)
    return rows


def shown(migrated: Migrated, table: str) -> list[tuple[str, bool, Item]]:
    """What applications see and tombstones alike, without what tells one write from another."""
    held = sorted(migrated.held(table), key=lambda item: repr((item["pk"], item["sk"])))
    return [
        (item["pk"]["S"], "deleted" in item[STAMP]["M"], {name: item[name] for name in item if name != STAMP})
        for item in held
    ]


def test_replayed_from_the_beginning_nothing_changes(migrated: Migrated) -> None:
    """All of the log again, into the same table: each item as it was, and the verify clean before and after."""
    lived(migrated)
    before = shown(migrated, migrated.target)
    assert judged(migrated, migrated.destination, "log").status == "clean"
    replayed(migrated, migrated.destination, "again")
    assert shown(migrated, migrated.target) == before
    assert judged(migrated, migrated.destination, "again").status == "clean"


def test_replayed_with_a_corrected_mapping_everything_is_corrected(migrated: Migrated) -> None:
    """By the corrected mapping everything of two tables is wrong, and after the replay nothing is."""
    lived(migrated)
    destination = Destination(corrected(migrated.target), migrated.migration.parts_table)
    wrong = judged(migrated, destination, "log")
    items = migrated.items()
    assert wrong.mismatched == sum(name.startswith(("customer#", "order#")) for name in items) > 10
    assert (wrong.missing, wrong.extra, wrong.stale_parts) == (0, 0, 0)
    replayed(migrated, destination, "again")
    right = judged(migrated, destination, "again")
    assert right.status == "clean", right
    assert migrated.items()["customer#100"]["greeting"] == {"S": "Dear Ann"}


def test_a_second_table_that_is_rebuilt_equals_the_first(migrated: Migrated) -> None:
    """Another target and other parts, from the same log: both are judged clean, and hold the same."""
    lived(migrated)
    second = f"{migrated.target}-2"
    for name, key in ((second, ("pk", "sk")), (f"{second}-parts", ("item", "part"))):
        migrated.create_table(name, key)
    destination = Destination(mapped(Rows(Table(second, key=KEY))), f"{second}-parts")
    assert judged(migrated, migrated.destination, "log").status == "clean"
    empty = migrated.verify(sides=migrated.sides(destination))
    assert empty.missing == empty.items == len(migrated.items())
    replayed(migrated, destination, "second")
    assert judged(migrated, destination, "second").status == "clean"
    assert shown(migrated, second) == shown(migrated, migrated.target)
