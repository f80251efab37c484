"""A caller's request as JSON, made by us where it is plain: that pays for what else is done to a call.

Before it serialises a request, botocore checks it against its model, value by value: a sixth of what a PutItem costs,
and for nothing where a stage sends another request in its place. So botocore is given a `placeholder` to check, and
finds the JSON of the whole request in the call's context afterwards. What botocore might refuse, or write in another
way than we, it is given as it is: `serialized` takes only what it knows to be right.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any, Final

import orjson

from crossfade.core.effects import Request
from crossfade.core.write.fast_path import FAST_PARAMETERS

ASIDE: Final = "crossfade:aside"  # in a call's context: its parameters, where botocore was given a placeholder
IS_TEXT: Final = "crossfade:is_text"  # there if no value in the parameters is binary
TEXT_PARAMETERS: Final = frozenset({"TableName", "ConditionExpression", "UpdateExpression"})
MAPS_OF_VALUES: Final = frozenset({"Key", "Item", "ExpressionAttributeValues"})
REQUIRED_MAPS: Final = {"GetItem": "Key", "PutItem": "Item", "UpdateItem": "Key", "DeleteItem": "Key"}
WAITING_MAX: Final = 10_000  # most of them are of calls that botocore gave up on before it asked us
NESTING_MAX: Final = 8  # of lists and maps in a value; what is deeper is left to botocore


def serialized(operation: str, request: Request) -> bytes | None:
    """Return the JSON of a request on one item; None where botocore might refuse it or would write it otherwise."""
    if not {"TableName", REQUIRED_MAPS[operation]} <= request.keys() <= FAST_PARAMETERS[operation]:
        return None
    for name, value in request.items():
        shape = type(value)  # pyright: ignore[reportUnknownVariableType]
        if name in TEXT_PARAMETERS:
            valid = shape is str and value != ""
        elif name in MAPS_OF_VALUES:
            valid = shape is dict and are_values(value.values())
        elif name == "ExpressionAttributeNames":
            valid = shape is dict and are_texts(value.values())
        else:
            valid = name == "ConsistentRead" and shape is bool
        if not valid:
            return None
    try:
        return orjson.dumps(request)
    except TypeError:
        return None  # half a surrogate, or a key that is no text


def are_texts(texts: Iterable[Any]) -> bool:
    return all(type(text) is str for text in texts)


def are_values(values: Iterable[Any], depth: int = 0) -> bool:
    """True if each is an attribute value in its plainest form, without bytes."""
    for value in values:
        shape = type(value)  # pyright: ignore[reportUnknownVariableType]
        if shape is not dict or len(value) != 1:
            return False
        for kind, inner in value.items():
            if kind == "S" or kind == "N":
                if type(inner) is not str:
                    return False
            elif not is_value(kind, inner, depth):
                return False
    return True


def is_value(kind: Any, inner: Any, depth: int) -> bool:
    shape = type(inner)  # pyright: ignore[reportUnknownVariableType]
    if kind in ("BOOL", "NULL"):
        return shape is bool
    if kind in ("SS", "NS"):
        return shape is list and are_texts(inner)
    if depth >= NESTING_MAX:
        return False
    if kind == "M":
        return shape is dict and are_values(inner.values(), depth + 1)
    return kind == "L" and shape is list and are_values(inner, depth + 1)


class SetAside:
    """The parameters of calls that botocore looks at a placeholder of, until each has its own back."""

    def __init__(self) -> None:
        self._waiting: dict[int, Parameters] = {}

    def __bool__(self) -> bool:
        """Whether a call waits for its parameters."""
        return bool(self._waiting)

    def take(self, operation: str, given: Request, context: dict[str, Any]) -> Request:
        """Return the parameters of a call. Where they are plain enough, `given` is a placeholder from now on."""
        body = serialized(operation, given)
        if body is None:
            return given
        parameters = dict(given)
        aside = context[ASIDE] = Parameters(given, parameters, body)
        if len(self._waiting) >= WAITING_MAX:
            self._waiting.clear()
        self._waiting[id(aside)] = aside
        given.clear()
        given.update(placeholder(operation, parameters))
        return parameters

    def put_back(self, request: dict[str, Any], context: dict[str, Any]) -> None:
        """Make `request` what botocore would have made of the parameters, and give them back to whoever gave them."""
        aside: Parameters = context.pop(ASIDE)
        request["body"], context[IS_TEXT] = aside.body, True
        aside.given.update(aside.parameters)  # the placeholder's are among them
        _ = self._waiting.pop(id(aside), None)


class Parameters:
    """In the context of a call: what it was given, and the JSON of it."""

    __slots__ = ("body", "given", "parameters")

    def __init__(self, given: Request, parameters: Request, body: bytes) -> None:
        self.given = given
        self.parameters = parameters
        self.body = body


def placeholder(operation: str, request: Request) -> Request:
    """Return what botocore accepts in place of a request, and resolves to the same endpoint."""
    return {"TableName": request["TableName"], REQUIRED_MAPS[operation]: {}}
