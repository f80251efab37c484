"""Verify of rows against items, on a MariaDB that is written to: every kind of damage, and nothing else."""

from __future__ import annotations

import threading
from collections import Counter
from collections.abc import Generator, Sequence
from contextlib import contextmanager
from typing import Any

import pytest

from crossfade.cdc.mysql.positions import Position
from crossfade.cdc.mysql.reader import position_now
from crossfade.cdc.row import Row
from crossfade.cdc.rows import Child
from crossfade.cdc.verifying import LogApplied, RowSides, RowVerifyOptions, RowVerifyResult, applied_by_capture
from crossfade.cdc.verifying import run as verify_run
from tests.cdc.etl.setting import ARRIVAL_SECONDS, Writer
from tests.cdc.verifying.damage import DAMAGES, ROWS
from tests.cdc.verifying.setting import LANDING_SECONDS, Carrier, Migrated

OPTIONS = RowVerifyOptions(segments=2, landing_seconds=LANDING_SECONDS)
REPAIR = RowVerifyOptions(segments=2, landing_seconds=LANDING_SECONDS, repair=True)


@pytest.fixture
def all_samples(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(verify_run, "SAMPLES_MAX", 1000)


@contextmanager
def traffic(migrated: Migrated) -> Generator[None]:
    """Two that write all the time, each row again and again; slowly, as the carrier has a share of a core only."""
    done = threading.Event()
    writers = [Writer(migrated.source, seed, 1_000_000, 0.1, until=done.is_set) for seed in (1, 2)]
    for writer in writers:
        writer.start()
    try:
        yield
    finally:
        done.set()
        for writer in writers:
            writer.join(ARRIVAL_SECONDS)
    assert [writer.failure for writer in writers] == [None, None]


def filled(migrated: Migrated) -> Carrier:
    migrated.write(*ROWS)
    carrier = migrated.carry()
    migrated.carried_all()
    return carrier


def kinds(result: RowVerifyResult) -> dict[str, int]:
    found = {
        "missing": result.missing,
        "extra": result.extra,
        "mismatched": result.mismatched,
        "stale part": result.stale_parts,
    }
    return {kind: count for kind, count in found.items() if count}


def planted(migrated: Migrated) -> dict[str, int]:
    for damage in DAMAGES.values():
        damage.plant(migrated)
    return dict(Counter(damage.kind for damage in DAMAGES.values()))


def test_equal_sides_are_clean_under_traffic(migrated: Migrated) -> None:
    """All is looked at, nothing is found, and the gate of the stages opens."""
    _ = filled(migrated)
    with traffic(migrated):
        result = migrated.verify()
    assert (result.status, result.exit_status, result.differences) == ("clean", 0, 0), result
    assert result.rows >= 70
    assert result.matching >= 45


def test_hazard_21_a_change_under_way_is_no_damage(migrated: Migrated) -> None:
    """Nothing carries at the first look, so all of it differs; what is asked for then is applied, and all is equal."""
    filled(migrated).end()
    migrated.write(
        "INSERT INTO shop.customers VALUES (1, 'new')",
        "UPDATE shop.customers SET name = 'Anna' WHERE id = 100",
        "DELETE FROM shop.customers WHERE id = 101",
        "UPDATE shop.products SET codes = '[\"100c\"]' WHERE id = 100",
        "UPDATE shop.`lines` SET order_id = 101 WHERE id = 1001",
        "DELETE FROM shop.orders WHERE id = 105",
        "UPDATE shop.things SET id = 200 WHERE id = 110",
    )
    sides, reached = migrated.sides(), applied_by_capture(migrated.captures(), migrated.run)
    carriers: list[Any] = []

    def applied(end: Position) -> bool:
        if not carriers:
            carriers.append(migrated.carry())
        return reached(end)

    settling = LogApplied(lambda: position_now(migrated.source), applied, patience_seconds=ARRIVAL_SECONDS)
    result = migrated.verify(sides=RowSides(sides.migration, sides.source, sides.destination, settling))
    assert result.status == "clean", result
    assert carriers


@pytest.mark.usefixtures("all_samples")
def test_each_planted_difference_is_found_and_nothing_else(migrated: Migrated) -> None:
    """Under traffic, each by its key, its kind and what is wrong; then all but a stranger's is repaired."""
    _ = filled(migrated)
    wanted = planted(migrated)
    with traffic(migrated):
        result = migrated.verify()
        assert kinds(result) == wanted, [s.key for s in result.samples if s.kind == "extra"]
        assert (result.status, result.exit_status) == ("differences", 1)
        shown = [(sample.kind, sample.text()) for sample in result.samples]
        for name, damage in DAMAGES.items():
            texts = [text for kind, text in shown if kind == damage.kind and f"'{damage.pk}'" in text]
            assert len(texts) == 1, (name, shown)
            assert damage.line in texts[0], (name, texts[0])
        repaired = migrated.verify(REPAIR)
    assert kinds(repaired) == wanted
    assert (repaired.repaired, repaired.left_alone, repaired.not_repaired) == (len(DAMAGES) - 1, 1, 0), repaired
    assert repaired.reasons == {"not written by crossfade, left alone": 1}
    assert (repaired.status, repaired.exit_status) == ("differences", 1)
    _ = migrated.perform("DeleteItem", {"TableName": migrated.target, "Key": stranger()})
    again = migrated.verify()
    assert again.status == "clean", again


def stranger() -> Any:
    return {"pk": {"S": "stranger#1"}, "sk": {"S": "thing"}}


def test_rows_that_write_their_parent_s_key_otherwise_are_told(migrated: Migrated) -> None:
    """The source takes them for its rows, and they are in no item: what the rows make is not all that there is."""

    def into(code: str) -> dict[str, str]:
        return {"pk": code, "sk": "country"}

    def country(row: Row, cities: Sequence[Row]) -> dict[str, Any]:
        return {"code": row["code"], "cities": [city["id"] for city in cities]}

    child = Child("shop.cities", parent="code")
    _ = migrated.migration.rows.fold("shop.countries", into=into, cities=child)(country)
    migrated.write(
        "CREATE TABLE shop.countries (code VARCHAR(9) COLLATE utf8mb4_unicode_ci PRIMARY KEY)",
        "CREATE TABLE shop.cities (id INT PRIMARY KEY, code VARCHAR(9) COLLATE utf8mb4_unicode_ci)",
        "INSERT INTO shop.countries VALUES ('DE'), ('fr')",
        "INSERT INTO shop.cities VALUES (1, 'DE'), (2, 'fr'), (3, 'de'), (4, NULL), (5, 'xx')",
    )
    _ = migrated.carry()
    migrated.carried_all()
    result = migrated.verify()
    assert sum(kinds(result).values()) == 1
    assert (result.items, result.matching) == (2, 1)  # the one that cannot be made is none of those that match
    (sample,) = result.samples
    assert "row 3 of shop.cities refers to 'de', which the source takes for 'DE'" in str(sample)
    migrated.write("UPDATE shop.cities SET code = 'DE' WHERE id = 3")
    migrated.carried_all()
    assert migrated.verify().status == "clean"
