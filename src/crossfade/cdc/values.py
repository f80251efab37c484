"""What a mapping function returns, as an item: plain Python values become DynamoDB's attribute values.

    None                 no attribute (in a list or an object: NULL)
    bool                 BOOL
    int, Decimal         N, exact; more than 38 digits are refused, never rounded
    float                N, by the shortest text that gives the same float
    str, bytes           S, B
    date                 S, 2026-11-29
    datetime             S, 2026-11-29T16:00:00.000000; in UTC with Z behind it where it has a zone
    timedelta            S, -12:00:00.000000 (MySQL's TIME goes from -838 to 838 hours)
    set, frozenset       SS, NS or BS; an empty one is no attribute, since DynamoDB has none
    list, tuple, dict    L, M

Texts of times have a fixed width, so they sort as the times do (a TIME below zero apart).
"""

from __future__ import annotations

import datetime
import math
from collections.abc import Callable, Mapping, Sequence
from collections.abc import Set as AbstractSet
from decimal import Decimal
from typing import Any, Final, cast

from crossfade.core.items import DIGITS_MAX, AttributeValue, Item, ValidationError, format_number
from crossfade.errors import MappingError

NULL: Final[AttributeValue] = {"NULL": True}
INTEGERS: Final = 10**DIGITS_MAX  # below, each is as DynamoDB writes it
SET_KINDS: Final = {"S": "SS", "N": "NS", "B": "BS"}


def item_of(attributes: Mapping[str, Any]) -> Item:
    """The item. Raises MappingError with the attribute's name."""
    item: Item = {}
    for name, value in attributes.items():
        if type(value) is str:  # most of them
            item[name] = {"S": value}
            continue
        try:
            stored = attribute_of(value)
        except (ValueError, TypeError, ValidationError) as error:
            raise MappingError(f"attribute {name!r}: {value!r} cannot be stored: {error}") from None
        if stored is not None:
            item[name] = stored
    return item


def attribute_of(value: Any) -> AttributeValue | None:
    """One value; None where there is to be no attribute. Raises ValueError, TypeError or ValidationError."""
    if value is None:
        return None
    scalar = SCALARS.get(cast("type[object]", type(value)))
    if scalar is not None:
        kind, form = scalar
        return {kind: form(value)}
    if isinstance(value, AbstractSet):
        return _set_of(cast("AbstractSet[object]", value))
    if isinstance(value, Mapping):
        return {"M": {name: _nested(entry) for name, entry in cast("Mapping[str, object]", value).items()}}
    if isinstance(value, (list, tuple)):
        return {"L": [_nested(entry) for entry in cast("Sequence[object]", value)]}
    raise TypeError(f"a {type(value).__name__} is no value that DynamoDB has")


def text_of_datetime(moment: datetime.datetime) -> str:
    """Always with microseconds, and in UTC where it has a zone: so texts sort as moments do."""
    if moment.tzinfo is None:
        return moment.isoformat(timespec="microseconds")
    in_utc = moment.astimezone(datetime.UTC).replace(tzinfo=None)
    return f"{in_utc.isoformat(timespec='microseconds')}Z"


def text_of_time(time: datetime.timedelta) -> str:
    """Hours, minutes, seconds and microseconds."""
    microseconds = time // datetime.timedelta(microseconds=1)
    seconds, fraction = divmod(abs(microseconds), 1_000_000)
    minutes, second = divmod(seconds, 60)
    hour, minute = divmod(minutes, 60)
    return f"{'-' if microseconds < 0 else ''}{hour:02}:{minute:02}:{second:02}.{fraction:06}"


def _number_of_int(value: int) -> str:
    return str(value) if -INTEGERS < value < INTEGERS else format_number(Decimal(value))


def _number_of_float(value: float) -> str:
    if not math.isfinite(value):
        raise ValueError("DynamoDB has finite numbers only")
    return format_number(Decimal(repr(value)))


def _nested(value: Any) -> AttributeValue:
    found = attribute_of(value)
    if found is None:
        if value is None:
            return NULL
        raise ValueError("DynamoDB has no empty set")
    return found


def _set_of(values: AbstractSet[object]) -> AttributeValue | None:
    members = [attribute_of(value) or NULL for value in values]
    kinds = {next(iter(member)) for member in members}
    if not kinds:
        return None
    if len(kinds) > 1 or not kinds <= SET_KINDS.keys():
        raise TypeError("a set holds texts, numbers or binary values, all of one type")
    kind = kinds.pop()
    return {SET_KINDS[kind]: sorted(member[kind] for member in members)}


# By exact type: an Enum or another subclass is to say itself what it should become.
SCALARS: Final[dict[type, tuple[str, Callable[[Any], Any]]]] = {
    bool: ("BOOL", bool),
    str: ("S", str),
    int: ("N", _number_of_int),
    Decimal: ("N", format_number),
    float: ("N", _number_of_float),
    bytes: ("B", bytes),
    bytearray: ("B", bytes),
    datetime.datetime: ("S", text_of_datetime),
    datetime.date: ("S", datetime.date.isoformat),
    datetime.timedelta: ("S", text_of_time),
}
