"""Plays cases beside one another and says what was different.

The plain result of a case is computed once for each form of the caller's table. A case in a migrating world must give
the same trace (every operation with its answer), or what a named difference puts in its place.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, field
from itertools import groupby
from typing import Any, Protocol

from tests.contract.answers import normalised
from tests.contract.differences import REFUSED, concerned, refusing, softened, two_sided
from tests.contract.fetching import with_fetched
from tests.contract.shapes import Form, Shape
from tests.contract.steps import Answer, Case, Op, Play
from tests.contract.stricter import WRITES, refused_by_service
from tests.contract.worlds import AioMigratingWorld, Combination, MigratingWorld, PlainWorld, Sides


@dataclass(frozen=True, slots=True)
class Entry:
    """One operation and its answer, as compared."""

    op: Op = field(compare=False)  # holds the world's own names; where answers are equal, so are the next operations
    answer: Answer


@dataclass(frozen=True, slots=True)
class Failure:
    """Where one case went apart. `op` is None where it is about the tables and not about an answer."""

    combination: Combination
    case: str
    number: int
    op: Op | None
    plain: Any
    ours: Any
    why: str = ""


class World(Protocol):
    """What a migrating world offers."""

    @property
    def sides(self) -> Sides: ...
    def shape(self, prefix: str) -> Shape: ...
    def perform(self, op: Op) -> Answer: ...
    def settle(self) -> None: ...
    def close(self) -> list[str]: ...


def open_world(options: dict[str, Any], combination: Combination) -> World:
    if combination.client == "aiobotocore":
        return AioMigratingWorld(options, combination)
    return MigratingWorld(options, combination)


def played(case: Case, shape: Shape, perform: Callable[[Op], Answer]) -> list[Entry]:
    """The trace. A case that cannot go on ends with an entry that says so."""
    play, trace = Play(case, shape), list[Entry]()
    answer: Answer | None = None
    while True:
        try:
            op = play.next(answer)
        except Exception as error:  # noqa: BLE001 - a case that stumbles over a wrong answer is a finding
            trace.append(Entry(Op("(the case itself)", {}), {"stopped": f"{type(error).__name__}: {error}"}))
            return trace
        if op is None:
            return trace
        answer = perform(op)
        trace.append(Entry(op, normalised(answer, shape.token)))


@dataclass
class PlainResults:
    """Plain traces, each computed once for what is refused in it."""

    options: dict[str, Any]
    _worlds: dict[Form, PlainWorld] = field(default_factory=dict[Form, PlainWorld])
    _concerned: dict[tuple[Form, str], frozenset[str]] = field(default_factory=dict[tuple[Form, str], frozenset[str]])
    _traces: dict[tuple[Form, str, frozenset[str]], list[Entry]] = field(
        default_factory=dict[tuple[Form, str, frozenset[str]], list[Entry]]
    )

    def trace(self, case: Case, combination: Combination) -> list[Entry]:
        """What one plain table answers; what this combination refuses to do is not done here either."""
        form, refused = combination.kind.form(combination.view), refusing(combination)
        about = self._concerned.get((form, case.name))
        if about is not None and (known := self._traces.get((form, case.name, about & refused))) is not None:
            return known
        seen: set[str] = set()

        def perform(op: Op) -> Answer:
            seen.update(concerned(op))
            if concerned(op) & refused:
                return dict(REFUSED)
            refused_here = refused_write(op)
            if refused_here is not None:
                return refused_here
            return with_fetched(op, world.perform(op), (form.partition, form.sort), world.perform)

        world = self._world(form)
        shape = Shape(form, world.token, case.prefix)
        world.prepare(case, case.given(shape))
        trace = played(case, shape, perform)
        if "stopped" in trace[-1].answer:
            raise AssertionError(f"case {case.name!r} does not work on a plain table: {trace[-1].answer['stopped']}")
        self._concerned[form, case.name] = frozenset(seen)
        self._traces[form, case.name, refused & seen] = trace
        return trace

    def _world(self, form: Form) -> PlainWorld:
        if form not in self._worlds:
            self._worlds[form] = PlainWorld(self.options, form)
        return self._worlds[form]

    def close(self) -> None:
        for world in self._worlds.values():
            world.close()


def run(
    cases: Iterable[Case], combination: Combination, options: dict[str, Any], plain: PlainResults
) -> Iterator[Failure | None]:
    """Play the cases in one combination: None for each that is equal, else where it went apart; at the end the tables.

    Groups that look at whole tables go first, on tables emptied after each; the others share the tables that follow.
    """
    ordered = sorted(cases, key=lambda case: not case.alone)
    world = open_world(options, combination)
    alone = [case for case in ordered if case.alone]
    together = ordered[len(alone) :]
    try:
        for _, members in groupby(alone, key=lambda case: case.group):
            yield from of_group(list(members), world, combination, plain)
        give(together, world)
        for case in together:
            yield one(case, world, combination, plain)
        yield from at_rest(world, combination, "(at the end)")
    finally:
        complaints = world.close()
    for line in complaints:
        yield Failure(combination, "(at the end)", 0, None, None, None, line)


def refused_write(op: Op) -> Answer | None:
    """The service's answer to a write that it refuses and the engine does not, in place of the engine's."""
    rule = refused_by_service(op) if op.name in WRITES else None
    return None if rule is None else rule.answer()


def give(cases: Iterable[Case], world: World) -> None:
    """What these cases are given, all at once: each has keys of its own, or shares those of a group that only reads."""
    of_prefix = {case.prefix: case.given(world.shape(case.prefix)) for case in cases}
    world.sides.given([item for items in of_prefix.values() for item in items])


def one(case: Case, world: World, combination: Combination, plain: PlainResults) -> Failure | None:
    wanted = plain.trace(case, combination)

    def perform(op: Op) -> Answer:
        handed_on = not two_sided(combination, op.name) and not concerned(op) & refusing(combination)
        return (refused_write(op) if handed_on else None) or world.perform(op)

    return apart(case, combination, wanted, played(case, world.shape(case.prefix), perform))


def of_group(
    members: list[Case], world: World, combination: Combination, plain: PlainResults
) -> Iterator[Failure | None]:
    """Cases that need the tables for themselves: those that only read one after another, others each apart."""
    for n, case in enumerate(members):
        if n == 0 or not case.only_reads:
            give([case], world)
        yield one(case, world, combination, plain)
        if n == len(members) - 1 or not case.only_reads:
            yield from at_rest(world, combination, case.group if case.only_reads else case.name)
            world.sides.clear()


def at_rest(world: World, combination: Combination, when: str) -> Iterator[Failure]:
    """What the tables hold, once every mirror has ended."""
    world.settle()
    for line in world.sides.wrong():
        yield Failure(combination, when, 0, None, None, None, line)


def apart(case: Case, combination: Combination, wanted: list[Entry], found: list[Entry]) -> Failure | None:
    """The first entry that differs, after the named differences."""
    if wanted == found:
        return None
    left = [(entry.op, entry.answer) for entry in wanted]
    right = [(entry.op, entry.answer) for entry in found]
    left, right = softened(left, right, combination)
    for number, ((op, plain), (_, ours)) in enumerate(zip(left, right, strict=False)):
        if plain != ours:
            return Failure(combination, case.name, number + 1, op, plain, ours)
    if len(left) != len(right):
        number = min(len(left), len(right))
        op = (left + right)[number][0] if len(left) <= number else left[number][0]
        return Failure(combination, case.name, number + 1, op, len(left), len(right), "another number of operations")
    return None
