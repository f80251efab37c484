"""What cannot be applied is kept and tried again; what would be lost unseen stops the ETL, and it stays stopped."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from dataclasses import replace
from typing import Any

import orjson
import pytest

from crossfade.cdc import kafka, wire
from crossfade.cdc.applying import Applied, Destination
from crossfade.cdc.changes import Change, Version
from crossfade.cdc.etl import Retried, Retry, RowsRemoved, Settings, TooManySetAside, Worker, through
from crossfade.cdc.etl.dead_letters import Letter
from crossfade.cdc.etl.reading import debezium, own
from crossfade.cdc.mysql.errors import RowsUntold
from crossfade.cdc.mysql.positions import Position, reaches
from crossfade.cdc.row import Row
from crossfade.cdc.rows import Child, Rows
from crossfade.errors import ServiceRejected, StreamGap
from crossfade.migration import Table
from tests.cdc.etl.setting import ARRIVAL_SECONDS, Setting
from tests.cdc.shop import KEY, customer, order, order_key, product

QUIET_SECONDS = 1.5


def customer_change(key: int, name: str, position: int) -> Change:
    return Change("shop.customers", (key,), {"id": key, "name": name}, Version(0, position), committed_at=1e9)


def send(setting: Setting, *messages: tuple[bytes | None, bytes | None], partition: int = 0) -> None:
    producer = kafka.producer(setting.kafka)
    for key, value in messages:
        producer.produce(setting.topics.name, value, key, partition=partition)
    assert producer.flush(ARRIVAL_SECONDS) == 0


def send_changes(setting: Setting, *changes: Change) -> None:
    send(setting, *((wire.encoded_key(change), wire.encoded(change)) for change in changes))


def strict(table: str, refused: str) -> Rows:
    """The shop's mapping, whose function for customers fails on one name."""

    def strictly(row: Row) -> Mapping[str, Any]:
        if row["name"] == refused:
            raise ValueError(f"nobody is called {refused}")
        return customer(row)

    rows = Rows(Table(table, key=KEY))
    _ = rows.table("shop.customers")(strictly)
    _ = rows.table("shop.products")(product)
    _ = rows.fold("shop.orders", into=order_key, lines=Child("shop.lines", "order_id"))(order)
    return rows


def work(setting: Setting, rows: Rows | None = None, settings: Settings | None = None, **how: Any) -> Worker:
    """One worker, until all is quiet."""

    async def play() -> Worker:
        async with setting.bulk() as bulk:
            found = Worker(
                settings or setting.settings,
                setting.destination(rows),
                how.get("run") or through(bulk),
                how.get("reading") or own(),
            )
            _ = await found.work(quiet_seconds=QUIET_SECONDS)
            return found

    return asyncio.run(play())


def retry(setting: Setting, rows: Rows | None = None) -> Retried:
    async def play() -> Retried:
        async with setting.bulk() as bulk:
            return await Retry(setting.settings, setting.destination(rows), through(bulk), own()).run()

    return asyncio.run(play())


def letters(setting: Setting) -> list[Letter]:
    """All that were ever kept."""
    consumer = kafka.consumer(setting.kafka, "looking")
    consumer.assign([kafka.library().TopicPartition(setting.settings.dead_letters, 0, 0)])
    found = [Letter.of_dead_letter(message) for message in consumer.consume(100, 2.0)]
    consumer.close()
    return found


def test_a_poison_event_is_kept_and_tried_again(setting: Setting) -> None:
    """It holds nobody up; a retry with the same mapping keeps it, one with a corrected mapping applies it, once."""
    changes = [customer_change(key, "poison" if key == 2 else f"name {key}", key) for key in range(1, 6)]
    send_changes(setting, *changes)
    poisoned = strict(setting.tables["target"], "poison")
    worker = work(setting, poisoned)
    assert (worker.counts.changes, worker.counts.set_aside) == (4, 1)
    assert sorted(setting.items()) == [f"customer#{key}" for key in (1, 3, 4, 5)]

    [letter] = letters(setting)
    assert (letter.key, letter.value) == (wire.encoded_key(changes[1]), wire.encoded(changes[1]))
    assert (letter.topic, letter.partition, letter.offset) == (setting.topics.name, 0, 1)
    assert (letter.error, letter.attempts) == ("MappingError", 1)
    assert "nobody is called poison" in letter.reason

    again = retry(setting, poisoned)
    assert (again.applied, again.failed) == (0, 1)
    assert [each.attempts for each in letters(setting)] == [1, 2]
    assert retry(setting) == Retried(applied=1)
    assert len(setting.items()) == 5
    assert retry(setting) == Retried()


def test_a_retry_brings_nothing_old_back(setting: Setting) -> None:
    """The row that could not be mapped has been changed since: its letter is applied and writes nothing."""
    send_changes(setting, customer_change(1, "poison", 1))
    _ = work(setting, strict(setting.tables["target"], "poison"))
    send_changes(setting, customer_change(1, "cured", 2))
    _ = work(setting)
    assert retry(setting) == Retried(applied=1)
    assert setting.items()["customer#1"]["name"] == {"S": "cured"}


def test_what_nobody_wrote_is_kept_as_it_is(setting: Setting) -> None:
    """Bytes that are no change, and a key that DynamoDB refuses, are set aside with what is wrong with each."""
    too_long = Change("shop.products", (1,), {"id": "x" * 3000, "codes": []}, Version(0, 1))
    send(setting, (b"\xff", b"\x00 no change"), (wire.encoded_key(too_long), wire.encoded(too_long)))
    assert work(setting).counts.set_aside == 2
    found = {letter.error: letter for letter in letters(setting)}
    assert found["ChangeUnreadable"].value == b"\x00 no change"
    assert "ValidationException" in found["ServiceRejected"].reason
    progress = setting.progress()
    assert progress.lag_events == 0


def test_a_missing_right_stops_it(setting: Setting) -> None:
    """No change is set aside for it, and each comes again when the right is there."""
    send_changes(setting, *(customer_change(key, "Ann", key) for key in range(1, 4)))

    async def refused(_destination: Destination, _change: Change) -> Applied:
        raise ServiceRejected("AccessDeniedException", "not authorized to perform dynamodb:PutItem")

    with pytest.raises(ServiceRejected, match="not authorized"):
        _ = work(setting, run=refused)
    assert letters(setting) == []
    assert setting.progress().lag_events == 3
    assert work(setting).counts.changes == 3
    assert len(setting.items()) == 3


def test_too_many_set_aside_stop_it(setting: Setting) -> None:
    """Where hardly anything can be applied, the mapping is wrong and not the rows."""
    send_changes(setting, *(customer_change(key, "poison", key) for key in range(1, 6)))
    few = replace(setting.settings, set_aside_max=2)
    with pytest.raises(TooManySetAside, match="nobody is called poison"):
        _ = work(setting, strict(setting.tables["target"], "poison"), few)
    assert 2 <= len(letters(setting)) < 5
    assert setting.progress().lag_events == 5 - len(letters(setting))


def test_rows_that_are_gone_untold_stop_it(setting: Setting) -> None:
    """A TRUNCATE is not passed over, however often it is started, until somebody says that it was dealt with."""
    source = {"connector": "mariadb", "db": "shop", "table": "customers", "file": "log.000001", "ts_ms": 1}

    def event(operation: str, place: int) -> tuple[bytes, bytes]:
        row = None if operation == "t" else {"id": place, "name": "Ann"}
        value = {"op": operation, "before": None, "after": row, "source": {**source, "pos": place}}
        return orjson.dumps({"id": place}), orjson.dumps(value)

    send(setting, event("c", 1), event("t", 2), event("c", 3))
    where = f"{setting.topics.name}[0]@1"
    for _ in range(2):
        with pytest.raises(RowsRemoved, match="removes rows") as caught:
            _ = work(setting, reading=debezium(0))
        assert where in caught.value.next_step
    assert setting.progress().lag_events == 2
    past = replace(setting.settings, past_removals=frozenset({where}))
    _ = work(setting, None, past, reading=debezium(0))
    assert sorted(setting.items()) == ["customer#1", "customer#3"]


def captured(setting: Setting, **how: Any) -> None:
    """All that the source's log holds now is in the topics, or the capture has ended with the reason."""
    end = setting.end_of_log()

    def there() -> bool:
        kept = setting.captured().position
        return bool(kept) and reaches(Position.of_text(kept), end)

    _ = setting.capture(**how).run(there)


def test_a_truncate_stops_the_capture(setting: Setting) -> None:
    """However often it is started, until somebody says that it was dealt with: then what comes behind it arrives."""
    setting.write(
        "INSERT INTO shop.customers VALUES (1, 'Ann'), (2, 'Bert')",
        "TRUNCATE TABLE shop.customers",
        "INSERT INTO shop.customers VALUES (3, 'Cora')",
    )
    with pytest.raises(RowsUntold):
        captured(setting)
    with pytest.raises(RowsUntold, match=r"rows of shop\.customers are gone") as caught:
        captured(setting)
    captured(setting, past_removals=[caught.value.where])
    assert work(setting).counts.set_aside == 0
    items = setting.items()
    assert items.pop("customer#3") == setting.wanted()["customer#3"]
    assert sorted(items) == ["customer#1", "customer#2"]  # for a verify to find: no change tells of them
    captured(setting)  # the name is not needed any more


def test_a_topic_that_forgot_stops_it(setting: Setting) -> None:
    """Messages behind the group's offset were removed by retention: what was in them is not passed over."""
    send_changes(setting, customer_change(1, "Ann", 1))
    _ = work(setting)
    send_changes(setting, *(customer_change(key, "Bert", key) for key in range(2, 6)))
    admin = kafka.library("confluent_kafka.admin").AdminClient(setting.kafka)
    gone = kafka.library().TopicPartition(setting.topics.name, 0, 4)
    for done in admin.delete_records([gone]).values():
        done.result(ARRIVAL_SECONDS)
    with pytest.raises(StreamGap, match="is no longer there") as caught:
        _ = work(setting)
    where = f"{setting.topics.name}[0]@1"
    assert where in caught.value.message
    assert f"--past-gap '{where}'" in caught.value.next_step
    elsewhere = replace(setting.settings, past_gaps=frozenset([f"{setting.topics.name}[0]@0"]))
    with pytest.raises(StreamGap):
        _ = work(setting, settings=elsewhere)
    _ = work(setting, settings=replace(setting.settings, past_gaps=frozenset([where])))
    assert sorted(setting.items()) == ["customer#1", "customer#5"]  # the others are for a verify to find
    assert setting.progress().lag_events == 0


def test_a_worker_without_partitions_ends_too(setting: Setting) -> None:
    """With more workers than partitions, those that get none are quiet as well, and end when asked."""
    send_changes(setting, customer_change(1, "Ann", 1))

    async def play() -> int:
        async with setting.bulk() as bulk:
            letters_only = replace(setting.settings, topics=(setting.settings.dead_letters,))  # one partition
            workers = [Worker(letters_only, setting.destination(), through(bulk), own()) for _ in range(3)]
            async with asyncio.timeout(ARRIVAL_SECONDS):
                counts = await asyncio.gather(*(each.work(quiet_seconds=QUIET_SECONDS) for each in workers))
            return sum(each.messages for each in counts)

    assert asyncio.run(play()) == 0


def test_a_message_beyond_what_is_fetched_at_once_comes(setting: Setting) -> None:
    """Limits keep memory small where a worker has many partitions; a row of some megabytes passes them by itself."""
    large = Change("shop.products", (1,), {"id": 1, "codes": [], "text": "x" * 5_000_000}, Version(0, 1))
    send_changes(setting, large, customer_change(1, "Ann", 2))
    _ = work(setting)
    assert sorted(setting.items()) == ["customer#1", "product#1"]
