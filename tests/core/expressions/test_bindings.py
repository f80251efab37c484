"""Placeholders: how they are named, what they may stand for, and that each is used."""

from __future__ import annotations

from typing import Any

import pytest

from crossfade.core.expressions import ExpressionError, bind, condition, projection, update


def refusal(names: dict[str, str] | None, values: dict[str, Any] | None) -> str:
    with pytest.raises(ExpressionError) as caught:
        _ = bind(names, values)
    return caught.value.message


@pytest.mark.parametrize(
    ("names", "values", "message"),
    [
        ({}, None, "ExpressionAttributeNames must not be empty"),
        (None, {}, "ExpressionAttributeValues must not be empty"),
        ({"a": "b"}, None, 'ExpressionAttributeNames contains invalid key: Syntax error; key: "a"'),
        ({"#a.b": "b"}, None, 'ExpressionAttributeNames contains invalid key: Syntax error; key: "#a.b"'),
        (None, {"#a": {"N": "1"}}, 'ExpressionAttributeValues contains invalid key: Syntax error; key: "#a"'),
        ({"#a": ""}, None, "ExpressionAttributeNames contains invalid value: Empty attribute name for key #a"),
        (
            None,
            {":" + "a" * 255: {"N": "1"}},
            (
                "ExpressionAttributeValues contains invalid key: "
                "The expression attribute map contains a key that is too long;"
            ),
        ),
        (
            None,
            {":v": {"N": "one"}},
            (
                "ExpressionAttributeValues contains invalid value: "
                "A value provided cannot be converted into a number for key :v"
            ),
        ),
        (
            None,
            {":v": {"SS": []}},
            (
                "ExpressionAttributeValues contains invalid value: "
                "One or more parameter values were invalid: An string set  may not be empty for key :v"
            ),
        ),
    ],
)
def test_refused_placeholders(names: dict[str, str] | None, values: dict[str, Any] | None, message: str) -> None:
    """Names and values are checked before any expression is read."""
    assert refusal(names, values) == message


def test_nesting_beyond_the_limit_is_refused() -> None:
    """A value with 32 lists one inside the other is one level too deep."""
    value: dict[str, Any] = {"S": "x"}
    for _ in range(32):
        value = {"L": [value]}
    assert refusal(None, {":v": value}) == "Nesting Levels have exceeded supported limits"


def test_all_expressions_of_a_request_share_their_placeholders() -> None:
    """Whatever any expression used counts as used."""
    bindings = bind({"#a": "a", "#b": "b", "#c": "c"}, {":v": {"N": "1"}, ":w": {"N": "2"}})
    _ = update("SET #a = :v", bindings)
    _ = condition("#b = :w", bindings)
    _ = projection("#c", bindings)
    bindings.finish()


def test_unused_placeholders_are_refused() -> None:
    """Names first, then values, each in order."""
    bindings = bind({"#b": "b", "#a": "a"}, {":v": {"N": "1"}})
    with pytest.raises(ExpressionError) as caught:
        bindings.finish()
    assert caught.value.message == "Value provided in ExpressionAttributeNames unused in expressions: keys: {#a, #b}"
    _ = projection("#a, #b", bindings)
    with pytest.raises(ExpressionError) as caught:
        bindings.finish()
    assert caught.value.message == "Value provided in ExpressionAttributeValues unused in expressions: keys: {:v}"


def test_values_are_taken_in_their_stored_form() -> None:
    """A number sent as 1.50 is stored as 1.5."""
    bindings = bind(None, {":v": {"L": [{"N": "1.50"}, {"NS": ["1E1"]}]}})
    result = update("SET a = :v", bindings).apply({}, ())
    assert result.new == {"a": {"L": [{"N": "1.5"}, {"NS": ["10"]}]}}
