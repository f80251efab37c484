"""What the service says and the embedded engine does not show, and what expressions could not hold."""

from __future__ import annotations

from typing import Any

import pytest

from crossfade.core.evaluate.plain_table import evaluate
from crossfade.core.expressions import bind, key_condition
from crossfade.core.items import Item
from crossfade.core.key_names import KeyNames
from crossfade.core.request.legacy import modern, reworded
from crossfade.errors import ServiceRejected

KEY: Item = {"pk": {"S": "p"}}


def refusal(operation: str, **request: Any) -> str:
    with pytest.raises(ServiceRejected) as refused:
        _ = modern(operation, request, KeyNames(("pk",), ("sk",)))
    assert refused.value.code == "ValidationException"
    return refused.value.text


def test_a_request_without_legacy_parameters_is_the_same_object() -> None:
    """Nothing is copied or checked, whatever the operation."""
    for operation in ("PutItem", "Query", "TransactWriteItems", "CreateTable"):
        request = {"TableName": "t", "ConditionExpression": "a = :a"}
        assert modern(operation, request) is request
    batch: Any = {"RequestItems": {"t": {"Keys": [KEY], "ProjectionExpression": "a"}}}
    assert modern("BatchGetItem", batch) is batch


def test_the_request_given_is_not_changed() -> None:
    """The caller's own dictionary keeps its legacy parameters."""
    request: Any = {"Key": KEY, "AttributeUpdates": {"a": {"Value": {"N": "1.0"}}}, "ReturnValues": "ALL_NEW"}
    before = repr(request)
    changed = modern("UpdateItem", request)
    assert repr(request) == before
    assert changed == {
        "Key": KEY,
        "ReturnValues": "ALL_NEW",
        "UpdateExpression": "SET #xfl0 = :xfl0",
        "ExpressionAttributeNames": {"#xfl0": "a"},
        "ExpressionAttributeValues": {":xfl0": {"N": "1"}},
    }


@pytest.mark.parametrize(
    ("operation", "request_", "text"),
    [
        (
            "UpdateItem",
            {"AttributeUpdates": {}, "Expected": {}, "UpdateExpression": "", "ConditionExpression": ""},
            "{AttributeUpdates, Expected} Expression parameters: {UpdateExpression, ConditionExpression}",
        ),
        (
            "Query",
            {"AttributesToGet": ["a"], "KeyConditions": {}, "FilterExpression": "a = a"},
            "{AttributesToGet} Expression parameters: {FilterExpression}",
        ),
        (
            "Query",
            {"KeyConditions": {}, "KeyConditionExpression": "a = a"},
            "{KeyConditions} Expression parameters: {KeyConditionExpression}",
        ),
        (
            "Scan",
            {"ScanFilter": {}, "ConditionalOperator": "OR", "ProjectionExpression": "a"},
            "{ScanFilter, ConditionalOperator} Expression parameters: {ProjectionExpression}",
        ),
        (
            "BatchGetItem",
            {"RequestItems": {"t": {"Keys": [KEY], "AttributesToGet": ["a"], "ProjectionExpression": "a"}}},
            "{AttributesToGet} Expression parameters: {ProjectionExpression}",
        ),
    ],
)
def test_both_forms_in_one_request_are_refused(operation: str, request_: dict[str, Any], text: str) -> None:
    """The message names the parameters of both forms in DynamoDB's order."""
    wanted = (
        "Can not use both expression and non-expression parameters in the same request: Non-expression parameters: "
    )
    assert refusal(operation, **request_) == wanted + text


def test_placeholders_without_an_expression_are_refused() -> None:
    """Names and values belong to expressions; a projection holds no values."""
    no_names = "ExpressionAttributeNames can only be specified when using expressions"
    no_values = "ExpressionAttributeValues can only be specified when using expressions: "
    values = {":a": {"S": "a"}}
    assert refusal("GetItem", AttributesToGet=["a"], ExpressionAttributeNames={"#a": "a"}) == no_names
    assert (
        refusal("PutItem", Expected={}, ExpressionAttributeValues=values) == no_values + "ConditionExpression is null"
    )
    text = no_values + "UpdateExpression and ConditionExpression are null"
    assert refusal("UpdateItem", AttributeUpdates={}, ExpressionAttributeValues=values) == text
    text = no_values + "FilterExpression and KeyConditionExpression are null"
    given = {"KeyConditions": {}, "ProjectionExpression": "a", "ExpressionAttributeValues": values}
    assert refusal("Query", **given) == text
    text = no_values + "FilterExpression is null"
    assert refusal("Scan", ScanFilter={}, ExpressionAttributeValues=values) == text


def test_words_that_the_service_does_not_know_come_before_anything_else() -> None:
    """An operator, an action or a ConditionalOperator outside its list is reported with the list."""
    found = refusal("Scan", ScanFilter={"a": {"ComparisonOperator": "LIKE"}, "b": {"ComparisonOperator": "EQ"}})
    assert found == (
        "1 validation error detected: Value 'LIKE' at 'scanFilter.a.member.comparisonOperator' failed to satisfy "
        "constraint: Member must satisfy enum value set: [IN, NULL, BETWEEN, LT, NOT_CONTAINS, EQ, GT, NOT_NULL, NE, "
        "LE, BEGINS_WITH, GE, CONTAINS]"
    )
    found = refusal("UpdateItem", Key=KEY, AttributeUpdates={"a": {"Action": "put", "Value": {"S": "a"}}})
    assert found.endswith("at 'attributeUpdates.a.member.action' failed to satisfy constraint: "
                          "Member must satisfy enum value set: [ADD, DELETE, PUT]")  # fmt: skip
    assert "'XOR' at 'conditionalOperator'" in refusal("PutItem", ConditionalOperator="XOR")


def test_names_to_get_are_given_once() -> None:
    """A name given twice, or none at all, is refused in the service's words before the filter is looked at."""
    duplicate = "One or more parameter values were invalid: Duplicate value in attribute name: a"
    assert refusal("GetItem", Key=KEY, AttributesToGet=["b", "a", "a"]) == duplicate
    assert refusal("Scan", ScanFilter={"a": {"ComparisonOperator": "EQ"}}, AttributesToGet=["a", "a"]) == duplicate
    assert refusal("BatchGetItem", Keys=[KEY], AttributesToGet=["a", "a"]) == duplicate
    assert "Value '[]' at 'attributesToGet'" in refusal("GetItem", Key=KEY, AttributesToGet=[])


@pytest.mark.parametrize("operator", ["NE", "IN", "CONTAINS", "NOT_CONTAINS", "NULL", "NOT_NULL"])
def test_a_sort_key_condition_that_no_index_can_follow(operator: str) -> None:
    """The service has one message for all of these; the engine words it by the operator."""
    conditions: dict[str, Any] = {
        "pk": {"ComparisonOperator": "EQ", "AttributeValueList": [{"S": "p"}]},
        "sk": {"ComparisonOperator": operator, "AttributeValueList": [{"S": "s"}] if "NULL" not in operator else []},
    }
    text = "Attempted conditional constraint is not an indexable operation"
    assert refusal("Query", KeyConditions=conditions) == text


@pytest.mark.parametrize(
    ("conditions", "text"),
    [
        ({"sk": "LE"}, "Query condition missed key schema element: pk"),
        ({"pk": "LE", "a": "LE"}, "Query key condition not supported"),
        ({"pk": "EQ", "a": "EQ"}, "Query condition missed key schema element: sk"),
    ],
)
def test_keys_that_are_known_later(conditions: dict[str, str], text: str) -> None:
    """Without the names of the keys the translation leaves to its reader what only they can tell; the words are one."""
    given = {
        name: {"ComparisonOperator": operator, "AttributeValueList": [{"S": "x"}]}
        for name, operator in conditions.items()
    }
    assert refusal("Query", KeyConditions=given) == text
    asked = modern("Query", {"KeyConditions": given})
    bindings = bind(asked["ExpressionAttributeNames"], asked["ExpressionAttributeValues"])
    with pytest.raises(ServiceRejected) as refused:
        _ = key_condition(asked["KeyConditionExpression"], bindings, key_names=KeyNames(("pk",), ("sk",)))
    assert refused.value.text == text


def test_a_query_may_have_key_conditions_beside_expressions() -> None:
    """The expressions and their placeholders stay, and are checked before the key conditions."""
    conditions = {"pk": {"ComparisonOperator": "EQ", "AttributeValueList": [{"S": "p"}]}}
    given: dict[str, Any] = {
        "FilterExpression": "#a = :a",
        "ExpressionAttributeNames": {"#a": "a"},
        "ExpressionAttributeValues": {":a": {"S": "x"}},
    }
    assert modern("Query", {"KeyConditions": conditions, **given}) == {
        "FilterExpression": "#a = :a",
        "KeyConditionExpression": "#xfl0 = :xfl0",
        "ExpressionAttributeNames": {"#a": "a", "#xfl0": "pk"},
        "ExpressionAttributeValues": {":a": {"S": "x"}, ":xfl0": {"S": "p"}},
    }
    conditions["pk"]["AttributeValueList"] = []
    found = refusal("Query", KeyConditions=conditions, **{**given, "FilterExpression": "#b = :a"})
    assert "attribute name: #b" in found
    found = refusal("Query", KeyConditions=conditions, **{**given, "FilterExpression": "attribute_exists(#a)"})
    assert "unused in expressions: keys: {:a}" in found


def test_more_than_an_expression_may_hold() -> None:
    """Hundreds of attributes updated and expected, thousands of characters: the legacy form has no such limits."""
    names = [f"attribute{number}" for number in range(400)]
    request: Any = {
        "Key": KEY,
        "AttributeUpdates": {name: {"Action": "ADD", "Value": {"L": [{"S": "x"}]}} for name in names},
        "Expected": {name: {"Exists": False} for name in names},
        "ReturnValues": "ALL_NEW",
    }
    found = evaluate("UpdateItem", modern("UpdateItem", request), None, ("pk",))
    assert found.image == KEY | {name: {"L": [{"S": "x"}]} for name in names}
    values = [{"N": str(number)} for number in range(250)]
    one_of = {"n": {"ComparisonOperator": "IN", "AttributeValueList": values}}
    for number, holds in ((0, True), (249, True), (250, False)):
        request = modern("DeleteItem", {"Key": KEY, "Expected": one_of})
        before = KEY | {"n": {"N": str(number)}}
        if holds:
            assert evaluate("DeleteItem", request, before, ("pk",)).image is None
        else:
            with pytest.raises(ServiceRejected, match="The conditional request failed"):
                _ = evaluate("DeleteItem", request, before, ("pk",))


def test_a_servers_words_for_the_translation_become_those_for_the_legacy_form() -> None:
    """Only an update has other words, and only one with AttributeUpdates."""
    said = ServiceRejected("ValidationException", "An operand in the update expression has an incorrect data type")
    assert reworded("UpdateItem", {"AttributeUpdates": {}}, said).text == "Type mismatch for attribute to update"
    assert reworded("UpdateItem", {"UpdateExpression": ""}, said) is said
    other = ServiceRejected("ConditionalCheckFailedException", "The conditional request failed")
    assert reworded("UpdateItem", {"AttributeUpdates": {}}, other) is other


def test_an_update_that_only_removes_makes_no_item() -> None:
    """ "DELETE: nothing happens; there is no attribute to delete" (the guide, of a key that does not exist)."""
    updates = {"a": {"Action": "DELETE"}, "b": {"Action": "DELETE", "Value": {"SS": ["x"]}}}
    request = modern("UpdateItem", {"Key": KEY, "AttributeUpdates": updates})
    assert evaluate("UpdateItem", request, None, ("pk",)).image is None
