"""One MariaDB for all tests of this folder, or the server that CROSSFADE_TEST_MYSQL_URL names; each test its schema."""

from __future__ import annotations

import itertools
import os
from collections.abc import Iterator

import pytest

from crossfade.cdc.mysql.source import Connection, Source
from crossfade.local.mariadb import MariaDbServer

URL_VARIABLE = "CROSSFADE_TEST_MYSQL_URL"  # not the one of the commands: a schema is dropped here
SERVER_IDS = itertools.count(1000 + os.getpid() % 1000 * 1000)


def source_of(server: MariaDbServer) -> Source:
    return Source(server.host, server.port, server.user, server.password)


@pytest.fixture(scope="session")
def server() -> Iterator[Source]:
    """A source whose log is as crossfade wants it, and an account that may do everything."""
    url = os.environ.get(URL_VARIABLE)
    if url:
        yield Source.of_url(url)
        return
    with MariaDbServer.start() as running:
        yield source_of(running)


@pytest.fixture
def connection(server: Source) -> Iterator[Connection]:
    """A connection that is in the test's own, empty schema."""
    with server.connect() as opened:
        for statement in ("DROP DATABASE IF EXISTS shop", "CREATE DATABASE shop", "USE shop"):
            _ = opened.rows(statement)
        yield opened


@pytest.fixture
def server_id() -> int:
    """A number that no other replica of the source has."""
    return next(SERVER_IDS)
