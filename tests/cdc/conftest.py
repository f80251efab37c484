"""A real MariaDB for all tests that carry its rows somewhere."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from crossfade.local.errors import JarsUnavailable
from crossfade.local.mariadb import MariaDbServer


@pytest.fixture(scope="session")
def mariadb() -> Iterator[MariaDbServer]:
    """Skips where the server cannot be had."""
    try:
        with MariaDbServer.start() as running:
            yield running
    except JarsUnavailable as error:
        pytest.skip(str(error))
