"""Kafka's client, in memory: one topic of one partition, its consumer group, and the topic of dead letters.

Partitions are taken and given in `poll` alone, as by the real client, on the worker's thread of Kafka's.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Generator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from types import SimpleNamespace
from typing import Any, Final
from unittest.mock import patch

from confluent_kafka import KafkaError, KafkaException, TopicPartition

from crossfade.cdc import kafka
from crossfade.cdc.etl.membership import Membership
from tests.faults.freeze.clock import Killed, Process
from tests.faults.freeze.mishaps import COMMIT, POLL, Mishap
from tests.faults.freeze.wire import Wire

TOPIC: Final = "shop"
LOOK_SECONDS: Final = 0.005
DEAD_SECONDS: Final = 0.01  # of the clock on the wall, until a thread sees that its process was killed


@dataclass(frozen=True, slots=True)
class Message:
    given_key: bytes | None
    given_value: bytes | None
    at: int
    failure: Any = None

    def topic(self) -> str:
        return TOPIC

    def partition(self) -> int:
        return 0

    def offset(self) -> int:
        return self.at

    def key(self) -> bytes | None:
        return self.given_key

    def value(self) -> bytes | None:
        return self.given_value

    def headers(self) -> None:
        """None: its capture tells no term."""

    def timestamp(self) -> tuple[int, int]:
        return 1, 1

    def error(self) -> Any:
        return self.failure


@dataclass
class Broker:
    """`watch` is called with each offset that is kept. `taken`: what happens to the partitions at the next poll."""

    wire: Wire
    messages: list[Message] = field(default_factory=list[Message])
    letters: list[bytes] = field(default_factory=list[bytes])
    kept: TopicPartition | None = None
    taken: str = ""
    watch: Callable[[int], None] = lambda _offset: None

    @property
    def offset(self) -> int:
        return -1 if self.kept is None else self.kept.offset

    def consumer(self, _settings: Any, _group: str) -> Consumer:
        process = self.wire.clock.process
        assert process is not None
        return Consumer(self, process)

    def producer(self, _settings: Any) -> Producer:
        return Producer(self)

    def admin(self, _settings: Any) -> Any:
        topics = {TOPIC: None, f"{TOPIC}.dead": None}

        def list_topics(timeout: float) -> Any:  # noqa: ARG001
            return SimpleNamespace(topics=topics)

        return SimpleNamespace(list_topics=list_topics)

    @contextmanager
    def connected(self) -> Generator[None]:
        """Within it whoever asks for a client of Kafka's gets one of this broker."""
        whole = Membership._wait  # pyright: ignore[reportPrivateUsage]

        async def waited(self: Membership, places: Any) -> None:
            loop: Any = self._loop  # pyright: ignore[reportPrivateUsage]
            loop.waiting.busy -= 1  # the thread waits for the loop
            try:
                await whole(self, places)
            finally:
                loop.waiting.busy += 1

        with ExitStack() as stack:
            for name in ("consumer", "producer", "admin"):
                _ = stack.enter_context(patch.object(kafka, name, getattr(self, name)))
            _ = stack.enter_context(patch.object(Membership, "_wait", waited))
            yield


class Consumer:
    """Of one member; who asks for another is handed the partition when the one before is gone."""

    def __init__(self, broker: Broker, process: Process) -> None:
        self._broker = broker
        self._process = process
        self._next: int | None = None  # None: it has no partition
        self._paused = False
        self._handlers: dict[str, Callable[[Any, list[Any]], None]] = {}

    def subscribe(self, _topics: list[str], **handlers: Callable[[Any, list[Any]], None]) -> None:
        self._handlers = handlers

    def assignment(self) -> list[TopicPartition]:
        return [TopicPartition(TOPIC, 0)]

    def pause(self, _partitions: Any) -> None:
        self._paused = True

    def resume(self, _partitions: Any) -> None:
        self._paused = False

    def incremental_assign(self, partitions: list[TopicPartition]) -> None:
        self._next = max(0, partitions[0].offset)

    def committed(self, partitions: list[TopicPartition], timeout: float) -> list[TopicPartition]:  # noqa: ARG002
        kept = self._broker.kept
        return [TopicPartition(TOPIC, 0, -1001) if kept is None else kept for _ in partitions]

    def list_topics(self, topic: str, timeout: float) -> Any:  # noqa: ARG002
        return SimpleNamespace(topics={topic: SimpleNamespace(error=None, partitions={0: None})})

    def get_watermark_offsets(self, _partition: Any, timeout: float) -> tuple[int, int]:  # noqa: ARG002
        return 0, len(self._broker.messages)

    def poll(self, seconds: float) -> Message | None:
        left = seconds
        while True:
            self._rebalance()
            message = self._message()
            if message is not None or left <= 0:
                return message
            self._wait(LOOK_SECONDS)
            left -= LOOK_SECONDS

    def _message(self) -> Message | None:
        messages = self._broker.messages
        if self._next is None or self._paused or self._next >= len(messages):
            return None
        mishap, _ = self._meet(POLL, lambda: None)
        if mishap is not None and mishap.ends == "raise":
            error = KafkaError(getattr(KafkaError, mishap.error))
            return Message(None, str(error).encode(), self._next, error)  # as librdkafka hands over one of a partition
        self._next += 1
        return messages[self._next - 1]

    def _rebalance(self) -> None:
        taken, self._broker.taken = self._broker.taken, ""
        places = [TopicPartition(TOPIC, 0)]
        if taken and self._next is not None:
            self._next = None
            self._handlers["on_lost" if "lost" in taken else "on_revoke"](self, places)
        elif self._next is None:
            self._handlers["on_assign"](self, places)

    def commit(self, offsets: list[TopicPartition], asynchronous: bool) -> list[TopicPartition]:  # noqa: ARG002
        def keep() -> None:
            self._broker.kept = offsets[0]
            self._broker.watch(offsets[0].offset)

        mishap, _ = self._meet(COMMIT, keep)
        if mishap is not None and mishap.ends == "raise":
            raise KafkaException(KafkaError(getattr(KafkaError, mishap.error)))
        return offsets

    def close(self) -> None:
        if self._next is not None:
            self._next = None
            self._handlers["on_revoke"](self, [TopicPartition(TOPIC, 0)])

    def _meet(self, step: str, do: Callable[[], Any]) -> tuple[Mishap | None, Any]:
        if self._process.dead:
            raise Killed
        mishap, answer = self._broker.wire.meet(step, {}, do)
        if mishap is not None and mishap.ends == "kill":
            self._process.dead = True
            _ = self._process.loop.call_soon_threadsafe(self._process.loop.stop)
            raise Killed
        return mishap, answer

    def _wait(self, seconds: float) -> None:
        """Until so much time has passed for the loop."""
        loop, passed = self._process.loop, threading.Event()

        def ended() -> None:
            loop.waiting.busy += 1
            passed.set()

        def begun() -> None:
            loop.waiting.busy -= 1
            _ = loop.call_later(seconds, ended)

        if self._process.dead:
            raise Killed
        _ = loop.call_soon_threadsafe(begun)
        while not passed.wait(DEAD_SECONDS):
            if self._process.dead:
                raise Killed


class Producer:
    """Of dead letters."""

    def __init__(self, broker: Broker) -> None:
        self._broker = broker
        self._delivered: list[Callable[[Any, Any], None]] = []

    def produce(self, _topic: str, value: bytes, _key: bytes, **how: Any) -> None:
        self._broker.letters.append(value)
        self._delivered.append(how["on_delivery"])

    def flush(self, _seconds: float) -> int:
        while self._delivered:
            self._delivered.pop()(None, None)
        return 0
