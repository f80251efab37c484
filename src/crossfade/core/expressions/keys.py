"""Key conditions: which partition a query reads, and which part of it.

The service first checks the expression as it would a filter, and then that it has the form
`partition = value [AND condition on the sort key]`, in either order.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import NoReturn

from crossfade.core.expressions import comparing
from crossfade.core.expressions.bindings import Bindings
from crossfade.core.expressions.conditions import Resolver, parsed_condition
from crossfade.core.expressions.errors import ExpressionError
from crossfade.core.expressions.syntax import (
    BetweenNode,
    ComparisonNode,
    ConditionNode,
    FunctionNode,
    InNode,
    LogicNode,
    NotNode,
    Operand,
    PathNode,
    ValueNode,
)
from crossfade.core.items import AttributeValue, same

KIND = "KeyConditionExpression"
_TURNED = {"=": "=", "<": ">", "<=": ">=", ">": "<", ">=": "<="}


@dataclass(frozen=True, slots=True)
class SortCondition:
    """`operator` is one of `=`, `<`, `<=`, `>`, `>=`, `BETWEEN` (two operands), `begins_with`."""

    name: str
    operator: str
    operands: tuple[AttributeValue, ...]

    def holds(self, value: AttributeValue | None) -> bool:
        """Whether a sort key value fulfils it."""
        match self.operator:
            case "=":
                return value is not None and same(value, self.operands[0])
            case "BETWEEN":
                return comparing.between(value, *self.operands)
            case "begins_with":
                return comparing.begins_with(value, self.operands[0])
            case comparator:
                return comparing.in_order(value, comparator, self.operands[0])


@dataclass(frozen=True, slots=True)
class KeyCondition:
    """`partition` is the partition key's name and value."""

    partition: tuple[str, AttributeValue]
    sort: SortCondition | None

    def holds(self, item: Mapping[str, AttributeValue]) -> bool:
        """Whether an item of the table lies in the part that the query reads."""
        name, value = self.partition
        held = item.get(name)
        if held is None or not same(held, value):
            return False
        return self.sort is None or self.sort.holds(item.get(self.sort.name))


def key_condition(text: str, bindings: Bindings, *, key_names: tuple[str, str | None] | None = None) -> KeyCondition:
    """A key condition; ExpressionError if it is not valid.

    `key_names` are the names of the partition and sort key that are queried; without them the condition with `=` is
    taken for the partition's (the first, if there are two).
    """
    tree, _ = parsed_condition(KIND, text)
    _ = Resolver(KIND, bindings).test(tree)
    try:
        return _structured(tree, bindings, key_names)
    except ExpressionError:
        bindings.finish()  # the service complains of the form last: this is the last expression of a query
        raise


def _structured(tree: ConditionNode, bindings: Bindings, key_names: tuple[str, str | None] | None) -> KeyCondition:
    parts: dict[str, SortCondition] = {}
    _collect(tree, bindings, parts)
    if len(parts) > 2:
        raise ExpressionError("Conditions can be of length 1 or 2 only")
    partition_name, sort_name = key_names or _guessed_names(parts)
    partition = parts.pop(partition_name, None)
    if partition is not None and partition.operator != "=":
        raise ExpressionError("Query key condition not supported")
    if partition is None or (parts and sort_name not in parts):
        raise ExpressionError("Query condition missed key schema element")
    sort = parts[sort_name] if parts and sort_name is not None else None
    return KeyCondition((partition.name, partition.operands[0]), sort)


def _guessed_names(parts: Mapping[str, SortCondition]) -> tuple[str, str | None]:
    names = sorted(parts, key=lambda name: parts[name].operator != "=")
    return names[0], names[1] if len(names) > 1 else None


def _collect(node: ConditionNode, bindings: Bindings, parts: dict[str, SortCondition]) -> None:
    match node:
        case LogicNode(word="AND"):
            for part in node.parts:
                _collect(part, bindings, parts)
            return
        case ComparisonNode() if node.operator != "<>":
            found = _single(node.operator, (node.left, node.right), bindings)
        case BetweenNode():
            found = _single("BETWEEN", (node.operand, node.lower, node.upper), bindings)
        case FunctionNode(name="begins_with"):
            found = _single("begins_with", node.operands, bindings)
        case _:
            _refuse(node)
    if found.name in parts:
        raise ExpressionError("KeyConditionExpressions must only contain one condition per key")
    parts[found.name] = found


def _refuse(node: ConditionNode) -> NoReturn:
    raise ExpressionError(f"Invalid operator used in {KIND}: {_operator(node)}")


def _operator(node: ConditionNode) -> str:
    match node:
        case LogicNode():
            return node.word
        case NotNode():
            return "NOT"
        case ComparisonNode():
            return node.operator
        case FunctionNode():
            return node.name
        case BetweenNode():
            return "BETWEEN"
        case InNode():
            return "IN"


def _single(operator: str, operands: tuple[Operand, ...], bindings: Bindings) -> SortCondition:
    """One condition on one attribute, which must come first unless the comparison can be turned round."""
    names: list[str] = []
    values: list[AttributeValue] = []
    for operand in operands:
        match operand:
            case PathNode():
                names.append(_key_name(operand, bindings))
            case ValueNode():
                values.append(bindings.value(KIND, operand))
            case FunctionNode():
                raise ExpressionError("KeyConditionExpressions cannot contain nested operations")
    if len(names) != 1:
        why = "Multiple attribute names used in one condition" if names else "No key attribute specified"
        raise ExpressionError(f"Invalid condition in {KIND}: {why}")
    if not isinstance(operands[0], PathNode):
        if operator not in _TURNED:
            raise ExpressionError(
                f"Invalid condition in {KIND}: {operator} operator must have the key attribute as its first operand"
            )
        operator = _TURNED[operator]
    return SortCondition(names[0], operator, tuple(values))


def _key_name(node: PathNode, bindings: Bindings) -> str:
    path = bindings.path(KIND, node)
    if path[1:]:
        raise ExpressionError(
            "Key attributes must be scalars; list random access '[]' and map lookup '.' are not allowed: "
            f"Key: {path[0]}"
        )
    return str(path[0])
