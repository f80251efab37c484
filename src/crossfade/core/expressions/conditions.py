"""Conditions and filters: parsed once, resolved for a request, then asked of any number of items.

Resolving turns the tree into nested functions over an item, so that asking is only calls. The checks made on the way
come in the service's order: operands from left to right, then the operator they belong to.
"""

from __future__ import annotations

from collections.abc import Callable, Container, Mapping
from dataclasses import dataclass
from functools import lru_cache
from typing import TypeAlias

from crossfade.core.expressions import comparing
from crossfade.core.expressions.bindings import Bindings
from crossfade.core.expressions.checks import check_condition
from crossfade.core.expressions.errors import invalid_expression, wrong_operand_type
from crossfade.core.expressions.operands import (
    Operands,
    ResolvedOperand,
    check_distinct,
    path_required,
)
from crossfade.core.expressions.parser import OPERATORS_PARSED_MAX, parse_condition, too_many_operators
from crossfade.core.expressions.syntax import (
    BetweenNode,
    ComparisonNode,
    ConditionNode,
    FunctionNode,
    InNode,
    LogicNode,
    NotNode,
    Operand,
)
from crossfade.core.expressions.translated import is_translated
from crossfade.core.items import AttributeValue, Item, same

Test: TypeAlias = Callable[[Mapping[str, AttributeValue]], bool]

CONDITIONS_CACHED_MAX = 4096  # expressions kept: an application has tens, a generated test some thousands
IN_OPERANDS_MAX = 100  # "a list of up to 100 values"
TYPES = ("N", "BS", "L", "B", "NULL", "M", "S", "SS", "NS", "BOOL")
# The service's message for a path given where `attribute_type` wants a value; the list has no fixed order.
_ANY_TYPE = "{BOOL,NS,DOUBLE,M,HD,DOUBLESET,INTSET,NULL,DECIMALSET,FS,B,BS,L,DICT,SS,HDS,INT,N,S,FLOAT,DECIMAL}"
_NO_ATTRIBUTES: Item = {}


@dataclass(frozen=True, slots=True)
class Condition:
    """A condition whose placeholders are known. `paths` are the top-level attributes that it reads."""

    paths: frozenset[str]
    test: Test

    def holds(self, item: Mapping[str, AttributeValue] | None) -> bool:
        """Whether the item fulfils it; None is an absent item, which has no attributes."""
        return self.test(_NO_ATTRIBUTES if item is None else item)


def condition(text: str, bindings: Bindings, *, kind: str = "ConditionExpression") -> Condition:
    """A condition, or with `kind="FilterExpression"` a filter; ExpressionError if it is not valid."""
    tree, operators = parsed_condition(kind, text)
    resolver = Resolver(kind, bindings)
    test = resolver.test(tree)
    if operators > OPERATORS_PARSED_MAX and not is_translated(text):
        raise too_many_operators(kind)
    return Condition(frozenset(resolver.operands.attributes), test)


@lru_cache(maxsize=CONDITIONS_CACHED_MAX)
def parsed_condition(kind: str, text: str) -> tuple[ConditionNode, int]:
    """The checked tree and the number of its operators and functions."""
    tree = parse_condition(kind, text)
    check_condition(kind, tree)
    return tree, _count(tree)


def _count(node: ConditionNode | Operand) -> int:
    match node:
        case LogicNode():
            return len(node.parts) - 1 + sum(map(_count, node.parts))
        case NotNode():
            return 1 + _count(node.inner)
        case ComparisonNode():
            return 1 + _count(node.left) + _count(node.right)
        case BetweenNode():
            return 1 + _count(node.operand) + _count(node.lower) + _count(node.upper)
        case InNode():
            return 1 + _count(node.operand) + sum(map(_count, node.choices))
        case FunctionNode():
            return 1 + sum(map(_count, node.operands))
        case _:
            return 0


class Resolver:
    """Turns the trees of one expression into tests; what they read is noted in `operands`."""

    __slots__ = ("_kind", "operands")

    def __init__(self, kind: str, bindings: Bindings) -> None:
        self._kind = kind
        self.operands = Operands(kind, bindings)

    def test(self, node: ConditionNode) -> Test:
        match node:
            case ComparisonNode():
                return self._comparison(node)
            case LogicNode():
                return self._logic(node)
            case FunctionNode():
                return self._function(node)
            case NotNode():
                inner = self.test(node.inner)
                return lambda item: not inner(item)
            case BetweenNode():
                return self._between(node)
            case InNode():
                return self._in(node)

    def _logic(self, node: LogicNode) -> Test:
        tests = [self.test(part) for part in node.parts]
        if len(tests) == 2:
            left, right = tests
            if node.word == "AND":
                return lambda item: left(item) and right(item)
            return lambda item: left(item) or right(item)
        if node.word == "AND":
            return lambda item: all(test(item) for test in tests)
        return lambda item: any(test(item) for test in tests)

    def _comparison(self, node: ComparisonNode) -> Test:
        left, right = self.operands.one(node.left), self.operands.one(node.right)
        comparator = node.operator
        if comparator not in {"=", "<>"}:
            self._check_kinds(comparator, comparing.ORDERED, left, right)
        check_distinct(self._kind, comparator, left.path, [right.path])
        mine, theirs = left.get, right.get
        if comparator == "=":
            return lambda item: _equal(mine(item), theirs(item))
        if comparator == "<>":
            return lambda item: not _equal(mine(item), theirs(item))
        return lambda item: comparing.in_order(mine(item), comparator, theirs(item))

    def _check_kinds(self, operator: str, kinds: Container[str], *operands: ResolvedOperand) -> None:
        for operand in operands:
            if operand.kind is not None and operand.kind not in kinds:
                raise wrong_operand_type(self._kind, operator, operand.kind)

    def _between(self, node: BetweenNode) -> Test:
        operands = [self.operands.one(each) for each in (node.operand, node.lower, node.upper)]
        value, lower, upper = operands
        self._check_kinds("BETWEEN", comparing.ORDERED, *operands)
        check_distinct(self._kind, "BETWEEN", value.path, [lower.path, upper.path])
        if lower.constant is not None and upper.constant is not None:
            self._check_bounds(lower.constant, upper.constant)
        return lambda item: comparing.between(value.get(item), lower.get(item), upper.get(item))

    def _check_bounds(self, lower: AttributeValue, upper: AttributeValue) -> None:
        wanted = None
        if lower.keys() != upper.keys():
            wanted = "same data type for lower and upper bounds"
        elif comparing.in_order(lower, ">", upper):
            wanted = "upper bound to be greater than or equal to lower bound"
        if wanted is not None:
            raise invalid_expression(
                self._kind,
                f"The BETWEEN operator requires {wanted}; lower bound operand: {_shown(lower)}, "
                f"upper bound operand: {_shown(upper)}",
            )

    def _in(self, node: InNode) -> Test:
        value = self.operands.one(node.operand)
        choices = [self.operands.one(choice) for choice in node.choices]
        check_distinct(self._kind, "IN", value.path, [choice.path for choice in choices])
        if len(choices) > IN_OPERANDS_MAX:
            what = f"The IN operator is provided with too many operands; number of operands: {len(choices)}"
            raise invalid_expression(self._kind, what)
        get, gets = value.get, [choice.get for choice in choices]

        def test(item: Mapping[str, AttributeValue]) -> bool:
            mine = get(item)
            return any(_equal(mine, each(item)) for each in gets)

        return test

    def _function(self, node: FunctionNode) -> Test:
        match node.name:
            case "attribute_exists" | "attribute_not_exists":
                (found,) = self.operands.all(node, 1)
                if found.path is None:
                    raise path_required(self._kind, node.name)
                get = found.get
                if node.name == "attribute_exists":
                    return lambda item: get(item) is not None
                return lambda item: get(item) is None
            case "attribute_type":
                return self._attribute_type(node)
            case name:
                left, right = self.operands.all(node, 2)
                if name == "begins_with":
                    self._check_kinds(name, {"S", "B"}, left, right)
                check_distinct(self._kind, name, left.path, [right.path])
                mine, theirs = left.get, right.get
                relation = comparing.begins_with if name == "begins_with" else comparing.contains
                return lambda item: relation(mine(item), theirs(item))

    def _attribute_type(self, node: FunctionNode) -> Test:
        value, wanted = self.operands.all(node, 2)
        check_distinct(self._kind, node.name, value.path, [wanted.path])
        if wanted.constant is None or wanted.kind != "S":
            raise wrong_operand_type(self._kind, node.name, wanted.kind or _ANY_TYPE)
        name = wanted.constant["S"]
        if name not in TYPES:
            what = f"Invalid attribute type name found; type: {name}, valid types: {{{','.join(TYPES)}}}"
            raise invalid_expression(self._kind, what)
        get = value.get

        def test(item: Mapping[str, AttributeValue]) -> bool:
            found = get(item)
            return found is not None and name in found

        return test


def _equal(left: AttributeValue | None, right: AttributeValue | None) -> bool:
    return left is not None and right is not None and same(left, right)


def _shown(value: AttributeValue) -> str:
    """A bound as the service's message prints it."""
    ((kind, content),) = value.items()
    if kind == "B":
        content = f"java.nio.HeapByteBuffer[pos=0 lim={len(content)} cap={len(content)}]"
    return f"AttributeValue: {{{kind}:{content}}}"
