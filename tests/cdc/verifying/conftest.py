"""A migration from MariaDB to the embedded engine for each test, carried without Kafka."""

from __future__ import annotations

import itertools
import uuid
from collections.abc import Iterator

import pytest

from crossfade.local.mariadb import MariaDbServer
from tests.cdc.mysql.conftest import source_of
from tests.cdc.verifying.setting import Migrated
from tests.conftest import Database

SERVER_IDS = itertools.count(800_000)


@pytest.fixture
def migrated(mariadb: MariaDbServer, dynamodb: Database) -> Iterator[Migrated]:
    """Empty tables on both sides, in the stage shadow; the log is carried from the start on."""
    made = Migrated(source_of(mariadb), dynamodb, uuid.uuid4().hex[:8], SERVER_IDS)
    made.create()
    yield made
    made.close()
