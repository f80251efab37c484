"""Parsing by recursive descent, one method a rule of the grammar.

Precedence, loosest first: OR, AND, NOT, comparisons (with BETWEEN, IN and functions).
The service refuses parentheses directly around parentheses.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import Literal, TypeVar, cast

from crossfade.core.expressions.errors import ExpressionError, PathStep, invalid_expression
from crossfade.core.expressions.syntax import (
    ActionNode,
    BetweenNode,
    Comparator,
    ComparisonNode,
    ConditionNode,
    FunctionNode,
    InNode,
    Keyword,
    LogicNode,
    NotNode,
    Operand,
    PathNode,
    SumNode,
    UpdateNode,
    ValueNode,
)
from crossfade.core.expressions.tokens import Lexeme, lexemes, syntax_error

OPERATORS_PARSED_MAX = 300  # "the maximum number of operators or functions in an UpdateExpression", and elsewhere
PARENTHESES_MAX = 100  # parentheses inside parentheses: far more than people write, and well below Python's own stack
_COMPARATORS = frozenset({"=", "<>", "<", "<=", ">", ">="})
_SECTIONS = frozenset({"SET", "REMOVE", "ADD", "DELETE"})
T = TypeVar("T")


def parse_condition(kind: str, text: str) -> ConditionNode:
    parser = _Parser(kind, text)
    return parser.whole(parser.condition)


def parse_update(kind: str, text: str) -> UpdateNode:
    parser = _Parser(kind, text)
    return parser.whole(parser.update)


def parse_projection(kind: str, text: str) -> tuple[PathNode, ...]:
    parser = _Parser(kind, text)
    return parser.whole(lambda: parser.separated(parser.path))


def too_many_operators(kind: str) -> ExpressionError:
    """The service stops counting at the first operator too many."""
    return invalid_expression(
        kind, f"The expression contains too many operators; operator count: {OPERATORS_PARSED_MAX + 1}"
    )


class _Parser:
    def __init__(self, kind: str, text: str) -> None:
        self._kind = kind
        self._text = text
        self._tokens: list[Lexeme] = lexemes(kind, text)
        self._at = 0
        self._open = 0  # parentheses around the token at hand
        self._closed = (-1, -1)  # where the group that closed last had its parentheses

    # tokens

    def _sort(self) -> str:
        return self._tokens[self._at].sort

    def _take(self) -> Lexeme:
        token = self._tokens[self._at]
        self._at += 1
        return token

    def _expect(self, sort: str) -> Lexeme:
        if self._sort() != sort:
            raise self._error()
        return self._take()

    def _error(self) -> ExpressionError:
        return syntax_error(self._kind, self._text, self._tokens, self._at)

    def whole(self, rule: Callable[[], T]) -> T:
        """What `rule` finds, which must be all there is."""
        found = rule()
        _ = self._expect("end")
        return found

    def separated(self, rule: Callable[[], T]) -> tuple[T, ...]:
        """One or more of `rule` between commas."""
        found = [rule()]
        while self._sort() == ",":
            _ = self._take()
            found.append(rule())
        return tuple(found)

    def _group(self, rule: Callable[[], T]) -> T:
        opened = self._at
        found = self._within(rule)
        if self._closed == (opened + 1, self._at - 2):
            raise self._redundant()
        self._closed = (opened, self._at - 1)
        return found

    def _within(self, rule: Callable[[], T]) -> T:
        _ = self._expect("(")
        self._open += 1
        if self._open > PARENTHESES_MAX:
            raise self._redundant() if self._has_redundant() else too_many_operators(self._kind)
        found = rule()
        _ = self._expect(")")
        self._open -= 1
        return found

    def _redundant(self) -> ExpressionError:
        return invalid_expression(self._kind, "The expression has redundant parentheses;")

    def _has_redundant(self) -> bool:
        """Whether any parentheses lie directly around others, told without going down into them."""
        opened: list[int] = []
        closed = (-1, -1)
        for at, token in enumerate(self._tokens):
            if token.sort == "(":
                opened.append(at)
            elif token.sort == ")" and opened:
                group = (opened.pop(), at)
                if closed == (group[0] + 1, at - 1):
                    return True
                closed = group
        return False

    # paths and operands

    def path(self) -> PathNode:
        steps: list[PathStep] = [self._name()]
        while True:
            match self._sort():
                case ".":
                    _ = self._take()
                    steps.append(self._name())
                case "[":
                    _ = self._take()
                    steps.append(int(self._expect("index").text))
                    _ = self._expect("]")
                case _:
                    return PathNode(tuple(steps))

    def _name(self) -> str:
        if self._sort() not in {"word", "placeholder"}:
            raise self._error()
        return self._take().text

    def _operand(self) -> Operand:
        match self._sort():
            case "(":
                return self._group(self._operand)
            case "value":
                return ValueNode(self._take().text)
            case "word" if self._tokens[self._at + 1].sort == "(":
                return self._call()
            case _:
                return self.path()

    def _call(self) -> FunctionNode:
        name = self._take().text
        return FunctionNode(name, self._within(lambda: self.separated(self._operand)))

    # conditions

    def condition(self) -> ConditionNode:
        return cast("ConditionNode", self._disjunction(bare=False))

    def _disjunction(self, *, bare: bool) -> ConditionNode | Operand:
        """`bare` allows an operand alone: in parentheses it may turn out to be one side of a comparison."""
        alternatives: list[ConditionNode] = []
        while True:
            joined: list[ConditionNode] = []
            while True:
                part = self._negation(bare=bare)
                if isinstance(part, PathNode | ValueNode):
                    return part
                bare = False
                joined.append(part)
                if self._sort() != "AND":
                    break
                _ = self._take()
            alternatives.append(joined[0] if len(joined) == 1 else LogicNode("AND", tuple(joined)))
            if self._sort() != "OR":
                return alternatives[0] if len(alternatives) == 1 else LogicNode("OR", tuple(alternatives))
            _ = self._take()

    def _negation(self, *, bare: bool) -> ConditionNode | Operand:
        negations = 0
        while self._sort() == "NOT":
            _ = self._take()
            negations += 1
        found = self._predicate(bare=bare and not negations)
        for _ in range(min(negations, OPERATORS_PARSED_MAX + 1)):  # enough to be counted as too many
            found = NotNode(cast("ConditionNode", found))
        return found

    def _predicate(self, *, bare: bool) -> ConditionNode | Operand:
        if self._sort() == "(":
            left = self._group(lambda: self._disjunction(bare=True))
            if not isinstance(left, PathNode | ValueNode | FunctionNode):
                return left
        else:
            left = self._operand()
        match self._sort():
            case operator if operator in _COMPARATORS:
                _ = self._take()
                return ComparisonNode(cast("Comparator", operator), left, self._operand())
            case "BETWEEN":
                return self._between(left)
            case "IN":
                _ = self._take()
                return InNode(left, self._within(lambda: self.separated(self._operand)))
            case _ if bare or isinstance(left, FunctionNode):
                return left
            case _:
                raise self._error()

    def _between(self, operand: Operand) -> BetweenNode:
        _ = self._take()
        lower = self._operand()
        _ = self._expect("AND")
        return BetweenNode(operand, lower, self._operand())

    # updates

    def update(self) -> UpdateNode:
        sections: list[Keyword] = []
        actions: list[ActionNode] = []
        while self._sort() in _SECTIONS:
            keyword = cast("Keyword", self._take().sort)
            sections.append(keyword)
            actions.extend(self.separated(partial(self._action, keyword)))
        if not sections:
            raise self._error()
        return UpdateNode(tuple(sections), tuple(actions))

    def _action(self, keyword: Keyword) -> ActionNode:
        path = self.path()
        match keyword:
            case "REMOVE":
                return ActionNode(keyword, path, None)
            case "SET":
                _ = self._expect("=")
                return ActionNode(keyword, path, self._source())
            case _:
                return ActionNode(keyword, path, ValueNode(self._expect("value").text))

    def _source(self) -> Operand | SumNode:
        left = self._group(self._source) if self._sort() == "(" else self._operand()
        if isinstance(left, SumNode) or self._sort() not in {"+", "-"}:
            return left
        operator = cast("Literal['+', '-']", self._take().sort)
        return SumNode(operator, left, self._operand())
