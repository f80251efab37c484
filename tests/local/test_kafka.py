"""A real Kafka: up, killed, up again with what it had, and gone with us."""

from __future__ import annotations

import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any, Final

import pytest

from crossfade.local.kafka import KafkaServer, confluent_kafka
from crossfade.local.watched import listens
from tests.local.processes import gone_soon

ANSWER_SECONDS: Final = 60.0


@pytest.fixture(scope="module")
def kafka() -> Iterator[KafkaServer]:
    with KafkaServer.start() as server:
        yield server


def produce(kafka: KafkaServer, topic: str, *values: bytes) -> None:
    producer: Any = confluent_kafka().Producer({"bootstrap.servers": kafka.bootstrap_servers, "log_level": 0})
    for value in values:
        producer.produce(topic, value)
    assert producer.flush(ANSWER_SECONDS) == 0


def consume(kafka: KafkaServer, topic: str, count: int) -> list[bytes]:
    """So many messages, by a consumer of the new group protocol."""
    consumer: Any = confluent_kafka().Consumer(
        {
            "bootstrap.servers": kafka.bootstrap_servers,
            "group.id": topic,
            "group.protocol": "consumer",
            "auto.offset.reset": "earliest",
        }
    )
    consumer.subscribe([topic])
    found: list[bytes] = []
    until = time.monotonic() + ANSWER_SECONDS
    while len(found) < count and time.monotonic() < until:
        found += [message.value() for message in consumer.consume(count, 0.5) if message.error() is None]
    consumer.close()
    return found


def test_what_was_written_is_there_after_a_crash(kafka: KafkaServer) -> None:
    """A broker that was killed comes back on its port with its messages, and its process is another one."""
    produce(kafka, "crash", b"one", b"two")
    address, process_id = kafka.bootstrap_servers, kafka.process_id
    kafka.kill()
    assert gone_soon(process_id)
    kafka.restart()
    assert kafka.bootstrap_servers == address
    assert kafka.process_id != process_id
    produce(kafka, "crash", b"three")
    assert consume(kafka, "crash", 3) == [b"one", b"two", b"three"]


OWNER: Final = """
import sys, time
from pathlib import Path
from crossfade.local.kafka import KafkaServer
server = KafkaServer.start()
print(server.process_id, server.folder, server.bootstrap_servers, flush=True)
time.sleep(600)
"""


@pytest.mark.usefixtures("kafka")
def test_it_goes_when_we_are_killed() -> None:
    """A broker whose owner was killed by SIGKILL ends, frees its port and takes its folder along."""
    owner = subprocess.Popen([sys.executable, "-c", OWNER], stdout=subprocess.PIPE, text=True)
    assert owner.stdout
    with owner.stdout:
        process_id, folder, address = owner.stdout.readline().split()
    assert Path(folder).is_dir()
    port = int(address.rpartition(":")[2])
    assert listens(port)
    owner.send_signal(signal.SIGKILL)
    _ = owner.wait(ANSWER_SECONDS)
    assert gone_soon(int(process_id))
    assert not listens(port)
    until = time.monotonic() + ANSWER_SECONDS
    while Path(folder).exists() and time.monotonic() < until:
        time.sleep(0.05)
    assert not Path(folder).exists()
