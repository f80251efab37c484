"""What a routine must know of a table, and of its indexes."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final, Protocol

from crossfade.core.key_names import KeyNames


class IndexShape(Protocol):
    """What is declared of an index; `crossfade.Index` is one."""

    @property
    def names(self) -> KeyNames: ...
    @property
    def kinds(self) -> Mapping[str, str]: ...


class TableShape(Protocol):
    """What a routine must know of a table; `crossfade.Table` is one."""

    @property
    def name(self) -> str: ...
    @property
    def key_names(self) -> tuple[str, ...]: ...
    @property
    def partition_key(self) -> str: ...
    @property
    def sort_key(self) -> str | None: ...
    def index(self, name: str) -> IndexShape | None: ...


@dataclass(frozen=True, slots=True)
class IndexSchema:
    """An index of one table: the attributes of its key, and those that it holds; all if `held` is None.

    The table itself is one too, without a name. A global index answers no strongly consistent request."""

    names: KeyNames
    held: frozenset[str] | None
    is_global: bool = False
    is_active: bool = True

    @property
    def keys(self) -> tuple[str, ...]:
        return self.names.every


WHOLE_ITEMS: Final = IndexSchema(KeyNames(()), None)  # where what is read are items, and no entries of an index
