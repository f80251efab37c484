"""Where in an item a value is: a root attribute, or a value inside nested maps.

A path is a tuple of attribute names. In a migration file it is written `"detail.status"`, or as a tuple where a name
itself holds a dot: `("detail", "sent.at")`. Values inside lists have no stable place, so they have no path.

Nothing here changes a value in place: maps on the way are copied, all else is shared.
"""

from __future__ import annotations

from typing import Any, TypeAlias

from crossfade.core.items import AttributeValue, Item
from crossfade.errors import MappingInvalid

Path: TypeAlias = tuple[str, ...]
PathLike: TypeAlias = str | tuple[str, ...]

NESTED_LEVELS_MAX = 32  # DynamoDB's own limit on nested attributes
NAME_BYTES_MAX = 65_535  # DynamoDB's limit on an attribute name


class Blocked(Exception):
    """A value on the way to a path is no map."""

    def __init__(self, at: Path) -> None:
        super().__init__(show(at))
        self.at = at


def parse_path(written: PathLike) -> Path:
    """`"a.b"` or `("a", "b")` as a path. Raises MappingInvalid."""
    names: tuple[Any, ...] = tuple(written.split(".")) if isinstance(written, str) else tuple(written)
    if isinstance(written, str) and "[" in written:
        raise MappingInvalid(
            f"path {written!r}: a value inside a list cannot be named",
            next_step='convert the whole list with custom(); if "[" is part of the name, write the path as a tuple',
        )
    if not 1 <= len(names) <= NESTED_LEVELS_MAX:
        raise MappingInvalid(f"path {written!r}: a path has 1 to {NESTED_LEVELS_MAX} names")
    path: list[str] = []
    for name in names:
        if not isinstance(name, str) or not name or len(name.encode()) > NAME_BYTES_MAX:
            raise MappingInvalid(
                f"path {written!r}: each name must be a text of 1 to {NAME_BYTES_MAX} bytes",
                next_step='write "parent.child", with no dot at either end',
            )
        path.append(name)
    return tuple(path)


def parse_name(written: PathLike) -> str:
    """The name of a root attribute. Raises MappingInvalid for anything nested."""
    path = parse_path(written)
    if len(path) != 1:
        raise MappingInvalid(
            f"{written!r} is a nested path; a root attribute is needed here",
            next_step=f"use move() for nested values; a name that holds a dot is written as a tuple: ({written!r},)",
        )
    return path[0]


def show(path: Path) -> str:
    return ".".join(path)


def covers(outer: Path, inner: Path) -> bool:
    """Whether `inner` is `outer` or lies inside it."""
    return inner[: len(outer)] == outer


def look(item: Item, path: Path) -> AttributeValue | None:
    """The value at a path, None where it or a parent is missing. Raises Blocked where a parent is no map."""
    container: dict[str, Any] = item
    for depth, name in enumerate(path[:-1], start=1):
        value = container.get(name)
        if value is None:
            return None
        if "M" not in value:
            raise Blocked(path[:depth])
        container = value["M"]
    return container.get(path[-1])


def put(container: dict[str, Any], path: Path, value: AttributeValue) -> None:
    """Set a value, making missing parent maps. `container` is changed; the maps inside it are copied."""
    name, rest = path[0], path[1:]
    if not rest:
        container[name] = value
        return
    inner = dict(container[name]["M"]) if name in container else {}
    put(inner, rest, value)
    container[name] = {"M": inner}


def take(container: dict[str, Any], path: Path, *, prune: bool) -> None:
    """Remove a value that is there; with `prune`, also the parent maps that this leaves empty."""
    name, rest = path[0], path[1:]
    if not rest:
        del container[name]
        return
    inner = dict(container[name]["M"])
    take(inner, rest, prune=prune)
    if prune and not inner:
        del container[name]
    else:
        container[name] = {"M": inner}


def lands_in_an_empty_map(item: Item, path: Path) -> bool:
    """Whether the innermost existing parent of a nested path is an empty map (the item itself does not count)."""
    container: dict[str, Any] = item
    for name in path[:-1]:
        value = container.get(name)
        if value is None:
            break
        container = value["M"]
    return container is not item and not container
