"""One row, as a mapping function sees it: by the names of its columns, which are told when one is misspelt."""

from __future__ import annotations

import difflib
from collections.abc import Iterator, Mapping
from typing import Any

from crossfade.cdc.changes import Value
from crossfade.errors import MappingError


class Row(Mapping[str, Any]):
    """The columns of one row: `row["name"]`. Values are those of `Value`; a NULL is None."""

    __slots__ = ("_columns", "table")

    def __init__(self, table: str, columns: Mapping[str, Value]) -> None:
        self.table = table
        self._columns = columns

    def __getitem__(self, name: str) -> Any:
        try:
            return self._columns[name]
        except KeyError:
            close = difflib.get_close_matches(name, self._columns, n=1)
            raise MappingError(
                f"table {self.table} has no column {name!r}",
                next_step=f"did you mean {close[0]!r}?" if close else f"its columns: {', '.join(self._columns)}",
            ) from None

    def get(self, key: str, default: Any = None) -> Any:
        """The value, or `default` where the table has no such column (yet, or any more)."""
        return self._columns.get(key, default)

    def __contains__(self, key: object) -> bool:
        return key in self._columns

    def __iter__(self) -> Iterator[str]:
        return iter(self._columns)

    def __len__(self) -> int:
        return len(self._columns)

    def __repr__(self) -> str:
        return f"Row({self.table}: {', '.join(f'{name}={value!r}' for name, value in self._columns.items())})"
