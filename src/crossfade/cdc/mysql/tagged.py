"""Values of a primary key as JSON and back, for a checkpoint."""

from __future__ import annotations

import datetime
from collections.abc import Callable
from decimal import Decimal
from typing import Any, Final

from crossfade.cdc.changes import ChangeUnreadable, Value

MICROSECOND: Final = datetime.timedelta(microseconds=1)


def tagged(value: Value) -> Any:
    """What JSON has as it is; everything else as an object of one tag."""
    if value is None or isinstance(value, bool | int | str):
        return value
    if isinstance(value, float):
        return {"float": value.hex()}
    if isinstance(value, bytes):
        return {"bytes": value.hex()}
    if isinstance(value, Decimal):
        return {"decimal": str(value)}
    if isinstance(value, datetime.datetime):
        return {"datetime": value.isoformat()}
    if isinstance(value, datetime.date):
        return {"date": value.isoformat()}
    if isinstance(value, datetime.timedelta):
        return {"microseconds": value // MICROSECOND}
    if isinstance(value, frozenset):
        return {"set": sorted(value)}
    raise ChangeUnreadable(f"{value!r} is no value of a primary key")


def untagged(value: Any) -> Value:
    """The value that `tagged` made it of. Raises ChangeUnreadable."""
    if value is None or isinstance(value, bool | int | str):
        return value
    try:
        ((tag, inside),) = value.items()
        return _READERS[tag](inside)
    except (AttributeError, KeyError, ValueError, TypeError, ArithmeticError) as error:
        raise ChangeUnreadable(f"{value!r} is no value of a primary key: {error}") from None


_READERS: Final[dict[str, Callable[[Any], Value]]] = {
    "float": float.fromhex,
    "bytes": bytes.fromhex,
    "decimal": Decimal,
    "datetime": datetime.datetime.fromisoformat,
    "date": datetime.date.fromisoformat,
    "microseconds": lambda inside: MICROSECOND * inside,
    "set": frozenset,
}
