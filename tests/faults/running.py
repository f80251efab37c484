"""Makes every request of an operation fail, in every way, one at a time and in pairs, and has each outcome judged."""

from __future__ import annotations

import random
import re
import traceback
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack
from dataclasses import dataclass, field
from itertools import count, permutations
from typing import Any, Final, Generic, Protocol, TypeVar
from unittest.mock import patch

from botocore import retryhandler

from crossfade.core.sync.retry import Backoff
from tests.aws.faults import Detour
from tests.contract.answers import normalised
from tests.contract.shapes import Form, Shape
from tests.contract.steps import Answer, Op
from tests.contract.values import python_values
from tests.contract.worlds import Combination
from tests.faults.callers import ATTEMPTS, Migrating, Plain, World, called, held
from tests.faults.freeze.places import Place
from tests.faults.judge import ANSWER, Outcome, State, complaint, heard, leaked, miscounted
from tests.faults.operations import OTHERS, TABLE, Operation, given, given_others, other_key
from tests.faults.ways import (
    IN_PAIRS,
    LASTING,
    LEAVE_UNKNOWN,
    REQUESTS_MAX,
    WAYS,
    Body,
    Call,
    Fate,
    Way,
    named,
    tables_of,
)

PREFIX: Final = re.compile(r"f\d{5}")
PAUSE_SECONDS: Final = 0.002  # before crossfade tries again: nobody else is at work here
# Where items are in both tables: the place of the first of them (tests/contract/placing.py). The second, which most
# operations are about, is then in the source alone, in the target alone, or in both.
TURNS: Final = (0, 1, 3)
SHOWN_MAX: Final = 20  # requests of one call
FOLLOWING_MAX: Final = 8  # requests after one that failed that are made to fail too; no call here needs more


@dataclass(frozen=True, slots=True)
class Finding:
    """An outcome that no plain table could have had; of the strategy `freeze`, one that may not be."""

    combination: Combination | Place
    operation: str
    fate: str
    why: str
    requests: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Tried:
    answer: Answer
    call: Call
    outcome: Outcome
    before: State


@dataclass
class Bench:
    """One detour before the database, and what plain tables behind it have come to."""

    options: dict[str, Any]
    detour: Detour = field(init=False)
    _plain: dict[tuple[Form, str], Plain] = field(default_factory=dict[tuple[Form, str], Plain])
    _tried: dict[tuple[Form, str, str, Fate], Tried] = field(default_factory=dict[tuple[Form, str, str, Fate], Tried])
    _numbers: Iterator[int] = field(default_factory=count)
    _open: ExitStack = field(default_factory=ExitStack)

    def __post_init__(self) -> None:
        self.detour = Detour(self.options["endpoint_url"])
        _ = self._open.callback(self.detour.stop)
        _ = self._open.enter_context(patch.object(retryhandler, "delay_exponential", no_delay))
        _ = self._open.enter_context(patch.object(Backoff, "seconds", short_pause))

    def prefix(self) -> str:
        return f"f{next(self._numbers):05d}"

    def close(self) -> None:
        for world in self._plain.values():
            world.close()
        self._open.close()

    def on_plain(self, combination: Combination, operation: Operation, fate: Fate = ()) -> Tried:
        """What a plain table of the caller's form comes to."""
        form, kind = combination.kind.form(combination.view), combination.client
        known = form, kind, operation.name, fate
        if known not in self._tried:
            world = self._plain.get((form, kind))
            if world is None:
                world = self._plain[form, kind] = Plain(self.options, self.detour.url, form, kind)
            if operation.reads:  # it may see all that is there
                _ = world.clear()
            self._tried[known] = tried(world, self.detour, operation, fate, self.prefix())
        return self._tried[known]

    def possible(self, combination: Combination, operation: Operation, fate: Fate) -> list[Outcome]:
        """The outcomes of a plain table, undisturbed and with its own requests failing as these did."""
        alike = [[each for each in WAYS if each.kind == way.kind] for _, way in fate]
        fates: list[Fate] = [(), *(((1, way),) for ways in alike for way in ways)]
        if combination.client == "retries":  # the second attempt may fail too, or every one
            for ways in alike:
                fates += [((2, way),) for way in ways]
                fates += [tuple((n, way) for n in range(1, ATTEMPTS + 1)) for way in ways]
            for first, second in permutations(alike, 2):
                fates += [((1, one), (2, other)) for one in first for other in second]
        found = [self.on_plain(combination, operation, each) for each in fates]
        return [each.outcome for each in found]


def short_pause(_: Backoff, number: int) -> float:
    """Before crossfade does, however often it has."""
    del number
    return PAUSE_SECONDS


def no_delay(**_: Any) -> float:
    """Before botocore tries again."""
    return 0.0


# --- one call


def tried(
    world: World, detour: Detour, operation: Operation, fate: Fate, prefix: str, *,
    turn: int | None = None, is_given: bool = False, before: State | None = None, knows: bool = False,
) -> Tried:  # fmt: skip
    """Give the items, make the call, and see what was told and what is there. `before`: what was, if that is known.
    `knows`: by a process that has asked before what the tables are like."""
    shape = world.shape(prefix)
    if not is_given:
        world.given(given(shape), given_others(shape), turn)
    op = operation.make(shape)
    if operation.again:
        answer, _ = called(world, detour, op)
        assert "raised" not in answer, f"{op.name} fails, undisturbed: {answer}"
    if before is None:
        before = {} if operation.reads else state_of(world, detour, shape)
    if not knows:
        world.forget()
    answer, call = called(world, detour, op, fate)
    told, detail = heard(answer, cleaner(shape))
    state: State = {} if operation.reads else state_of(world, detour, shape)
    left: dict[str, list[Any]] | None = answer.get("UnprocessedItems")
    if told == ANSWER and left:
        keys = [key for key, entry in keys_of(world, shape).items() if is_among(entry, left)]
        if world.kind != "retries" and any(state[key] != before[key] for key in keys):  # else by an earlier attempt
            told = f"left unprocessed, and written: {keys}"
        state = done_after_all(world, detour, left, shape)
        detail = {**detail, "UnprocessedItems": dict[str, Any]()}
    return Tried(answer, call, Outcome(told, detail, state), before)


def done_after_all(world: World, detour: Detour, left: Any, shape: Shape) -> State:
    """What there is once the application has sent again what was left."""
    while left:
        answer = world.send(Op("BatchWriteItem", {"RequestItems": left}))
        assert "raised" not in answer, answer
        left = answer.get("UnprocessedItems")
    return state_of(world, detour, shape)


def state_of(world: World, detour: Detour, shape: Shape) -> State:
    """The item under each key that is looked at, without what tells one call from another."""
    items, clean = held(world, detour, shape), cleaner(shape)
    found = {
        name: [item for item in items if key.items() <= item.items()] for name, key in keys_of(world, shape).items()
    }
    return {name: clean(each[0]) if each else None for name, each in found.items()}


def keys_of(world: World, shape: Shape) -> dict[str, Any]:
    """Each key that is looked at, as this kind of client has it."""
    keys = {f"item {n}": shape.key(n) for n in TABLE} | {f"other {name}": other_key(shape, name) for name in OTHERS}
    return {name: python_values(key) for name, key in keys.items()} if world.kind == "resource" else dict(keys)


def is_among(key: Any, left: dict[str, list[Any]]) -> bool:
    """Whether a batch leaves the item unprocessed."""
    items = [
        given.get("Item") or given["Key"] for entries in left.values() for each in entries for given in each.values()
    ]
    return any(key.items() <= item.items() for item in items)


def cleaner(shape: Shape) -> Callable[[Any], Any]:
    def clean(value: Any) -> Any:
        return normalised(normalised({"": value}, shape.token), shape.prefix)[""]

    return clean


# --- all that can become of it


class Befalling(Protocol):
    """A way in which a request fails."""

    def is_for(self, operation: str, body: Body, /) -> bool: ...


class Tryable(Protocol):
    """What a call has sent, and how many of its faults came to pass."""

    requests: list[tuple[str, Body]]

    @property
    def met(self) -> int: ...


B = TypeVar("B", bound=Befalling)


@dataclass(frozen=True, slots=True)
class Fates(Generic[B]):
    """What a call is put through: the ways that may come alone, and those that go into pairs. `lasting` are those that
    last, where there are pairs. Of pairs, at most `pairs_max` are tried, drawn by `seed`; None: all."""

    ways: Sequence[B]
    lasting: Sequence[B]
    in_pairs: Sequence[B]
    requests_max: int = REQUESTS_MAX  # what is sent behind so many is left in peace
    following_max: int = FOLLOWING_MAX
    pairs_max: int | None = None
    seed: int = 1

    def try_all(self, make: Callable[[tuple[tuple[int, B], ...]], Tryable], *, pairs: bool) -> int:
        """Make the call in every fate: undisturbed, to see what it sends; with each request failing in each way; and
        with each that then follows failing as well, in the ways that go into pairs, or for good. Return how many pairs
        were not drawn."""
        found: list[tuple[tuple[int, B], ...]] = []
        for n, request in enumerate(make(()).requests[: self.requests_max], 1):
            for way in (*self.ways, *(self.lasting if pairs else ())):
                if not way.is_for(*request):
                    continue
                call = make(((n, way),))
                if pairs and way in self.in_pairs and call.met:
                    found += [((n, way), second) for second in self._following(n, call)]
        drawn = found
        if self.pairs_max is not None and len(found) > self.pairs_max:
            drawn = random.Random(self.seed).sample(found, self.pairs_max)
        for fate in drawn:
            _ = make(fate)
        return len(found) - len(drawn)

    def _following(self, place: int, call: Tryable) -> Iterator[tuple[int, B]]:
        """What may befall the requests behind this place of a call."""
        for n, request in enumerate(call.requests[place : place + self.following_max], place + 1):
            for way in self.in_pairs:
                if way.is_for(*request):
                    yield n, way


@dataclass
class Trial:
    """All the fates of one operation in one combination."""

    bench: Bench
    world: Migrating
    operation: Operation
    turn: int | None
    findings: list[Finding] = field(default_factory=list[Finding])
    count: int = 0
    _knows: bool = False
    _fates: dict[str, Fate] = field(default_factory=dict[str, Fate])  # by prefix
    _shared: str = ""  # the prefix of a read, whose fates share what they read

    def run(self, ways: Sequence[Way], *, pairs: bool) -> bool:
        """Whether this stage takes the operation at all."""
        first = self._tried(())
        if first.answer.get("raised") == "NotPossibleInStage":
            _ = self.world.clear()
            return False
        fates = Fates(ways, LASTING, IN_PAIRS)
        _ = fates.try_all(self._judged, pairs=pairs)
        if any(operation == "DescribeTable" for operation, _ in first.call.requests):
            _, self._knows = self._tried(()), True
            _ = fates.try_all(self._judged, pairs=pairs)
        for line in self.world.clear():
            found = PREFIX.search(line)
            fate = self._fates.get(found[0]) if found else None
            self._found("?" if fate is None else named(fate), f"at rest: {line}")
        return True

    def _tried(self, fate: Fate) -> Tried:
        prefix = (self.operation.reads and self._shared) or self.bench.prefix()
        is_given = prefix == self._shared
        self._fates[prefix] = fate
        if self.operation.reads:
            self._shared = prefix
        before = self.bench.on_plain(self.world.world.combination, self.operation).before
        return tried(
            self.world, self.bench.detour, self.operation, fate, prefix,
            turn=self.turn, is_given=is_given, before=before, knows=self._knows,
        )  # fmt: skip

    def _judged(self, fate: Fate) -> Call:
        may_be_unknown = self._may_be_unknown(fate)
        found = self._tried(fate)
        if found.call.met < len(fate):
            return found.call
        self.count += 1
        op = self.operation.make(self.world.shape(self._shared))
        wrongs = (
            complaint(
                found.outcome,
                self.bench.possible(self.world.world.combination, self.operation, fate),
                found.before,
                by_entry=self.operation.by_entry,
                may_be_unknown=may_be_unknown,
            ),
            "it sent request after request, without an end" if found.call.endless else None,
            leaked(found.answer, self.world.forbidden()),
            miscounted(found.answer, len(op.request.get("TransactItems", ()))),
        )
        for wrong in wrongs:
            if wrong is not None:
                self._found(named(fate), wrong, found.call)
        return found.call

    def _may_be_unknown(self, fate: Fate) -> bool:
        """Of a batch, also where one entry is refused after another was written."""
        return any(way.kind in LEAVE_UNKNOWN or self.operation.by_entry for _, way in fate)

    def _found(self, fate: str, why: str, call: Call | None = None) -> None:
        requests = [] if call is None else call.requests[:SHOWN_MAX]
        sent = [f"{operation} {' '.join(tables_of(body))}" for operation, body in requests]
        where = self.world.world.combination
        self.findings.append(Finding(where, self.operation.name, fate, why, tuple(sent)))


@dataclass
class Result:
    """Of one combination."""

    combination: Combination | Place
    findings: list[Finding] = field(default_factory=list[Finding])
    count: int = 0
    left: int = 0  # pairs that were not drawn
    refused: list[str] = field(default_factory=list[str])


def run(
    bench: Bench, combination: Combination, operations: list[Operation], ways: Sequence[Way] = WAYS, *, pairs: bool
) -> Result:
    """Every fate of these operations in one combination."""
    result = Result(combination)
    world = Migrating(bench.options, bench.detour.url, combination)
    try:
        for operation in operations:
            for turn in TURNS if combination.row.merges else (None,):
                trial = Trial(bench, world, operation, turn)
                try:
                    if not trial.run(ways, pairs=pairs):
                        result.refused.append(operation.name)
                except Exception as error:  # noqa: BLE001 - what the trial itself stumbles over is to be seen too
                    text = "".join(traceback.format_exception(error))
                    result.findings.append(Finding(combination, operation.name, "(the trial itself)", text))
                result.count += trial.count
                result.findings += trial.findings
    finally:
        complaints = world.close()
    result.findings += [Finding(combination, "(at the end)", "", line) for line in complaints]
    return result
