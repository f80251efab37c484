"""Transactions are whole: what one has read together was there together, and what one has written is there together.

Item by item a transaction may look right and yet be torn. So what a TransactGetItems has shown, and what is there at
rest, is a snapshot: there are writes that it surely comes after, since it shows their tokens, and writes that it surely
comes before, since the item shown would otherwise be another. One of the first must not also be one of the second, nor
begin after one of the second had ended.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any, Final, cast

from crossfade.sim.history import History, KeyName, Operation
from crossfade.sim.model import PUTS

LOGGING: Final = frozenset({"append", "append_if", "log", "put", "create", "replace"})  # these leave their token
ENDING: Final = PUTS | {"delete", "delete_if"}  # these end whatever log there was


@dataclass(frozen=True, slots=True)
class Torn:
    """A snapshot that shows `after`'s write on one item, and another item as it was before `before`'s."""

    snapshot: tuple[Operation, ...]
    after: Operation
    before: Operation


def torn(history: History) -> Torn | None:
    """The first snapshot that cannot be one."""
    if not any(operation.together for operation in history.operations):
        return None
    seen = Seen(history)
    for snapshot in snapshots(history):
        later = [write for read in snapshot for write in seen.shown_by(read)]
        if not later:
            continue
        for read in snapshot:
            for before in seen.not_yet(read):
                for after in later:
                    if after.key != read.key and precedes(before, after):
                        return Torn(tuple(snapshot), after, before)
    return None


def precedes(before: Operation, after: Operation) -> bool:
    """Whether `before` took effect no later than `after`, if the latter took effect at all."""
    if before.called == after.called:
        return before.together and not after.void
    return before.answered is not None and before.answered < after.called


def snapshots(history: History) -> Iterator[list[Operation]]:
    """The reads of each TransactGetItems, and those at rest."""
    reads: dict[int, list[Operation]] = defaultdict(list)
    for operation in history.operations:
        if operation.together and operation.action.name == "get" and operation.answered is not None:
            reads[operation.called].append(operation)
    return (found for found in reads.values() if len(found) > 1)


class Seen:
    """What the whole history tells of each item's writes."""

    def __init__(self, history: History) -> None:
        self._writes: dict[tuple[KeyName, str], Operation] = {}  # by the token that they leave
        self._of_key: dict[KeyName, list[Operation]] = defaultdict(list)
        self._there_by: dict[tuple[KeyName, str], int] = {}  # a token was in the log at this place, or earlier
        for operation in history.operations:
            if operation.void:
                continue
            key, action = operation.key, operation.action
            if action.is_write and (action.name in LOGGING or action.name in ENDING):
                self._of_key[key].append(operation)
                if action.name in LOGGING:
                    self._writes[key, action.token] = operation
            if operation.answer is not None and operation.answer[0] == "ok" and operation.answered is not None:
                tokens = log_of(operation) if not action.is_write else ()
                if action.is_write and action.name in LOGGING:
                    tokens = (action.token,)
                for token in tokens:
                    known = self._there_by.get((key, token), operation.answered)
                    self._there_by[key, token] = min(known, operation.answered)

    def shown_by(self, read: Operation) -> list[Operation]:
        """The writes whose tokens it shows."""
        found = (self._writes.get((read.key, token)) for token in log_of(read))
        return [write for write in found if write is not None]

    def not_yet(self, read: Operation) -> list[Operation]:
        """Writes that, if they took effect, surely did so after this state of the item had been there: its last token
        was there before they were called, and they would have changed the log."""
        tokens = log_of(read)
        if not tokens:
            return []
        last = self._writes.get((read.key, tokens[-1]))
        there_by = self._there_by.get((read.key, tokens[-1]))
        if there_by is None or (last is not None and last.twice):  # sent twice, it may have come back
            return []
        return [
            write
            for write in self._of_key[read.key]
            if write.called > there_by and write.action.token not in tokens and took_effect(write)
        ]


def took_effect(write: Operation) -> bool:
    """Whether it did, if its transaction did: a refused one did not."""
    return (write.answer is not None and write.answer[0] == "ok") or (write.answer is None and write.together)


def log_of(operation: Operation) -> tuple[str, ...]:
    shown: Any = operation.answer[1] if operation.answer is not None else None
    if not isinstance(shown, tuple):
        return ()
    _, log, _ = cast("tuple[int | None, tuple[str, ...], str | None]", shown)
    return log
