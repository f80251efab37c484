"""The trees that expressions parse to: what was written, before any placeholder is looked up.

They depend on the text alone, so they are kept from one request to the next.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal, TypeAlias

from crossfade.core.expressions.errors import PathStep

Comparator = Literal["=", "<>", "<", "<=", ">", ">="]
Keyword = Literal["SET", "REMOVE", "ADD", "DELETE"]


@dataclass(frozen=True, slots=True)
class PathNode:
    """A document path; a step that begins with `#` is a placeholder."""

    steps: tuple[PathStep, ...]


@dataclass(frozen=True, slots=True)
class ValueNode:
    """A value's placeholder, with its colon."""

    name: str


@dataclass(frozen=True, slots=True)
class FunctionNode:
    """A call; whether there is such a function, and here, is not a matter of syntax."""

    name: str
    operands: tuple[Operand, ...]


Operand: TypeAlias = PathNode | ValueNode | FunctionNode


@dataclass(frozen=True, slots=True)
class ComparisonNode:
    operator: Comparator
    left: Operand
    right: Operand


@dataclass(frozen=True, slots=True)
class BetweenNode:
    operand: Operand
    lower: Operand
    upper: Operand


@dataclass(frozen=True, slots=True)
class InNode:
    operand: Operand
    choices: tuple[Operand, ...]


@dataclass(frozen=True, slots=True)
class LogicNode:
    """Conditions joined by the same word, left to right."""

    word: Literal["AND", "OR"]
    parts: tuple[ConditionNode, ...]


@dataclass(frozen=True, slots=True)
class NotNode:
    inner: ConditionNode


ConditionNode: TypeAlias = ComparisonNode | BetweenNode | InNode | LogicNode | NotNode | FunctionNode


@dataclass(frozen=True, slots=True)
class SumNode:
    operator: Literal["+", "-"]
    left: Operand
    right: Operand


@dataclass(frozen=True, slots=True)
class ActionNode:
    """One action of an update: `source` is what SET assigns, or the value of ADD and DELETE; None for REMOVE."""

    keyword: Keyword
    path: PathNode
    source: Operand | SumNode | None


@dataclass(frozen=True, slots=True)
class UpdateNode:
    """The actions in the order written, and the sections' keywords in theirs."""

    sections: tuple[Keyword, ...]
    actions: tuple[ActionNode, ...]
