"""Kafka's client at arm's length: the one module that knows its settings, and what its errors mean to us."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping, Sequence
from importlib import import_module
from typing import Any, Final, TypeVar

from crossfade.errors import ConfigurationError, CrossfadeError

T = TypeVar("T")

ANSWER_SECONDS: Final = 30.0  # of a broker that is asked for metadata or offsets
AGAIN_SECONDS: Final = 0.2  # until one that has just come is asked again
MESSAGE_BYTES_MAX: Final = 10_000_000  # a row before and after a change; what makes an item of 400 KB is far below
BUFFER_MESSAGES_MAX: Final = 50_000  # sent and not acknowledged: half a second's work of a fast source
BUFFER_KILOBYTES_MAX: Final = 64 * 1024
DELIVERY_SECONDS: Final = 120.0  # for which a broker may be away before delivery is an error
# Of one partition, fetched and not looked at: a worker may have hundreds. A fetch may go beyond by its own size, and by
# one message that is larger, which comes whatever the limits are.
PREFETCH_MESSAGES: Final = 2_000  # four times what is handed over at once
PREFETCH_KILOBYTES_MAX: Final = 2 * 1024
FETCH_BYTES_MAX: Final = 512 * 1024
FETCH_AGAIN_MS: Final = 50  # where there is enough: so many messages are applied in less than the client's own second

Settings = Mapping[str, Any]  # librdkafka's own, "bootstrap.servers" and what logs in

PRODUCER: Final[Settings] = {
    "enable.idempotence": True,  # and with it acks=all: nothing twice within a session, nothing out of order
    "linger.ms": 5,
    "compression.type": "lz4",
    "partitioner": "murmur2_random",  # the Java clients': a topic that both write is partitioned one way
    "message.max.bytes": MESSAGE_BYTES_MAX,
    "queue.buffering.max.messages": BUFFER_MESSAGES_MAX,
    "queue.buffering.max.kbytes": BUFFER_KILOBYTES_MAX,
    "delivery.timeout.ms": int(DELIVERY_SECONDS * 1000),
}
CONSUMER: Final[Settings] = {
    "enable.auto.commit": False,
    "enable.auto.offset.store": False,
    "auto.offset.reset": "error",  # what was to be read next and is gone may not be passed over
    "partition.assignment.strategy": "cooperative-sticky",
    "queued.min.messages": PREFETCH_MESSAGES,
    "queued.max.messages.kbytes": PREFETCH_KILOBYTES_MAX,
    "fetch.message.max.bytes": FETCH_BYTES_MAX,
    "fetch.queue.backoff.ms": FETCH_AGAIN_MS,
}

# Of a broker that is away or has just come, by the client's names.
AWAY: Final = (
    "_TRANSPORT",
    "_ALL_BROKERS_DOWN",
    "_TIMED_OUT",
    "_TIMED_OUT_QUEUE",
    "_RESOLVE",
    "_WAIT_COORD",
    "REQUEST_TIMED_OUT",
    "NETWORK_EXCEPTION",
    "COORDINATOR_LOAD_IN_PROGRESS",
    "COORDINATOR_NOT_AVAILABLE",
    "NOT_COORDINATOR",
    "LEADER_NOT_AVAILABLE",
)


class KafkaFailed(CrossfadeError):
    """Kafka refused, or did not deliver, what was asked of it. `retryable`: its brokers may only be away."""

    def __init__(self, message: str, *, next_step: str = "", retryable: bool = False) -> None:
        super().__init__(message, next_step=next_step)
        self.retryable = retryable


def library(module: str = "confluent_kafka") -> Any:
    """The client library, or a module of it. Raises ConfigurationError."""
    try:
        return import_module(module)
    except ImportError as error:
        raise ConfigurationError(f"{module} is not installed", next_step="pip install 'crossfade[kafka]'") from error


def producer(settings: Settings) -> Any:
    return _made(library().Producer, {**PRODUCER, **settings})


def consumer(settings: Settings, group: str) -> Any:
    return _made(library().Consumer, {**CONSUMER, **settings, "group.id": group})


def admin(settings: Settings) -> Any:
    return _made(library("confluent_kafka.admin").AdminClient, dict(settings))


def _made(kind: Callable[[dict[str, Any]], T], settings: dict[str, Any]) -> T:
    """Raises ConfigurationError for settings that the client does not take; what they are is not told."""
    try:
        return kind(settings)
    except (library().KafkaException, TypeError, ValueError) as error:
        raise ConfigurationError(
            f"Kafka's client does not take its settings: {error}",
            next_step="look at CROSSFADE_KAFKA_CONFIG and CROSSFADE_KAFKA_BOOTSTRAP",
        ) from None


def create_topics(
    settings: Settings, names: Sequence[str], *, partitions: int, replication: int = -1, retention_seconds: int = -1
) -> None:
    """Create those that are missing, never compacted: a change is not the whole of its row's. Raises KafkaFailed.

    -1: as the broker is set, and kept for ever.
    """
    admin_library, errors = library("confluent_kafka.admin"), library().KafkaError
    config = {
        "cleanup.policy": "delete",
        "max.message.bytes": str(MESSAGE_BYTES_MAX),
        "retention.ms": str(retention_seconds * 1000 if retention_seconds >= 0 else -1),
    }
    wanted = [admin_library.NewTopic(name, partitions, replication, config=config) for name in names]
    client = admin(settings)  # kept, or it is gone with what it was asked
    for name, made in client.create_topics(wanted).items():
        try:
            made.result(ANSWER_SECONDS)
        except library().KafkaException as error:
            if error.args[0].code() != errors.TOPIC_ALREADY_EXISTS:
                raise failed(f"topic {name} could not be created", error) from error


def patiently(call: Callable[[], T]) -> T:
    """What a broker answers, asked again for a while where it is away or has just come. Raises KafkaException."""
    until = time.monotonic() + ANSWER_SECONDS
    while True:
        try:
            return call()
        except library().KafkaException as error:
            if not is_passing(error.args[0]) or time.monotonic() >= until:
                raise
        time.sleep(AGAIN_SECONDS)


def committed(client: Any, partitions: Sequence[Any]) -> Any:
    """The group's offsets of these, with what it keeps beside them. Raises KafkaException."""
    return patiently(lambda: client.committed(partitions, timeout=ANSWER_SECONDS)) if partitions else []


def bounds(client: Any, partition: Any) -> tuple[int, int]:
    """The first offset that there is, and the one that the next message gets. Raises KafkaException."""
    low, high = patiently(lambda: client.get_watermark_offsets(partition, timeout=ANSWER_SECONDS))
    return low, high


def partitions_of(client: Any, topic: str) -> list[int]:
    """The numbers of its partitions, of a producer's or a consumer's client. Raises KafkaFailed."""
    try:
        found = client.list_topics(topic, timeout=ANSWER_SECONDS).topics[topic]
    except library().KafkaException as error:
        raise failed(f"topic {topic} cannot be asked for", error) from error
    if found.error is not None:
        raise KafkaFailed(
            f"topic {topic}: {found.error}",
            next_step="create it, or allow this account to read it",
            retryable=is_passing(found.error),
        )
    return sorted(found.partitions)


def failed(what: str, error: Any) -> KafkaFailed:
    """Our error for one of Kafka's: an exception of its client, or an error that it handed over."""
    told = error.args[0] if isinstance(error, Exception) and error.args else error
    return KafkaFailed(f"{what}: {told}", retryable=is_passing(told))


def is_passing(error: Any) -> bool:
    """True if the same may succeed once a broker is back."""
    codes = library().KafkaError
    if not isinstance(error, codes):
        return False
    return error.retriable() or error.code() in {getattr(codes, name) for name in AWAY}
