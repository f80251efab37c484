"""Which exceptions say that a write cannot land any more, and what that is worth: a way back that is not held up."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable
from typing import Any

import pytest
from botocore.config import Config
from botocore.exceptions import ClientError, ReadTimeoutError

from crossfade.core.stages import Stage
from crossfade.errors import ConfigurationError
from crossfade.switch import refused_by_aws
from crossfade.switch.refusals import Refusals
from tests.conftest import Database
from tests.switch.moving import Operator, until
from tests.switch.stores import Down, MemoryShop
from tests.switch.test_switch import switch_of

ITEM = {"id": {"S": "1"}}


def answered(code: str, status: int = 400, attempts: int | None = 0) -> ClientError:
    metadata: dict[str, Any] = {"HTTPStatusCode": status}
    if attempts is not None:
        metadata["RetryAttempts"] = attempts
    response: Any = {"Error": {"Code": code, "Message": "no"}, "ResponseMetadata": metadata}
    return ClientError(response, "PutItem")


def raised(call: Callable[[], object]) -> Exception:
    try:
        _ = call()
    except Exception as error:  # noqa: BLE001 - it is looked at
        return error
    raise AssertionError("it was not refused")


def test_what_a_real_client_raises_is_told(dynamodb: Database) -> None:
    """A table that is not there, a value that cannot be one, a request that botocore does not even send."""
    client = dynamodb.client(Config(retries={"total_max_attempts": 1, "mode": "standard"}))
    for call in (
        lambda: client.put_item(TableName="no-such-table", Item=ITEM),
        lambda: client.get_item(TableName="no", Key=ITEM),
        lambda: client.put_item(TableName="no-such-table"),
    ):
        assert refused_by_aws(raised(call))


@pytest.mark.parametrize(
    ("error", "is_refusal"),
    [
        (answered("ConditionalCheckFailedException"), True),
        (answered("AccessDeniedException", 403), True),
        (answered("ProvisionedThroughputExceededException"), True),
        (answered("ProvisionedThroughputExceededException", attempts=3), False),
        (answered("TransactionInProgressException"), False),
        (answered("InternalServerError", 500), False),
        (answered("ServiceUnavailable", 503), False),
        (answered("ValidationException", attempts=None), False),
        (ClientError({"Error": {"Code": "Stubbed", "Message": ""}}, "PutItem"), False),
        (ReadTimeoutError(endpoint_url="https://nowhere"), False),
        (Down("no"), False),
    ],
)
def test_only_an_answer_to_the_only_attempt_is_one(error: Exception, is_refusal: bool) -> None:
    """Behind a later attempt an earlier one may lie, and a transaction under way is not refused."""
    assert refused_by_aws(error) is is_refusal


def test_types_and_functions_may_be_declared_together() -> None:
    """A function is asked for exceptions alone; one that fails has said nothing, and that is told."""
    notes: list[tuple[str, dict[str, Any]]] = []

    def fails(error: Exception) -> bool:
        raise RuntimeError(f"what is {error}?")

    def note(name: str, facts: dict[str, Any]) -> None:
        notes.append((name, facts))

    found = Refusals((fails, KeyError, lambda error: "gone" in str(error)), note)
    assert KeyError("a") in found
    assert Down("gone") in found
    assert Down("timeout") not in found
    assert asyncio.CancelledError("gone") not in found
    assert notes[0] == ("refusals_failed", {"error": "RuntimeError: what is 'a'?"})
    assert len(notes) == 3


async def later(_: Exception) -> bool:
    return True


@pytest.mark.parametrize("wrong", [MemoryShop, "NoSuchOrder", later])
def test_what_can_tell_nothing_is_refused_at_once(wrong: Any) -> None:
    """A class of something else, a name, a coroutine function, whose answer would always be true."""
    with pytest.raises(ConfigurationError, match="neither a type of exceptions nor a function"):
        _ = Refusals((wrong,))


def test_a_new_repository_that_refuses_every_write_holds_no_way_back_up(operator: Operator) -> None:
    """Each call is refused: the rollback from `live` goes through long before anything could have landed."""
    old, new = MemoryShop(), MemoryShop()
    switch = switch_of(operator, old, new, refusals=(refused_by_aws,), landing_seconds=30.0)
    operator.start(switch, Stage.LIVE)

    def refuse(_key: str) -> None:
        raise answered("AccessDeniedException")

    with switch:
        switch.append("a", "x")
        new.before_write = refuse
        for key in ("a", "b", "c"):
            with pytest.raises(ClientError, match="AccessDenied"):
                switch.append(key, "y")
        began = time.monotonic()
        _ = operator.walk(Stage.SHADOW)
        assert time.monotonic() - began < 10
        until(lambda: switch.stage is Stage.SHADOW)
        switch.append("b", "z")
        assert (old.read("a"), old.read("b")) == ((1, ("x",), None), (1, ("z",), None))
        until(lambda: not operator.repairs(), 5)
