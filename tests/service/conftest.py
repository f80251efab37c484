"""A service before the engine of the run, and a table of its own for each test."""

from __future__ import annotations

import uuid
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any, Final

import pytest
from botocore.config import Config
from botocore.exceptions import ClientError

from tests.conftest import Database, new_botocore_session
from tests.service import Clock, FakeService

ONCE: Final = Config(retries={"total_max_attempts": 1}, parameter_validation=False)
TABLES: Final = "arn:aws:dynamodb:us-east-1:123456789012:table/"


@dataclass
class Bench:
    """A service, whose clock stands still, and a table with a partition key `pk`, a sort key `sk` and an index."""

    service: FakeService
    direct: Any  # a client of the engine itself
    table: str
    _clients: list[Any] = field(default_factory=list[Any])

    @property
    def arn(self) -> str:
        return f"{TABLES}{self.table}"

    def client(self, role: str = "crossfade", *, config: Config = ONCE) -> Any:
        made = new_botocore_session().create_client("dynamodb", config=config, **self.service.client_options(role))
        self._clients.append(made)
        return made

    def streams(self, role: str = "crossfade") -> Any:
        return new_botocore_session().create_client("dynamodbstreams", config=ONCE, **self.service.client_options(role))

    def close(self) -> None:
        for client in self._clients:
            client.close()
        self.service.stop()
        self.direct.delete_table(TableName=self.table)


def key(pk: str, sk: str = "1") -> dict[str, Any]:
    return {"pk": {"S": pk}, "sk": {"S": sk}}


def refused(call: Any, **request: Any) -> dict[str, Any]:
    """Return the parsed error of a call, as a client has it."""
    with pytest.raises(ClientError) as caught:
        call(**request)
    error: Any = caught.value
    response: dict[str, Any] = error.response
    return response


def make_bench(dynamodb: Database) -> Bench:
    name = f"service-{uuid.uuid4().hex[:8]}"
    direct = dynamodb.client()
    direct.create_table(
        TableName=name,
        BillingMode="PAY_PER_REQUEST",
        AttributeDefinitions=[{"AttributeName": each, "AttributeType": "S"} for each in ("pk", "sk", "colour")],
        KeySchema=[{"AttributeName": "pk", "KeyType": "HASH"}, {"AttributeName": "sk", "KeyType": "RANGE"}],
        GlobalSecondaryIndexes=[
            {
                "IndexName": "by-colour",
                "KeySchema": [{"AttributeName": "colour", "KeyType": "HASH"}],
                "Projection": {"ProjectionType": "ALL"},
            }
        ],
        StreamSpecification={"StreamEnabled": True, "StreamViewType": "NEW_AND_OLD_IMAGES"},
    )
    clock = Clock(still_at=2_000_000_000.0)
    return Bench(FakeService.start(dynamodb.endpoint_url, seed=7, clock=clock), direct, name)


@pytest.fixture
def bench(dynamodb: Database) -> Iterator[Bench]:
    made = make_bench(dynamodb)
    yield made
    made.close()
