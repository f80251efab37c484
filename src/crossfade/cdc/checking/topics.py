"""The topics of a migration of rows, as Kafka tells of them."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from crossfade.cdc import kafka
from crossfade.cdc.connecting import KafkaSettings
from crossfade.cdc.kafka import KafkaFailed
from crossfade.cdc.migration import RowMigration
from crossfade.cdc.topics import AnyTopics, Kafka
from crossfade.check.report import Finding


def topic_findings(migration: RowMigration, brokers: KafkaSettings) -> Iterator[Finding]:
    """Which topics there are, with how many partitions."""
    declared = migration.topics
    assert declared is not None  # noqa: S101 - there are brokers for them
    admin = kafka.admin(brokers)
    try:
        there: dict[str, Any] = admin.list_topics(timeout=kafka.ANSWER_SECONDS).topics
    except kafka.library().KafkaException as error:
        failed: KafkaFailed = kafka.failed("Kafka cannot be asked for its topics", error)
        step = "look at CROSSFADE_KAFKA_BOOTSTRAP and CROSSFADE_KAFKA_CONFIG"
        yield Finding("error", "kafka", failed.message, next_step=step)
        return
    for name in (*migration.topic_names, declared.dead_letters):
        if name not in there:
            yield missing(declared, name)
            continue
        count = len(there[name].partitions)
        yield Finding("info", "topic", f"topic {name}: {shared_by(count)}")
        policy = policy_of(admin, name)
        if "compact" in policy:
            yield Finding(
                "error",
                "topic-compacted",
                f"topic {name} is compacted (cleanup.policy={policy}): of a row only its last change would stay, and"
                " that is not the whole of it",
                next_step=f"kafka-configs.sh --alter --entity-type topics --entity-name {name}"
                " --add-config cleanup.policy=delete",
            )


def shared_by(partitions: int) -> str:
    """Return how many workers may share the work of so many partitions, in words."""
    if partitions == 1:
        return "1 partition, so 1 worker does its work"
    return f"{partitions} partitions, so up to {partitions} workers share its work"


def policy_of(admin: Any, topic: str) -> str:
    """The topic's cleanup.policy; "" where this account may not ask."""
    resource = kafka.library("confluent_kafka.admin").ConfigResource("topic", topic)
    try:
        config: dict[str, Any] = admin.describe_configs([resource])[resource].result(kafka.ANSWER_SECONDS)
    except kafka.library().KafkaException:
        return ""
    return str(config["cleanup.policy"].value)


def missing(declared: AnyTopics, name: str) -> Finding:
    """A topic that there is not."""
    if name != declared.dead_letters and not isinstance(declared, Kafka):
        return Finding(
            "error",
            "topic",
            f"topic {name}: there is none, so nothing fills it",
            next_step="let the capture follow this table; a topic comes with its first message, so create that of an"
            " empty table",
        )
    count = declared.partitions if isinstance(declared, Kafka) and name != declared.dead_letters else 1
    what = "1 partition" if count == 1 else f"{count} partitions"
    return Finding("info", "topic", f"topic {name}: there is none yet; backfill makes it, with {what}")
