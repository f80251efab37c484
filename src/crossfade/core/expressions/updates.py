"""Updates: every right-hand side sees the item as it was, and all paths are written at once.

The paths form a tree, and the new item is built along it: only the maps and lists on the way are copied, the rest is
shared with the old item, which is never changed. In a list, indices mean places in the old list: elements are
replaced, then removed ones drop out, then those set past its end follow in the order of their indices.
"""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass
from functools import lru_cache
from typing import Literal, cast

from crossfade.core.expressions.actions import UPDATE_KIND, ActionResult, action_result
from crossfade.core.expressions.bindings import Bindings
from crossfade.core.expressions.checks import check_update
from crossfade.core.expressions.errors import ExpressionError
from crossfade.core.expressions.parser import OPERATORS_PARSED_MAX, parse_update, too_many_operators
from crossfade.core.expressions.paths import DocumentPath, Tree, project, tree_of
from crossfade.core.expressions.syntax import FunctionNode, Operand, SumNode, UpdateNode
from crossfade.core.expressions.translated import is_translated
from crossfade.core.items import (
    CONTAINERS_MAX,
    ITEM_BYTES_MAX,
    AttributeValue,
    Item,
    container_levels,
    size_bytes,
)

UPDATES_CACHED_MAX = 4096
ReturnMode = Literal["NONE", "ALL_OLD", "UPDATED_OLD", "ALL_NEW", "UPDATED_NEW"]


@dataclass(frozen=True, slots=True)
class UpdateResult:
    """`new` shares what did not change with `old`; `touched` are the paths written, in the order of the expression.
    Without `existed`, `old` holds at most the key."""

    old: Item
    new: Item
    touched: tuple[DocumentPath, ...]
    existed: bool


@dataclass(frozen=True, slots=True)
class Update:
    """An update whose placeholders are known. `attributes`: the top-level ones that it may write. `only_removes`: it
    has REMOVE and DELETE only, with which the service makes no item of an absent one."""

    attributes: frozenset[str]
    only_removes: bool
    _paths: tuple[DocumentPath, ...]
    _outcomes: tuple[ActionResult, ...]
    _tree: Tree

    def apply(self, item: Item, key_names: Collection[str], *, existed: bool = True) -> UpdateResult:
        """ExpressionError if the update does not fit the item, which is not changed. For an absent item give its key
        attributes and `existed=False`."""
        for path in self._paths:
            if path[0] in key_names:
                raise ExpressionError(
                    f"One or more parameter values were invalid: Cannot update attribute {path[0]}. "
                    "This attribute is part of the key"
                )
        new = dict(item)
        _write_map(_Writing(item, self._outcomes), new, self._tree, 0)
        if size_bytes(new) > ITEM_BYTES_MAX:
            raise ExpressionError("Item size to update has exceeded the maximum allowed size")
        return UpdateResult(item, new, self._paths, existed)

    def returned(self, result: UpdateResult, mode: ReturnMode) -> Item | None:
        """`Attributes` of the reply for a ReturnValues mode, None if the reply has none.

        Of an updated attribute only the updated paths are shown, in their places.
        """
        match mode:
            case "NONE":
                return None
            case "ALL_OLD":
                return result.old if result.existed else None
            case "ALL_NEW":
                return result.new
            case "UPDATED_OLD" | "UPDATED_NEW":
                item = result.old if mode == "UPDATED_OLD" else result.new
                return project(item, self._tree) or None


def update(text: str, bindings: Bindings) -> Update:
    """An update; ExpressionError if it is not valid, whatever the item."""
    tree, operators = parsed_update(text)
    actions = tree.actions
    # From the last action to the first, and paths before operands: so the service reports the same fault of several.
    paths, planted = tree_of(UPDATE_KIND, [action.path for action in actions], bindings)
    outcomes = [action_result(action, bindings) for action in reversed(actions)]
    if operators > OPERATORS_PARSED_MAX and not is_translated(text):
        raise too_many_operators(UPDATE_KIND)
    return Update(
        frozenset(str(path[0]) for path in paths),
        all(action.keyword in {"REMOVE", "DELETE"} for action in actions),
        paths,
        tuple(reversed(outcomes)),
        planted,
    )


@lru_cache(maxsize=UPDATES_CACHED_MAX)
def parsed_update(text: str) -> tuple[UpdateNode, int]:
    """The checked tree and the number of its operators and functions."""
    tree = parse_update(UPDATE_KIND, text)
    check_update(UPDATE_KIND, tree)
    return tree, sum(_count(action.source) for action in tree.actions)


def _count(node: Operand | SumNode | None) -> int:
    match node:
        case SumNode():
            return 1 + _count(node.left) + _count(node.right)
        case FunctionNode():
            return 1 + sum(map(_count, node.operands))
        case _:
            return 0


# --- writing


@dataclass(frozen=True, slots=True)
class _Writing:
    """What every step of one update needs: the old item and what to do at each leaf."""

    old: Item
    outcomes: tuple[ActionResult, ...]


def _written(writing: _Writing, held: AttributeValue | None, tree: Tree, depth: int) -> AttributeValue | None:
    """What takes the place of `held`, None for nothing; `depth` is the number of maps and lists around it."""
    if tree.leaf >= 0:
        value = writing.outcomes[tree.leaf](writing.old, held)
        if value is not None and depth + container_levels(value) > CONTAINERS_MAX:
            raise ExpressionError("Nesting Levels have exceeded supported limits")
        return value
    if held is not None:
        indices = isinstance(next(iter(tree.children)), int)
        if indices and "L" in held:
            return {"L": _write_list(writing, held["L"], tree, depth + 1)}
        if not indices and "M" in held:
            members = dict(held["M"])
            _write_map(writing, members, tree, depth + 1)
            return {"M": members}
    raise ExpressionError("The document path provided in the update expression is invalid for update")


def _write_map(writing: _Writing, members: dict[str, AttributeValue], tree: Tree, depth: int) -> None:
    for step, below in tree.children.items():
        name = str(step)
        value = _written(writing, members.get(name), below, depth)
        if value is None:
            _ = members.pop(name, None)
        else:
            members[name] = value


def _write_list(writing: _Writing, elements: list[AttributeValue], tree: Tree, depth: int) -> list[AttributeValue]:
    places: list[AttributeValue | None] = list(elements)
    beyond: list[tuple[int, AttributeValue]] = []
    for step, below in tree.children.items():
        index = cast("int", step)
        held = elements[index] if index < len(elements) else None
        value = _written(writing, held, below, depth)
        if index < len(elements):
            places[index] = value
        elif value is not None:
            beyond.append((index, value))
    kept = [place for place in places if place is not None]
    return kept + [value for _, value in sorted(beyond, key=lambda each: each[0])]
