"""What every test may use: one DynamoDB Local for the whole run."""

from __future__ import annotations

import signal
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import botocore.session
import pytest
from botocore.config import Config

from crossfade.local import ClientOptions, DynamoDBLocal

# A shell starts what it puts into the background with Ctrl-C ignored, and the processes that tests start inherit that.
_ = signal.signal(signal.SIGINT, signal.default_int_handler)


def client_for(server: DynamoDBLocal, config: Config | None = None) -> Any:
    """A low-level client of `server`, from a session of its own."""
    session: Any = botocore.session.Session()
    return session.create_client("dynamodb", config=config, **server.client_options())


@dataclass(frozen=True, slots=True)
class Database:
    """The DynamoDB Local of this test run; tests tell their tables apart by name."""

    server: DynamoDBLocal

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
    """A running DynamoDB Local: `.endpoint_url`, `.client_options()` and `.client()`."""
    with DynamoDBLocal.start() as server:
        yield Database(server)
