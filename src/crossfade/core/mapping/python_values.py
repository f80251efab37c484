"""Attribute values as Python has them, for functions that would rather not write DynamoDB JSON.

    S      str            L    list          SS   set of str
    N      Decimal        M    dict          NS   set of Decimal
    B      bytes          NULL None          BS   set of bytes
    BOOL   bool

As boto3's TypeDeserializer gives them, except that a binary value is plain `bytes`. A number comes in the one form in
which DynamoDB gives it back: so a function sees the same value whether the caller or the table tells it. On the way
back an int is a number too, a tuple a list, a frozenset a set. Whatever else has no exact counterpart, a float above
all, is a ValueError.
"""

from __future__ import annotations

from decimal import Decimal
from typing import Any, Final, cast

from crossfade.core.items import AttributeValue, format_number, stored_number

_SETS: Final = {"S": "SS", "N": "NS", "B": "BS"}


def python_value(value: AttributeValue) -> Any:
    """Return the value in Python's types, in containers of its own."""
    ((kind, held),) = value.items()
    match kind:
        case "N":
            return Decimal(stored_number(held))
        case "B":
            return bytes(held)
        case "NULL":
            return None
        case "L":
            return [python_value(each) for each in held]
        case "M":
            return {name: python_value(each) for name, each in held.items()}
        case "SS":
            return set(held)
        case "NS":
            return {Decimal(stored_number(each)) for each in held}
        case "BS":
            return {bytes(each) for each in held}
        case _:
            return held


def exact_value(value: Any) -> AttributeValue:
    """Return the attribute value that is this value. Raises ValueError for one that has none; ValidationError for a
    number that DynamoDB would not take."""
    kind = cast("type[object]", type(value))  # by exact type: an Enum is to say itself what it should become
    if kind is str:
        return {"S": value}
    if value is None:
        return {"NULL": True}
    if kind is bool:
        return {"BOOL": value}
    if kind is int or (kind is Decimal and value.is_finite()):
        return {"N": format_number(Decimal(value))}
    if kind is bytes or kind is bytearray:
        return {"B": bytes(value)}
    if kind is list or kind is tuple:
        return {"L": [exact_value(each) for each in value]}
    if kind is dict:
        return {"M": {_name(name): exact_value(each) for name, each in value.items()}}
    if kind is set or kind is frozenset:
        return _exact_set([exact_value(each) for each in value])
    if kind is float:
        raise ValueError(f"{value!r} is a float, and 1.1 as a float is another number: give a Decimal or an int")
    raise ValueError(f"{value!r} of type {kind.__name__} is no value that DynamoDB has")


def _name(name: object) -> str:
    if type(name) is not str:
        raise ValueError(f"{name!r} cannot be a name in a map: only a str can")
    return name


def _exact_set(members: list[AttributeValue]) -> AttributeValue:
    kinds = {kind for member in members for kind in member}
    if not kinds:
        raise ValueError("DynamoDB has no empty set")
    kind = kinds.pop()
    if kinds or kind not in _SETS:
        raise ValueError("a set holds texts, numbers or binary values, all of one type")
    return {_SETS[kind]: sorted(member[kind] for member in members)}
