"""Requests that are serialised by us because another one is sent: as valid, and the same, as botocore would have it."""

from __future__ import annotations

import json
from typing import Any, Final

import pytest
from botocore.exceptions import ParamValidationError
from hypothesis import given
from hypothesis import strategies as st

from crossfade.aws.serializing import REQUIRED_MAPS, placeholder, serialized
from crossfade.core.stages import DUAL_WRITE, Stage
from tests.aws.conftest import World, new_session

CLIENT: Any = new_session().client(
    "dynamodb",
    region_name="eu-west-1",
    endpoint_url="http://127.0.0.1:1",
    aws_access_key_id="key",
    aws_secret_access_key="secret",  # noqa: S106
)
TEXT = st.text(max_size=3) | st.just("\ud800")
ODD: st.SearchStrategy[Any] = st.sampled_from([None, 1, 1.5, True, b"x", "x", "", [], {}, ["x"], {"S": "x"}, ("x",)])


def tagged(kind: str, inner: Any) -> dict[str, Any]:
    return {kind: inner}


def tags(kinds: str, inner: st.SearchStrategy[Any]) -> st.SearchStrategy[Any]:
    """Values of these kinds."""
    return st.builds(tagged, st.sampled_from(kinds.split()), inner)


def nested(inner: st.SearchStrategy[Any]) -> st.SearchStrategy[Any]:
    return tags("L", st.lists(inner, max_size=2)) | tags("M", st.dictionaries(TEXT, inner, max_size=2))


VALUE: st.SearchStrategy[Any] = st.recursive(
    tags("S", TEXT)
    | tags("N", st.integers().map(str))
    | tags("BOOL NULL", st.booleans())
    | tags("SS NS BS", st.lists(TEXT, max_size=2))
    | tags("S N B M L SS NULL X", ODD)
    | ODD,
    nested,
    max_leaves=4,
)
VALUES = st.dictionaries(TEXT, VALUE, max_size=3) | ODD
REQUEST: st.SearchStrategy[dict[str, Any]] = st.fixed_dictionaries(
    {},
    optional={
        "TableName": st.just("orders") | ODD,
        "Key": VALUES,
        "Item": VALUES,
        "ConsistentRead": st.booleans() | ODD,
        "ConditionExpression": TEXT | ODD,
        "UpdateExpression": TEXT | ODD,
        "ExpressionAttributeNames": st.dictionaries(TEXT, TEXT, max_size=2) | ODD,
        "ExpressionAttributeValues": VALUES,
        "ReturnValues": TEXT,
    },
)


def botocores_body(operation: str, request: dict[str, Any]) -> bytes:
    """Check and serialise a request. Raises ParamValidationError."""
    model = CLIENT.meta.service_model.operation_model(operation)
    body: bytes = CLIENT._serializer.serialize_to_request(request, model)["body"]
    return body


@given(st.sampled_from(sorted(REQUIRED_MAPS)), REQUEST)
def test_what_we_serialise_botocore_accepts_and_writes_alike(operation: str, request: dict[str, Any]) -> None:
    """Whatever it might refuse, or write otherwise, is left to it."""
    body = serialized(operation, request)
    if body is not None:
        assert json.loads(body) == json.loads(botocores_body(operation, request))
        _ = botocores_body(operation, placeholder(operation, request))


@pytest.mark.parametrize("operation", sorted(REQUIRED_MAPS))
def test_an_ordinary_request_is_serialised_by_us(operation: str) -> None:
    item = {"pk": {"S": "p"}, "n": {"N": "1"}, "m": {"M": {"l": {"L": [{"NULL": True}, {"SS": ["a"]}]}}}}
    assert serialized(operation, {"TableName": "orders", REQUIRED_MAPS[operation]: item}) is not None


PLAIN: Final = {  # the stages in which such requests need no routine, and the way there
    Stage.OFF: [],
    Stage.COMPLETE: [stage for stage in DUAL_WRITE if stage is not Stage.OFF],
}


def attached(world: World, stage: Stage) -> Any:
    """Return a client that has written once in this stage."""
    client = world.boto3_client()
    _ = world.attach(client)
    world.walk(*PLAIN[stage])
    client.put_item(TableName=world.migration.source.name, Item={**world.key("c", "0"), "n": {"N": "0"}})
    return client


@pytest.mark.parametrize("stage", PLAIN)
def test_what_the_caller_gave_is_as_it_was(world: World, stage: Stage) -> None:
    """Some libraries call _make_api_call with a dict that they look at afterwards."""
    client = attached(world, stage)
    seen: list[dict[str, Any]] = []

    def look(params: dict[str, Any], **_: Any) -> None:
        seen.append(dict(params))

    client.meta.events.register("before-endpoint-resolution.dynamodb", look)
    given_item = {**world.key("c", "1"), "n": {"N": "1"}}
    request = {"TableName": world.migration.source.name, "Item": given_item}
    client._make_api_call("PutItem", request)
    assert seen == [{"TableName": world.migration.source.name, "Item": {}}]  # it was a placeholder for a while
    assert request == {"TableName": world.migration.source.name, "Item": given_item}
    stored = world.source_item("c", "1") if stage is Stage.OFF else world.target_item("c", "1")
    assert stored is not None
    assert stored["n"] == {"N": "1"}


@pytest.mark.parametrize("stage", PLAIN)
def test_what_is_not_plain_is_left_to_botocore(world: World, stage: Stage) -> None:
    """A wrong type is refused by botocore's own check, before anything is sent."""
    client = attached(world, stage)
    with pytest.raises(ParamValidationError, match=r"Item\.n\.N"):
        client.put_item(TableName=world.migration.source.name, Item={**world.key("c", "1"), "n": {"N": 1}})


def test_a_call_that_is_overtaken_by_the_detach_has_its_request_back(world: World) -> None:
    """Between the two events the migration goes; the request goes out whole, and no handler of ours stays behind."""
    client = world.boto3_client()
    before = handlers_of(client)
    router = world.attach(client)
    world.walk(*[stage for stage in DUAL_WRITE if stage is not Stage.OFF])
    client.put_item(TableName=world.migration.source.name, Item={**world.key("c", "0"), "n": {"N": "0"}})
    seen: list[dict[str, Any]] = []

    def overtake(params: dict[str, Any], **_: Any) -> None:
        seen.append(dict(params))
        assert router.detach()  # for which it sends a request itself

    client.meta.events.register("before-endpoint-resolution.dynamodb", overtake)
    client.put_item(TableName=world.migration.source.name, Item={**world.key("c", "1"), "n": {"N": "1"}})
    client.meta.events.unregister("before-endpoint-resolution.dynamodb", overtake)
    assert seen[0] == {"TableName": world.migration.source.name, "Item": {}}
    stored = world.source_item("c", "1")
    assert stored is not None
    assert stored["n"] == {"N": "1"}
    assert handlers_of(client) == before


def handlers_of(client: Any) -> list[object]:
    return list(client.meta.events._emitter._handlers.prefix_search("before-call.dynamodb.PutItem"))
