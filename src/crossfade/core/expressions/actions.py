"""What each action of an update makes of the value that is there: assignments, removals, ADD and DELETE.

A right-hand side is a function of the whole old item, so the order of the actions does not matter.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, TypeAlias

from crossfade.core.expressions import arithmetic
from crossfade.core.expressions.bindings import Bindings
from crossfade.core.expressions.errors import (
    ExpressionError,
    incorrect_data_type,
    invalid_expression,
    wrong_operand_type,
)
from crossfade.core.expressions.operands import check_distinct, path_required, wrong_operand_count
from crossfade.core.expressions.paths import DocumentPath, getter
from crossfade.core.expressions.syntax import ActionNode, FunctionNode, Operand, PathNode, SumNode, ValueNode
from crossfade.core.expressions.translated import in_legacy_words, is_translated
from crossfade.core.items import AttributeValue, Item, add_numbers, subtract_numbers

UPDATE_KIND = "UpdateExpression"

Source: TypeAlias = Callable[[Item], AttributeValue]  # a right-hand side, from the old item
# From the old item and what is there; None: nothing.
ActionResult: TypeAlias = Callable[[Item, AttributeValue | None], AttributeValue | None]

TYPE_NAMES = {
    "S": "STRING", "N": "NUMBER", "B": "BINARY", "BOOL": "BOOLEAN", "NULL": "NULL", "L": "LIST", "M": "MAP",
}  # fmt: skip


def action_result(action: ActionNode, bindings: Bindings) -> ActionResult:
    """What an action writes; ExpressionError for what can be told from the request alone."""
    act = _outcome(action, bindings)
    if is_translated(action.path):
        return lambda item, held: in_legacy_words(lambda: act(item, held))
    return act


def _outcome(action: ActionNode, bindings: Bindings) -> ActionResult:
    match action.source:
        case None:
            return lambda _, __: None
        case ValueNode() as node if action.keyword in {"ADD", "DELETE"}:
            return _set_action(action.keyword, bindings.value(UPDATE_KIND, node))
        case node:
            source = _source(node, bindings)
            return lambda item, _: source(item)


def _set_action(keyword: str, given: AttributeValue) -> ActionResult:
    (kind,) = given
    if kind not in arithmetic.SETS and not (kind == "N" and keyword == "ADD"):
        raise invalid_expression(
            UPDATE_KIND,
            "Incorrect operand type for operator or function; "
            f"operator: {keyword}, operand type: {TYPE_NAMES[kind]}, typeSet: ALLOWED_FOR_{keyword}_OPERAND",
        )
    if keyword == "ADD":
        return lambda _, held: arithmetic.added(held, given)
    return lambda _, held: arithmetic.deleted(held, given)


def _source(node: Operand | SumNode, bindings: Bindings) -> Source:
    match node:
        case ValueNode():
            value = bindings.value(UPDATE_KIND, node)
            return lambda _: value
        case PathNode():
            return _existing(bindings.path(UPDATE_KIND, node))
        case SumNode():
            return _sum(node, bindings)
        case FunctionNode(name="if_not_exists"):
            return _if_not_exists(node, bindings)
        case FunctionNode():
            return _list_append(node, bindings)


def _existing(path: DocumentPath) -> Source:
    get = getter(path)

    def source(item: Item) -> AttributeValue:
        value = get(item)
        if value is None:
            raise ExpressionError("The provided expression refers to an attribute that does not exist in the item")
        return value

    return source


def _check_constant(node: Operand, function: str, wanted: str, bindings: Bindings) -> None:
    """A value given in the request is checked before there is an item."""
    if isinstance(node, ValueNode):
        (kind,) = bindings.value(UPDATE_KIND, node)
        if kind != wanted:
            raise wrong_operand_type(UPDATE_KIND, function, kind)


def _sum(node: SumNode, bindings: Bindings) -> Source:
    left, right = _source(node.left, bindings), _source(node.right, bindings)
    for operand in (node.left, node.right):
        _check_constant(operand, node.operator, "N", bindings)
    calculate = add_numbers if node.operator == "+" else subtract_numbers

    def source(item: Item) -> AttributeValue:
        return {"N": calculate(_content(left(item), "N"), _content(right(item), "N"))}

    return source


def _list_append(node: FunctionNode, bindings: Bindings) -> Source:
    sources = [_source(operand, bindings) for operand in node.operands]
    if len(sources) != 2:
        raise wrong_operand_count(UPDATE_KIND, node)
    for operand in node.operands:
        _check_constant(operand, node.name, "L", bindings)
    first, second = sources
    return lambda item: {"L": _content(first(item), "L") + _content(second(item), "L")}


def _content(value: AttributeValue, kind: str) -> Any:
    if kind not in value:
        raise incorrect_data_type()
    return value[kind]


def _if_not_exists(node: FunctionNode, bindings: Bindings) -> Source:
    sources = [_source(operand, bindings) for operand in node.operands]
    if len(sources) != 2:
        raise wrong_operand_count(UPDATE_KIND, node)
    path, fallback = node.operands
    if not isinstance(path, PathNode):
        raise path_required(UPDATE_KIND, node.name)
    wanted = bindings.path(UPDATE_KIND, path)
    other = bindings.path(UPDATE_KIND, fallback) if isinstance(fallback, PathNode) else None
    check_distinct(UPDATE_KIND, node.name, wanted, [other])
    get, otherwise = getter(wanted), sources[1]

    def source(item: Item) -> AttributeValue:
        other_value = otherwise(item)  # which must exist even where it is not needed, as DynamoDB Local has it
        value = get(item)
        return other_value if value is None else value

    return source
