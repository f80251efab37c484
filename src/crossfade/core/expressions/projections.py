"""Projections: the parts of an item that a reader asked for."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from functools import lru_cache

from crossfade.core.expressions.bindings import Bindings
from crossfade.core.expressions.checks import check_path
from crossfade.core.expressions.parser import parse_projection
from crossfade.core.expressions.paths import Tree, project, tree_of
from crossfade.core.expressions.syntax import PathNode
from crossfade.core.items import AttributeValue, Item

PROJECTION_KIND = "ProjectionExpression"
PROJECTIONS_CACHED_MAX = 4096


@dataclass(frozen=True, slots=True)
class Projection:
    """A projection whose placeholders are known. `attributes` are the top-level attributes it shows parts of."""

    attributes: frozenset[str]
    _tree: Tree

    def apply(self, item: Mapping[str, AttributeValue]) -> Item:
        """What the item has of the paths, in their places; elements of a list move together. Shares with `item`."""
        return project(item, self._tree)


def projection(text: str, bindings: Bindings) -> Projection:
    """A projection; ExpressionError if it is not valid."""
    paths, tree = tree_of(PROJECTION_KIND, parsed_projection(text), bindings)
    return Projection(frozenset(str(path[0]) for path in paths), tree)


@lru_cache(maxsize=PROJECTIONS_CACHED_MAX)
def parsed_projection(text: str) -> tuple[PathNode, ...]:
    nodes = parse_projection(PROJECTION_KIND, text)
    for node in nodes:
        check_path(PROJECTION_KIND, node)
    return nodes
