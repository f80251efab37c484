"""The source text of a function as a syntax tree, and what of it means something."""

from __future__ import annotations

import ast
import linecache
from collections.abc import Iterator
from functools import lru_cache
from types import CodeType
from typing import Any, Final, TypeAlias

NO_MEANING: Final = frozenset({"ctx", "kind", "type_comment", "type_ignores", "type_params", "returns"})
FILES_KEPT: Final = 8  # a mapping's functions stand in one file or two
Definition: TypeAlias = ast.FunctionDef | ast.AsyncFunctionDef | ast.Lambda
Place: TypeAlias = tuple[int, int]  # line, and byte in it


def definitions(code: CodeType) -> list[Definition]:
    """Return the definition of this code; none without source text, and several where it is one of several lambdas in
    one line and Python was told to keep no columns."""
    linecache.checkcache(code.co_filename)
    tree = _tree("".join(linecache.getlines(code.co_filename)))
    found = [
        node
        for node in (ast.walk(tree) if tree else ())
        if isinstance(node, Definition)
        and _first_line(node) == code.co_firstlineno
        and getattr(node, "name", "<lambda>") == code.co_name
    ]
    if len(found) < 2:
        return found
    around = [node for node in found if isinstance(node, ast.Lambda) and _is_within(code, node.body)]
    return [min(around, key=_extent)] if around else found


def meaning(node: Any, *, root: bool = True) -> Iterator[object]:
    """Yield words that tell a syntax tree; empty fields are left out, since versions of Python differ in them.

    Of the root neither its name nor its decorators count: they have done their work.
    """
    if isinstance(node, ast.Constant):
        value: Any = node.value
        yield from (type(value).__name__, value)
        return
    if not isinstance(node, ast.AST):
        yield node
        return
    yield type(node).__name__
    for name, found in ast.iter_fields(node):
        if name in NO_MEANING or (root and name in {"name", "decorator_list"}):
            continue
        if name == "annotation" and isinstance(node, ast.arg):
            continue
        inner: Any = _without_docstring(node, found) if name == "body" else found
        if inner is None or inner == []:
            continue
        many: list[Any] = inner if isinstance(inner, list) else [inner]  # pyright: ignore[reportUnknownVariableType]
        yield from (name, len(many))
        for each in many:
            yield from meaning(each, root=False)


@lru_cache(FILES_KEPT)
def _tree(text: str) -> ast.Module | None:
    try:
        return ast.parse(text) if text else None
    except (SyntaxError, ValueError):
        return None


def _first_line(node: Any) -> int:
    """Return what code says of where it begins: decorators belong to it."""
    decorators = getattr(node, "decorator_list", [])
    line: int = min([node.lineno, *(each.lineno for each in decorators)])
    return line


def _is_within(code: CodeType, body: ast.expr) -> bool:
    """Whether all instructions that have columns are of this expression; not so where none has."""
    begin, end = _span(body)
    places: list[tuple[Place, Place]] = []
    for line, end_line, column, end_column in code.co_positions():
        if line is not None and end_line is not None and column is not None and end_column:
            places.append(((line, column), (end_line, end_column)))
    return bool(places) and all(begin <= first and last <= end for first, last in places)


def _span(node: ast.expr) -> tuple[Place, Place]:
    return (node.lineno, node.col_offset), (node.end_lineno or 0, node.end_col_offset or 0)


def _extent(node: ast.Lambda) -> tuple[int, int]:
    """Return what is least for the innermost of lambdas around one another: it begins last."""
    return -node.body.lineno, -node.body.col_offset


def _without_docstring(node: ast.AST, body: Any) -> Any:
    if not isinstance(node, (ast.FunctionDef, ast.AsyncFunctionDef, ast.ClassDef)) or not body:
        return body
    match body[0]:
        case ast.Expr(value=ast.Constant(value=str())):
            return body[1:]
        case _:
            return body
