"""How rows become items: a function a table, in a Python file, with nothing in it but the data.

    rows = Rows(Table("shop", key={"pk": "S", "sk": "S"}))

    @rows.table("shop.customers")
    def customer(row):
        return {"pk": f"customer#{row['id']}", "sk": "profile", "name": row["name"]}

    @rows.fold(
        "shop.orders",
        into=lambda id: {"pk": f"order#{id}", "sk": "order"},
        lines=Child("shop.order_lines", parent="order_id"),
    )
    def order(row, lines):
        return {"total": row["total"], "lines": [{"sku": line["sku"], "count": line["count"]} for line in lines]}

One row makes one item, several (a list) or none (None). Where rows of several tables make one item, the item's key has
to follow from the primary key of the parent alone (`into`), since a child may come before its parent.
"""

from __future__ import annotations

import datetime
import inspect
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from decimal import Decimal
from typing import Any, Final, TypeAlias, TypeVar

from crossfade.cdc.row import Row
from crossfade.cdc.values import text_of_datetime
from crossfade.core.items import format_number
from crossfade.errors import ConfigurationError, MappingError
from crossfade.migration import Table

Attributes: TypeAlias = Mapping[str, Any]
Made: TypeAlias = Attributes | Sequence[Attributes] | None
Function = TypeVar("Function", bound=Callable[..., Any])

CHILDREN_MAX: Final = 20  # tables in one item: each of its rows is read again whenever one of them changes


@dataclass(frozen=True, slots=True)
class Child:
    """A table whose rows go into the item of their parent. `parent`: the columns that hold the parent's primary key,
    in its order."""

    table: str
    parent: str | tuple[str, ...]

    @property
    def columns(self) -> tuple[str, ...]:
        return (self.parent,) if isinstance(self.parent, str) else self.parent


@dataclass(frozen=True, slots=True)
class Single:
    """A table whose rows make items each by itself."""

    table: str
    make: Callable[[Row], Made]


@dataclass(frozen=True, slots=True)
class Fold:
    """A parent and its children, which make one item. `children` are in the order of their names in the function."""

    table: str
    into: Callable[..., Attributes]
    children: Mapping[str, Child]
    make: Callable[..., Attributes | None]

    @property
    def name(self) -> str:
        """What its parts are kept under."""
        return self.table

    def reads(self, table: str) -> bool:
        """Whether rows of this table go into the item."""
        return table == self.table or any(child.table == table for child in self.children.values())


@dataclass(frozen=True, slots=True)
class Rows:
    """The functions of a migration, each for the rows of a table. Raises ConfigurationError."""

    target: Table
    singles: list[Single] = field(default_factory=list[Single])
    folds: list[Fold] = field(default_factory=list[Fold])

    def table(self, name: str) -> Callable[[Function], Function]:
        """Declare what a row of this table makes: `name` is the schema's and the table's, with a dot between."""
        _check_table(name)

        def declared(make: Function) -> Function:
            _check_arguments(make, 1)
            if any(single.table == name for single in self.singles):
                raise ConfigurationError(
                    f"table {name} has a function already",
                    next_step="let one function return a list of items",
                )
            self.singles.append(Single(name, make))
            return make

        return declared

    def fold(self, name: str, *, into: Callable[..., Attributes], **children: Child) -> Callable[[Function], Function]:
        """Declare that a row of this table and the rows of its children make one item, under the key `into`."""
        for table in (name, *(child.table for child in children.values())):
            _check_table(table)
        if not 1 <= len(children) <= CHILDREN_MAX:
            raise ConfigurationError(
                f"table {name}: 1 to {CHILDREN_MAX} children can be folded into an item, not {len(children)}",
                next_step="without children, declare it with @rows.table",
            )

        def declared(make: Function) -> Function:
            _check_arguments(make, 1 + len(children), children)
            if any(fold.table == name for fold in self.folds):
                raise ConfigurationError(f"table {name} is the parent of another item already")
            self.folds.append(Fold(name, into, dict(children), make))
            return make

        return declared

    @property
    def tables(self) -> tuple[str, ...]:
        """Every table whose changes are wanted."""
        singles = [single.table for single in self.singles]
        folded = [table for fold in self.folds for table in (fold.table, *(c.table for c in fold.children.values()))]
        return tuple(dict.fromkeys([*singles, *folded]))


def key(*parts: Any) -> str:
    """A text for a key of an item, of parts with "#" between: no two lists of parts give the same.

    A part is a text, a number, bytes (in hexadecimal), a date or a time. Raises MappingError for anything else.
    """
    return "#".join(_part(part) for part in parts)


def _part(part: Any) -> str:
    match part:
        case str():
            return part.replace("%", "%25").replace("#", "%23")
        case bytes():
            return part.hex()
        case bool() | None:
            raise MappingError(f"{part!r} is no part of a key")
        case int() | float() | Decimal():
            return format_number(Decimal(repr(part)) if isinstance(part, float) else Decimal(part))
        case datetime.datetime():
            return text_of_datetime(part)
        case datetime.date():
            return part.isoformat()
        case _:
            raise MappingError(f"{part!r} is no part of a key", next_step="make a text of it in the function")


def _check_table(name: Any) -> None:
    if not isinstance(name, str) or name.count(".") != 1 or not all(name.split(".")):
        raise ConfigurationError(f"{name!r} is no table", next_step='write "schema.table"')


def _check_arguments(make: Callable[..., Any], count: int, children: Mapping[str, Child] | None = None) -> None:
    """A function that cannot be called as it will be is found when the file is loaded, not with the first row."""
    try:
        _ = inspect.signature(make).bind(*[None] * (count - len(children or ())), **dict.fromkeys(children or ()))
    except TypeError as error:
        wanted = ", ".join(["row", *(children or ())])
        raise ConfigurationError(
            f"function {getattr(make, '__name__', make)!r} cannot be called with ({wanted}): {error}"
        ) from None
