"""Topics that others fill: what their messages lose, and whether a mark on the source comes round through them."""

from __future__ import annotations

import time
from collections.abc import Iterator, Mapping
from typing import Any, Final

from crossfade.cdc import kafka
from crossfade.cdc.changes import Change, ChangeUnreadable
from crossfade.cdc.checking.messages import MessageExamination
from crossfade.cdc.connecting import KafkaSettings
from crossfade.cdc.etl.reading import debezium, dms
from crossfade.cdc.inputs import NoChange
from crossfade.cdc.kafka import KafkaFailed
from crossfade.cdc.migration import RowMigration
from crossfade.cdc.mysql.schema import SourceTable
from crossfade.cdc.mysql.source import Connection
from crossfade.cdc.mysql.watermarks import Watermarks
from crossfade.cdc.running.vouching import ConnectOffsets
from crossfade.cdc.topics import Debezium, Kafka, Theirs
from crossfade.check.report import Finding
from crossfade.control.streams import LAG_SECONDS_MAX
from crossfade.drivers.unique import unique

MESSAGES_MAX: Final = 200  # of a partition, the last ones
ROUND_SECONDS_MAX: Final = 20.0  # for a mark to come round: beyond, no freeze would wait for it
POLL_SECONDS: Final = 0.2
GROUP: Final = "crossfade-check"  # of no offsets
CONFIG: Final[kafka.Settings] = {"enable.partition.eof": True}


def theirs_findings(
    migration: RowMigration, brokers: KafkaSettings, connection: Connection, tables: Mapping[str, SourceTable]
) -> Iterator[Finding]:
    """What is to be mended where others capture the log; nothing for topics of our own."""
    declared = migration.topics
    if declared is None or isinstance(declared, Kafka):
        return
    consumer = kafka.consumer({**brokers, **CONFIG}, GROUP)
    try:
        there = consumer.list_topics(timeout=kafka.ANSWER_SECONDS).topics
        names = [name for name in migration.topic_names if name in there]
        places = [(name, number) for name in names for number in sorted(there[name].partitions)]
        yield from _sampled(migration, declared, consumer, places, connection, tables)
        yield from _round(migration, declared, brokers, consumer, places, connection)
    except (kafka.library().KafkaException, KafkaFailed) as error:
        yield Finding("error", "kafka", f"the topics cannot be read: {error}")
    finally:
        consumer.close()


def _sampled(
    migration: RowMigration,
    declared: Theirs,
    consumer: Any,
    places: list[tuple[str, int]],
    connection: Connection,
    tables: Mapping[str, SourceTable],
) -> Iterator[Finding]:
    """The last messages of each partition."""
    examination = MessageExamination(migration, declared, connection, tables, dict(_counts(places)))
    place_class = kafka.library().TopicPartition
    begins: list[Any] = []
    for name, number in places:
        low, high = kafka.bounds(consumer, place_class(name, number))
        begins.append(place_class(name, number, max(low, high - MESSAGES_MAX)))
        if low:
            yield Finding(
                "warning",
                "messages-gone",
                f"{name}[{number}] has lost its first {low:,} messages (retention), so perhaps rows",
                next_step="where they are not in the target yet, let the capture read the rows anew; keep messages for"
                " longer (retention.ms)",
            )
    consumer.assign(begins)
    left = set(places)
    until = time.monotonic() + kafka.ANSWER_SECONDS
    while left and time.monotonic() < until:
        for message in consumer.consume(MESSAGES_MAX, POLL_SECONDS):
            if message.error() is None:
                examination.examine(message)
            elif message.error().code() == kafka.library().KafkaError._PARTITION_EOF:
                left.discard((message.topic(), message.partition()))
            else:
                raise KafkaFailed(str(message.error()))
    yield from examination.findings()


def _counts(places: list[tuple[str, int]]) -> Iterator[tuple[str, int]]:
    for name in {name for name, _ in places}:
        yield name, sum(each == name for each, _ in places)


# --- a mark that is sent round


def _round(
    migration: RowMigration,
    declared: Theirs,
    brokers: KafkaSettings,
    consumer: Any,
    places: list[tuple[str, int]],
    connection: Connection,
) -> Iterator[Finding]:
    """Whether it comes back, where the consumer has read to the end; and whether it is vouched for."""
    marks = Watermarks(migration.marks_schema)
    if not places:
        return
    began = time.monotonic()
    came = _come_round(migration, declared, consumer, connection)
    if came is None:
        yield Finding(
            "error",
            "mark",
            f"a mark that was written to {marks.name} has not come through {declared.shown} within"
            f" {ROUND_SECONDS_MAX:g} s",
            next_step=f"let the capture follow {marks.name} (Debezium: table.include.list; AWS DMS: a selection rule),"
            " see that it runs, and check again",
        )
        return
    seconds = time.monotonic() - began
    yield Finding("info", "mark", f"a mark on the source came round through {declared.shown} in {seconds:.1f} s")
    if isinstance(declared, Debezium) and declared.offsets:
        yield from _vouched(declared, brokers, came, marks, connection)


def _come_round(migration: RowMigration, declared: Theirs, consumer: Any, connection: Connection) -> Change | None:
    marks, token = Watermarks(migration.marks_schema), unique(24)
    only = (marks.name,)
    reading = debezium(0, only) if isinstance(declared, Debezium) else dms(0, {marks.name: ("name",)}, only)
    marks.commit(connection, GROUP, token)
    until = time.monotonic() + ROUND_SECONDS_MAX
    while time.monotonic() < until:
        for message in consumer.consume(MESSAGES_MAX, POLL_SECONDS):
            if message.error() is not None:
                continue
            try:
                told = reading(message.key(), message.value(), offset=message.offset())
            except ChangeUnreadable:
                continue  # told with the others
            for each in [] if isinstance(told, NoChange) else told:
                if each.row is not None and each.row.get("mark") == token:
                    return each
    return None


def _vouched(
    declared: Debezium, brokers: KafkaSettings, came: Change, marks: Watermarks, connection: Connection
) -> Iterator[Finding]:
    """Whether what Kafka Connect keeps goes beyond the mark, once another one is behind it."""
    offsets = ConnectOffsets(brokers, declared)
    until = time.monotonic() + LAG_SECONDS_MAX
    try:
        kept = offsets.kept()
        while (kept is None or kept <= came.version.position) and time.monotonic() < until:
            marks.commit(connection, GROUP, unique(24))
            time.sleep(POLL_SECONDS)
            kept = offsets.kept()
    finally:
        offsets.close()
    if kept is None:
        yield Finding(
            "error",
            "connect-offsets",
            f"the topic {declared.offsets} keeps nothing of a connector whose topic.prefix is {declared.prefix}",
            next_step="offsets= is Kafka Connect's offset.storage.topic",
        )
    elif kept <= came.version.position:
        several = offsets.connectors if len(offsets.connectors) > 1 else []
        gone = f"; it keeps {', '.join(several)}, of which those that are gone have to be removed" if several else ""
        yield Finding(
            "error",
            "connect-offsets",
            f"Kafka Connect keeps how far it is less often than every {LAG_SECONDS_MAX:g} s: no gate would open{gone}",
            next_step="offset.flush.interval.ms=1000 in the settings of its workers",
        )
