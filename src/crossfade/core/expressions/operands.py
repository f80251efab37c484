"""Operands: what a path, a value or `size` stands for in one request, and the checks that need to know it."""

from __future__ import annotations

from collections.abc import Mapping
from typing import NamedTuple

from crossfade.core.expressions.bindings import Bindings
from crossfade.core.expressions.errors import ExpressionError, invalid_expression, show_path, wrong_operand_type
from crossfade.core.expressions.paths import DocumentPath, Getter, getter
from crossfade.core.expressions.syntax import FunctionNode, Operand, PathNode, ValueNode
from crossfade.core.items import AttributeValue

_SIZED = frozenset({"S", "B", "SS", "NS", "BS", "L", "M"})


class ResolvedOperand(NamedTuple):
    """`get` gives the operand's value for an item. At most one of the others is known before there is an item."""

    get: Getter
    path: DocumentPath | None = None
    constant: AttributeValue | None = None
    kind: str | None = None  # the type, where it does not depend on the item


class Operands:
    """Resolves the operands of one condition; `attributes` collects the top-level names that it reads."""

    __slots__ = ("attributes", "bindings", "kind")

    def __init__(self, kind: str, bindings: Bindings) -> None:
        self.kind = kind
        self.bindings = bindings
        self.attributes: set[str] = set()

    def one(self, node: Operand) -> ResolvedOperand:
        """One operand; ExpressionError as the service checks it."""
        match node:
            case PathNode():
                path = self.bindings.path(self.kind, node)
                self.attributes.add(str(path[0]))
                return ResolvedOperand(getter(path), path=path)
            case ValueNode():
                value = self.bindings.value(self.kind, node)
                (value_kind,) = value

                def constant(_: object) -> AttributeValue:
                    return value

                return ResolvedOperand(constant, constant=value, kind=value_kind)
            case FunctionNode():
                return self._size(node)

    def all(self, node: FunctionNode, count: int) -> list[ResolvedOperand]:
        """The operands of a function that takes `count` of them."""
        found = [self.one(operand) for operand in node.operands]
        if len(found) != count:
            raise wrong_operand_count(self.kind, node)
        return found

    def _size(self, node: FunctionNode) -> ResolvedOperand:
        (measured,) = self.all(node, 1)
        if measured.kind is not None and measured.kind not in _SIZED:
            raise wrong_operand_type(self.kind, "size", measured.kind)
        get = measured.get

        def size(item: Mapping[str, AttributeValue]) -> AttributeValue | None:
            value = get(item)
            return None if value is None else size_of(value)

        return ResolvedOperand(size, kind="N")


def wrong_operand_count(kind: str, node: FunctionNode) -> ExpressionError:
    """A function with too few or too many operands."""
    return invalid_expression(
        kind,
        "Incorrect number of operands for operator or function; "
        f"operator or function: {node.name}, number of operands: {len(node.operands)}",
    )


def check_distinct(kind: str, operator: str, first: DocumentPath | None, others: list[DocumentPath | None]) -> None:
    """The service refuses to compare a path with itself."""
    if first is not None and first in others:
        raise invalid_expression(
            kind,
            "The first operand must be distinct from the remaining operands for this operator or function; "
            f"operator: {operator}, first operand: {show_path(first)}",
        )


def path_required(kind: str, function: str) -> ExpressionError:
    """A function whose operand is an attribute, not its value."""
    return invalid_expression(kind, f"Operator or function requires a document path; operator or function: {function}")


def size_of(value: AttributeValue) -> AttributeValue | None:
    """What `size` gives: the length of text (in UTF-16 units) or binary, the number of elements of the others."""
    ((kind, content),) = value.items()
    if kind not in _SIZED:
        return None
    if kind == "S" and not content.isascii():
        return {"N": str(len(content.encode("utf-16-le", "surrogatepass")) // 2)}
    return {"N": str(len(content))}
