"""Without Kafka: the log's reader feeds the applying, which dies and goes on from what it kept."""

from __future__ import annotations

import asyncio
from collections.abc import Iterable, Mapping
from decimal import Decimal
from typing import Any

import pytest

from crossfade.cdc.checkpoints import Checkpoint
from crossfade.cdc.etl import Counts, carry, through
from crossfade.cdc.mysql.errors import RowsUntold
from crossfade.cdc.mysql.positions import Position, reaches
from crossfade.cdc.mysql.reader import LogReader, Told
from crossfade.cdc.row import Row
from crossfade.cdc.rows import Rows
from crossfade.cdc.terms import Term
from crossfade.errors import MappingError
from crossfade.migration import Table
from tests.cdc.etl.setting import ARRIVAL_SECONDS, TABLES, Setting, Writer
from tests.cdc.etl.test_end_to_end import Crash, crashing
from tests.cdc.etl.test_what_stops import strict
from tests.cdc.shop import KEY


class Kept:
    """Checkpoints of the control table, and what was saved last."""

    def __init__(self, setting: Setting) -> None:
        self._checkpoints = setting.checkpoints()
        self.last = Checkpoint()

    @property
    def term(self) -> Term:
        return self._checkpoints.term

    def take(self) -> Checkpoint:
        self.last = self._checkpoints.take()
        return self.last

    def save(self, checkpoint: Checkpoint) -> None:
        self._checkpoints.save(checkpoint)
        self.last = checkpoint


def carried(
    setting: Setting, *, crash_after: int | None = None, rows: Any = None, past_removals: Iterable[str] = ()
) -> Counts:
    """From what was kept to where the log ends now."""
    kept = Kept(setting)
    found, end = kept.take(), setting.end_of_log()
    position = Position.of_text(found.position) if found.position else setting.beginning
    reader = LogReader(
        setting.source,
        TABLES,
        position,
        server_id=next(setting.server_ids),
        past_removals=list(past_removals),
        heartbeat_seconds=0.2,
    )
    log: Iterable[Told | Any] = reader if crash_after is None else crashing(reader, crash_after)

    def there() -> bool:
        return bool(kept.last.position) and reaches(Position.of_text(kept.last.position), end)

    async def play() -> Counts:
        async with setting.bulk() as bulk, asyncio.timeout(ARRIVAL_SECONDS):
            return await carry(log, setting.destination(rows), through(bulk), kept, found, stop=there)

    try:
        return asyncio.run(play())
    finally:
        reader.close()


def test_rows_arrive_without_kafka(setting: Setting) -> None:
    """It dies in the middle, goes on from the position that it kept, and begins no part of it that was kept."""
    writer = Writer(setting.source, 5, 200, 0.0)
    writer.start()
    writer.join(ARRIVAL_SECONDS)
    assert writer.failure is None
    with pytest.raises(Crash):
        _ = carried(setting, crash_after=200)
    rest = carried(setting)
    assert setting.items() == setting.wanted()
    assert rest.changes > 0
    assert carried(setting).changes == 0


def test_what_cannot_be_applied_stops_it(setting: Setting) -> None:
    """There is no place to keep it: so the position stays before it, and a corrected mapping goes on from there."""
    setting.write("INSERT INTO shop.customers VALUES (1, 'Ann')", "INSERT INTO shop.customers VALUES (2, 'poison')")
    with pytest.raises(MappingError, match="nobody is called poison"):
        _ = carried(setting, rows=strict(setting.tables["target"], "poison"))
    _ = carried(setting)
    assert setting.items() == setting.wanted()
    assert len(setting.items()) == 2


@pytest.mark.parametrize("said", ["too large", "cannot be stored"])
def test_what_stops_it_is_told_with_its_row_and_the_way_on(setting: Setting, said: str) -> None:
    """Also where it is the target that refuses an item, or a value has no form there: nobody else names the row."""

    def odd(_row: Row) -> Mapping[str, Any]:
        return {"pk": "c", "sk": "c", "note": "x" * 500_000 if said == "too large" else Decimal("1" * 39)}

    rows = Rows(Table(setting.tables["target"], key=KEY))
    _ = rows.table("shop.customers")(odd)
    setting.write("INSERT INTO shop.customers VALUES (17, 'Ann')")
    with pytest.raises(
        MappingError, match=r"shop\.customers \[17\]: .*(maximum allowed size|cannot be stored)"
    ) as caught:
        _ = carried(setting, rows=rows)
    assert "same command" in caught.value.next_step


def test_a_truncate_stops_it(setting: Setting) -> None:
    """However often it is started, until somebody says that it was dealt with; what came before it is applied."""
    setting.write(
        "INSERT INTO shop.customers VALUES (1, 'Ann')",
        "TRUNCATE TABLE shop.customers",
        "INSERT INTO shop.customers VALUES (3, 'Cora')",
    )
    with pytest.raises(RowsUntold):
        _ = carried(setting)
    with pytest.raises(RowsUntold, match=r"rows of shop\.customers are gone") as caught:
        _ = carried(setting)
    assert sorted(setting.items()) == ["customer#1"]
    _ = carried(setting, past_removals=[caught.value.where])
    assert sorted(setting.items()) == ["customer#1", "customer#3"]
    _ = carried(setting)
