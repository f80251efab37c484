"""The placeholders of one request: what `#name` and `:value` stand for, and which of them were used.

All expressions of a request share one `Bindings`; after the last has been read, `finish` refuses those that none used.
The service reads a request's expressions in this order: UpdateExpression, ConditionExpression; for a query
FilterExpression, ProjectionExpression, KeyConditionExpression.
"""

from __future__ import annotations

import re
from collections.abc import Mapping

from crossfade.core.expressions.errors import ExpressionError, PathStep, invalid_expression
from crossfade.core.expressions.syntax import PathNode, ValueNode
from crossfade.core.items import (
    CONTAINERS_MAX,
    AttributeValue,
    ValidationError,
    container_levels,
    stored_value,
)

PLACEHOLDER_CHARACTERS_MAX = 255  # "Expression attribute names and values ... 255 bytes", the sign included

_NAME = re.compile(r"#[A-Za-z0-9_]+")
_VALUE = re.compile(r":[A-Za-z0-9_]+")
_NAMES = "ExpressionAttributeNames"
_VALUES = "ExpressionAttributeValues"


class Bindings:
    """Made by `bind`. Remembers what was looked up, so it belongs to one request."""

    __slots__ = ("_names", "_unused_names", "_unused_values", "_values", "attributes")

    def __init__(self, names: dict[str, str], values: dict[str, AttributeValue]) -> None:
        self.attributes: set[str] = set()  # those of the root that were named so far
        self._names = names
        self._values = values
        self._unused_names = set(names)
        self._unused_values = set(values)

    def path(self, kind: str, node: PathNode) -> tuple[PathStep, ...]:
        """The document path with every placeholder replaced; ExpressionError if one is not defined."""
        steps = node.steps
        for step in steps:
            if isinstance(step, str) and step[0] == "#":
                steps = tuple(self._step(kind, each) for each in steps)
                break
        self.attributes.add(str(steps[0]))
        return steps

    def _step(self, kind: str, step: PathStep) -> PathStep:
        if isinstance(step, int) or step[0] != "#":
            return step
        if step not in self._names:
            raise invalid_expression(
                kind,
                f"An expression attribute name used in the document path is not defined; attribute name: {step}",
            )
        self._unused_names.discard(step)
        return self._names[step]

    def value(self, kind: str, node: ValueNode) -> AttributeValue:
        """The value, numbers in stored form; ExpressionError if it is not defined. Not to be changed by the caller."""
        found = self._values.get(node.name)
        if found is None:
            raise invalid_expression(
                kind,
                f"An expression attribute value used in expression is not defined; attribute value: {node.name}",
            )
        self._unused_values.discard(node.name)
        return found

    def finish(self) -> None:
        """ExpressionError if a placeholder was given that no expression of the request used."""
        for what, unused in ((_NAMES, self._unused_names), (_VALUES, self._unused_values)):
            if unused:
                raise ExpressionError(
                    f"Value provided in {what} unused in expressions: keys: {{{', '.join(sorted(unused))}}}"
                )


def bind(names: Mapping[str, str] | None, values: Mapping[str, AttributeValue] | None) -> Bindings:
    """The placeholders of a request; ExpressionError if one is misnamed or stands for what cannot be stored."""
    if names is not None:
        _check_keys(_NAMES, names, _NAME)
    checked_values: dict[str, AttributeValue] = {}
    if values is not None:
        _check_keys(_VALUES, values, _VALUE)
        for key, value in values.items():
            checked_values[key] = _checked_value(key, value)
    for key, name in (names or {}).items():
        if not name:
            raise ExpressionError(f"{_NAMES} contains invalid value: Empty attribute name for key {key}")
    return Bindings(dict(names or {}), checked_values)


def _check_keys(what: str, given: Mapping[str, object], form: re.Pattern[str]) -> None:
    if not given:
        raise ExpressionError(f"{what} must not be empty")
    for key in given:
        if form.fullmatch(key) is None:
            raise ExpressionError(f'{what} contains invalid key: Syntax error; key: "{key}"')
        if len(key) > PLACEHOLDER_CHARACTERS_MAX:
            raise ExpressionError(
                f"{what} contains invalid key: The expression attribute map contains a key that is too long;"
            )


def _checked_value(key: str, value: AttributeValue) -> AttributeValue:
    if container_levels(value) > CONTAINERS_MAX:
        raise ExpressionError("Nesting Levels have exceeded supported limits")
    try:
        return stored_value(value)
    except ValidationError as error:
        raise ExpressionError(f"{_VALUES} contains invalid value: {error.message} for key {key}") from None
