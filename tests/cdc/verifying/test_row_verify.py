"""Verify of rows against items, on a MariaDB that is written to: every kind of damage, and nothing else."""

from __future__ import annotations

from tests.cdc.verifying.setting import Migrated


def test_equal_sides_are_clean_and_open_the_gate(migrated: Migrated) -> None:
    """Nothing is found, and the gate opens."""
    _ = migrated.carry()
    migrated.write("INSERT INTO shop.customers VALUES (1, 'Ann')", "INSERT INTO shop.customers VALUES (2, 'Bert')",
        "INSERT INTO shop.orders VALUES (10, 5.5)", "INSERT INTO shop.lines VALUES (2, 10, 5), (10, 10, 3)")
    migrated.carried_all()
    result = migrated.verify()
    print(result)
    assert (result.status, result.exit_status, result.matching, result.differences) == ("clean", 0, 3, 0)
