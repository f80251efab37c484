"""Document paths over items, and trees of them: what an update writes and what a projection shows.

A tree holds many paths at once and is how overlap is found: two paths overlap if one begins with the other, and
conflict if they treat the same place as a map and as a list.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any, TypeAlias, cast

from crossfade.core.expressions.bindings import Bindings
from crossfade.core.expressions.errors import ExpressionError, PathStep, invalid_expression, show_path
from crossfade.core.expressions.syntax import PathNode
from crossfade.core.items import AttributeValue, Item

DocumentPath: TypeAlias = tuple[PathStep, ...]
Getter: TypeAlias = Callable[[Mapping[str, AttributeValue]], AttributeValue | None]


def getter(path: DocumentPath) -> Getter:
    """A function that finds what an item has at `path`, None if nothing."""
    first = cast("str", path[0])
    if len(path) == 1:
        return lambda item: item.get(first)

    rest = path[1:]

    def get(item: Mapping[str, AttributeValue]) -> AttributeValue | None:
        value = item.get(first)
        for step in rest:
            if value is None:
                return None
            value = child(value, step)
        return value

    return get


def child(value: AttributeValue, step: PathStep) -> AttributeValue | None:
    """What lies one step inside `value`, None if nothing."""
    if isinstance(step, str):
        members: Mapping[str, AttributeValue] | None = value.get("M")
        return None if members is None else members.get(step)
    elements: Sequence[AttributeValue] | None = value.get("L")
    return None if elements is None or step >= len(elements) else elements[step]


class Tree:
    """A place that paths lead to or through. `leaf` is the index of the path that ends here, else -1."""

    __slots__ = ("children", "leaf")

    def __init__(self) -> None:
        self.children: dict[PathStep, Tree] = {}
        self.leaf = -1

    def any_leaf(self) -> int:
        """The index of one path that ends here or below."""
        tree = self
        while tree.leaf < 0:
            tree = next(iter(tree.children.values()))
        return tree.leaf


def tree_of(kind: str, nodes: Sequence[PathNode], bindings: Bindings) -> tuple[tuple[DocumentPath, ...], Tree]:
    """The paths of `nodes` and their tree; ExpressionError if two clash. They are looked up and planted from the last
    to the first, as the service does, so that of several faults the same is reported."""
    root = Tree()
    paths: dict[int, DocumentPath] = {}
    for index in reversed(range(len(nodes))):
        paths[index] = bindings.path(kind, nodes[index])
        _plant(kind, root, index, paths)
    return tuple(paths[index] for index in range(len(nodes))), root


def _plant(kind: str, root: Tree, index: int, paths: Mapping[int, DocumentPath]) -> None:
    tree, path = root, paths[index]
    for step in path:
        if tree.leaf >= 0:
            raise _clash(kind, "overlap", path, paths[tree.leaf])
        found = tree.children.get(step)
        if found is None:
            if tree.children and isinstance(next(iter(tree.children)), int) != isinstance(step, int):
                raise _clash(kind, "conflict", path, paths[tree.any_leaf()])
            found = tree.children[step] = Tree()
        tree = found
    if tree.leaf >= 0 or tree.children:
        raise _clash(kind, "overlap", path, paths[tree.any_leaf()])
    tree.leaf = index


def _clash(kind: str, how: str, one: DocumentPath, two: DocumentPath) -> ExpressionError:
    return invalid_expression(
        kind,
        f"Two document paths {how} with each other; must remove or rewrite one of these paths; "
        f"path one: {show_path(one)}, path two: {show_path(two)}",
    )


def project(item: Mapping[str, AttributeValue], tree: Tree) -> Item:
    """The parts of `item` that the paths of `tree` lead to, in their places; lists keep only those elements."""
    shown: Item = {}
    for step, below in tree.children.items():
        value = item.get(step) if isinstance(step, str) else None
        part = None if value is None else _part(value, below)
        if part is not None:
            shown[str(step)] = part
    return shown


def _part(value: AttributeValue, tree: Tree) -> AttributeValue | None:
    if tree.leaf >= 0:
        return value
    parts: list[tuple[Any, AttributeValue]] = []
    for step, below in tree.children.items():
        inner = child(value, step)
        part = None if inner is None else _part(inner, below)
        if part is not None:
            parts.append((step, part))
    if not parts:
        return None
    if "M" in value:
        return {"M": dict(parts)}
    return {"L": [part for _, part in sorted(parts, key=lambda each: int(each[0]))]}
