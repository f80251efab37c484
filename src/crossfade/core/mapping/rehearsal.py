"""One source item there and back, piece by piece, so that `check` can say which piece did what.

The whole way back cannot tell a declared loss (drop) from a fault. Piece by piece it can: each piece is undone right
where it was done, and only what a drop names may differ.
"""

from __future__ import annotations

from dataclasses import dataclass

from crossfade.core.items import Item, same, same_item
from crossfade.core.mapping.compiled import CompiledMapping
from crossfade.core.mapping.piece import Piece, unmappable
from crossfade.core.mapping.plain import Drop, Identity
from crossfade.core.mapping.rekeying import UseAsKey
from crossfade.core.mapping.suffix import Suffix
from crossfade.errors import MappingError


@dataclass(frozen=True, slots=True)
class Rehearsal:
    """Pieces are told by their place in the mapping, from 0."""

    target: Item | None  # None where there is a fault
    fault: MappingError | None
    reached: int  # how many pieces had their turn
    acted: tuple[int, ...]  # those of them that found something to do, the one at fault included
    lost: tuple[int, ...]  # the drop pieces that lose a value of this item
    suffixes: tuple[tuple[int, int], ...]  # the suffix pieces, each with the suffix of this item


class _Run:
    def __init__(self) -> None:
        self.reached = 0
        self.acted: list[int] = []
        self.lost: list[int] = []
        self.suffixes: list[tuple[int, int]] = []

    def result(self, target: Item | None, fault: MappingError | None) -> Rehearsal:
        return Rehearsal(target, fault, self.reached, tuple(self.acted), tuple(self.lost), tuple(self.suffixes))


def rehearse(mapping: CompiledMapping, item: Item) -> Rehearsal:
    """Map an item, undoing each piece on the way. Never raises MappingError: it is in the result."""
    run = _Run()
    try:
        before = item
        for number, piece in enumerate(mapping.pieces):
            before = _step(run, number, piece, before)
        target = mapping.forward(item)
        back = mapping.backward(target)
    except MappingError as fault:
        return run.result(None, fault)
    if not run.lost and not same_item(back, item):
        names = sorted(name for name in {*item, *back} if not same(item.get(name), back.get(name)))
        why = "does not come back the same through all pieces together"
        return run.result(None, unmappable(mapping.pieces[0], ", ".join(names), why))
    return run.result(target, None)


def _step(run: _Run, number: int, piece: Piece, before: Item) -> Item:
    run.reached = number + 1
    after = dict(before)
    try:
        piece.forward(after)
        if isinstance(piece, Drop):
            if piece.name in before:
                run.acted.append(number)
            if not same(before.get(piece.name), _undone(piece, after).get(piece.name)):
                run.lost.append(number)
            return after
        if _found_work(piece, before, after):
            run.acted.append(number)
            if not same_item(_undone(piece, after), before):
                raise unmappable(piece, "(the item)", "does not come back the same")
    except MappingError:
        if number not in run.acted:
            run.acted.append(number)
        raise
    if isinstance(piece, Suffix):
        run.suffixes.append((number, piece.number(before)))
    return after


def _found_work(piece: Piece, before: Item, after: Item) -> bool:
    if isinstance(piece, (Identity, UseAsKey)):
        return True
    return len(before) != len(after) or any(after.get(name) is not value for name, value in before.items())


def _undone(piece: Piece, after: Item) -> Item:
    again = dict(after)
    piece.backward(again)
    return again
