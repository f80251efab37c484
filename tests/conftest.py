"""What every test may use: one embedded engine for the whole run, or for each worker of it."""

from __future__ import annotations

import math
import os
import signal
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any, Final

import botocore.loaders
import botocore.session
import pytest
from botocore.config import Config

from crossfade import attaching
from crossfade.aws import member
from crossfade.control.telling import PLAIN, VARIABLE
from crossfade.local import ClientOptions, LocalEngine

pytest_plugins = ["tests.crashes", "tests.lacking"]

# Tests look for keys in what is told; that none is told unasked is a test of its own (tests/control/test_telling.py).
os.environ.update({VARIABLE: os.environ.get(VARIABLE, PLAIN)})

# A shell starts what it puts into the background with Ctrl-C ignored, and the processes that tests start inherit that.
_ = signal.signal(signal.SIGINT, signal.default_int_handler)


# It keeps the service's model, which takes longer to read than most tests take.
_loaders: Any = botocore.loaders
_LOADER: Final[Any] = _loaders.create_loader()


def new_botocore_session() -> Any:
    """A session of botocore with events of its own."""
    session: Any = botocore.session.Session()
    session.register_component("data_loader", _LOADER)
    return session


def client_for(server: LocalEngine, config: Config | None = None) -> Any:
    """A low-level client of `server`, from a session of its own."""
    return new_botocore_session().create_client("dynamodb", config=config, **server.client_options())


@dataclass(frozen=True, slots=True)
class Database:
    """The engine of this test run; tests tell their tables apart by name."""

    server: LocalEngine

    @property
    def endpoint_url(self) -> str:
        return self.server.endpoint_url

    def client_options(self) -> ClientOptions:
        """Keyword arguments for a client of boto3 or botocore."""
        return self.server.client_options()

    def client(self, config: Config | None = None) -> Any:
        """A low-level botocore client from a session of its own, so no test sees another's event handlers."""
        return client_for(self.server, config)


@pytest.fixture(scope="session")
def dynamodb() -> Iterator[Database]:
    """A running engine: `.endpoint_url`, `.client_options()` and `.client()`."""
    with LocalEngine.start() as server:
        yield Database(server)


@pytest.fixture(autouse=True)
def _rights_are_not_tried(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> None:
    """Half a second after it has joined, a client tries what a later stage will ask of its rights, with requests that
    other tests would count as the application's."""
    if request.path.name != "test_rights.py":
        monkeypatch.setattr(member, "RIGHTS_AFTER_SECONDS", math.inf)


def _told_to_nobody(*_arguments: object) -> None:
    """Look for nothing, and say nothing."""


@pytest.fixture(autouse=True)
def _clients_beside_are_not_told(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> None:
    """A test has clients of its own beside the attached ones; looking for them takes longer than most tests do."""
    if request.path.name != "test_beside.py":
        monkeypatch.setattr(attaching, "tell_of_clients_beside", _told_to_nobody)
