"""The names of the attributes of a table's key, or of an index's."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class KeyNames:
    """The attributes of a key: one partition and at most one sort attribute, or of a global index up to four each."""

    partition: tuple[str, ...]
    sort: tuple[str, ...] = ()

    @property
    def every(self) -> tuple[str, ...]:
        return self.partition + self.sort

    @property
    def is_several(self) -> bool:
        """Whether only an index can have such a key, of which DynamoDB has other words."""
        return len(self.partition) > 1 or len(self.sort) > 1

    def called(self, name_there: Callable[[str], str]) -> KeyNames:
        """Return this key under the names that `name_there` gives."""
        return KeyNames(tuple(map(name_there, self.partition)), tuple(map(name_there, self.sort)))
