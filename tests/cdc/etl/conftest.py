"""A real Kafka for all tests of this folder, and what each test has of it, of MariaDB and of the embedded engine."""

from __future__ import annotations

import itertools
import uuid
from collections.abc import Iterator

import pytest

from crossfade.local.errors import JarsUnavailable
from crossfade.local.kafka import KafkaServer
from crossfade.local.mariadb import MariaDbServer
from tests.cdc.etl.setting import Setting
from tests.cdc.mysql.conftest import source_of
from tests.conftest import Database

SERVER_IDS = itertools.count(700_000)


@pytest.fixture(scope="session")
def kafka() -> Iterator[KafkaServer]:
    """Skips where the server's jars cannot be had."""
    try:
        with KafkaServer.start() as running:
            yield running
    except JarsUnavailable as error:
        pytest.skip(str(error))


@pytest.fixture
def setting(kafka: KafkaServer, mariadb: MariaDbServer, dynamodb: Database) -> Iterator[Setting]:
    """Empty tables on both sides, topics and a group of the test's own."""
    made = Setting(kafka, source_of(mariadb), dynamodb, uuid.uuid4().hex[:8], SERVER_IDS)
    made.create()
    yield made
    made.close()
