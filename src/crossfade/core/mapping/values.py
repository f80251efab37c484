"""Attribute values written down in a migration file, and shown in messages."""

from __future__ import annotations

from decimal import Decimal
from typing import Any, TypeAlias, cast

from crossfade.core.items import VALUE_KINDS, AttributeValue, Item, format_number
from crossfade.errors import MappingInvalid

Plain: TypeAlias = str | int | bool | bytes | Decimal | AttributeValue | None

SHOWN_CHARACTERS = 60


def attribute_value(value: Plain) -> AttributeValue:
    """A plain Python value, or an attribute value as it is. Raises MappingInvalid (always for a float)."""
    given: Any = value  # migration files are not type-checked
    if given is None:
        return {"NULL": True}
    if isinstance(given, bool):
        return {"BOOL": given}
    if isinstance(given, (int, Decimal)):
        return {"N": format_number(Decimal(given))}
    if isinstance(given, str):
        return {"S": given}
    if isinstance(given, bytes):
        return {"B": given}
    if isinstance(given, dict):
        entries = cast("AttributeValue", given)
        if len(entries) == 1 and next(iter(entries)) in VALUE_KINDS:
            return entries
    advice = (
        "numbers are exact here: write an int, a Decimal or {'N': '1.5'}"
        if isinstance(given, float)
        else ("write a str, int, Decimal, bool, bytes or None, or one attribute value such as {'S': 'new'}")
    )
    raise MappingInvalid(f"{given!r} is no attribute value", next_step=advice)


def show_value(value: AttributeValue) -> str:
    """A value for a message: short, with its type where Python's own form does not tell it."""
    kind, held = next(iter(value.items()))
    if kind == "NULL":
        return "null"
    text = str(held) if kind == "N" else repr(held)
    return text if len(text) <= SHOWN_CHARACTERS else f"{text[: SHOWN_CHARACTERS - 3]}..."


def show_key(key: Item) -> str:
    """A key as people read it: `customer='acme' order_id='7'`."""
    return " ".join(f"{name}={show_value(value)}" for name, value in key.items())
