"""What a case is: a generator that yields operations and is sent their answers, so that it knows no client."""

from __future__ import annotations

import copy
from collections.abc import Callable, Generator, Iterable, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final, TypeAlias, TypeVar
from zlib import crc32

if TYPE_CHECKING:
    from tests.contract.shapes import Shape

Request: TypeAlias = dict[str, Any]  # botocore's parameters
Answer: TypeAlias = dict[str, Any]  # a parsed answer, or the error in its place
Steps: TypeAlias = "Generator[Op, Answer, None]"
Given: TypeAlias = "Callable[[Shape], list[Any]]"
Kept: TypeAlias = "Callable[[Answer], Answer]"
T = TypeVar("T")

STEPS_MAX: Final = 150  # a paging case that does not come to an end is a failure, not a suite that hangs


@dataclass(frozen=True, slots=True)
class Op:
    """One call of a client."""

    name: str
    request: Request


@dataclass(frozen=True, slots=True)
class Case:
    """`given`: what the tables hold before; `alone`: it looks at whole tables or indexes, so nothing else may be there;
    `only_reads`: it changes nothing, so all such cases of a group share what the first one was given."""

    group: str
    title: str
    steps: Callable[[Shape], Steps]
    given: Given
    alone: bool
    only_reads: bool

    @property
    def name(self) -> str:
        return f"{self.group}: {self.title}"

    @property
    def prefix(self) -> str:
        """Of its partition keys: short, the same in every world, and nobody else's but of a group that only reads."""
        return f"c{crc32((self.group if self.only_reads else self.name).encode()):08x}"


EVERY_CASE: Final[list[Case]] = []


def nothing(_table: Shape) -> list[Any]:
    return []


class Group:
    """Cases of one kind; each joins EVERY_CASE. Where they write, what they leave is read back at the end of each."""

    def __init__(self, name: str, *, given: Given = nothing, alone: bool = False, only_reads: bool = False) -> None:
        self.name = name
        self.given = given
        self.alone = alone
        self.only_reads = only_reads

    def case(self, function: Callable[[Shape], Iterable[Op] | Steps]) -> None:
        """A case by itself, named for its function."""
        self.add(function.__name__.replace("_", " "), function)

    def each(self, title: str, variants: Mapping[str, T], function: Callable[[Shape, T], Iterable[Op] | Steps]) -> None:
        """One case a variant, such as one expression."""
        for name, variant in variants.items():
            self.add(f"{title}, {name}", lambda table, variant=variant: function(table, variant))  # type: ignore[misc]

    def asking(
        self,
        title: str,
        variants: Mapping[str, Request],
        function: Callable[[Shape, Request], Iterable[Op] | Steps],
    ) -> None:
        """One case for each set of parameters."""
        self.each(title, variants, function)

    def making(
        self,
        title: str,
        variants: Mapping[str, Callable[[Shape], Any]],
        function: Callable[[Shape, Callable[[Shape], Any]], Iterable[Op] | Steps],
    ) -> None:
        """One case for each thing that is made in the caller's form, such as a key."""
        self.each(title, variants, function)

    def add(self, title: str, function: Callable[[Shape], Iterable[Op] | Steps]) -> None:
        def steps(table: Shape) -> Steps:
            made = function(table)
            if isinstance(made, Generator):
                yield from made
            else:
                for op in made:
                    _ = yield op
            if not self.only_reads:
                yield from contents(table)

        if any(case.name == f"{self.name}: {title}" for case in EVERY_CASE):
            raise AssertionError(f"two cases are called {self.name}: {title}")
        EVERY_CASE.append(Case(self.name, title, steps, self.given, self.alone, self.only_reads))


def contents(table: Shape) -> Steps:
    """What the case's first partition holds now."""
    yield table("Query", KeyConditionExpression="{p} = :p0", ConsistentRead=table.form.strongly)


def as_given(token: Answer) -> Answer:
    return token


def pages(first: Op, kept: Kept = as_given) -> Generator[Op, Answer, list[Answer]]:
    """The operation and all that follow it by its tokens, or by what is kept of them."""
    answers: list[Answer] = []
    request = first.request
    while True:
        answer: Answer = yield Op(first.name, request)
        answers.append(answer)
        token = answer.get("LastEvaluatedKey")
        if token is None:
            return answers
        request = {**request, "ExclusiveStartKey": kept(token)}


class Play:
    """One performance of a case: gives an operation, takes its answer, gives the next."""

    def __init__(self, case: Case, shape: Shape) -> None:
        self._steps = case.steps(shape)
        self._taken = 0

    def next(self, answer: Answer | None = None) -> Op | None:
        """The next operation, None at the end. What a case raises (it misses something in an answer) is raised."""
        self._taken += 1
        if self._taken > STEPS_MAX:
            raise AssertionError(f"more than {STEPS_MAX} operations: the pages do not end")
        try:
            op = next(self._steps) if answer is None else self._steps.send(copy.deepcopy(answer))
        except StopIteration:
            return None
        return Op(op.name, copy.deepcopy(op.request))
