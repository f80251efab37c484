"""What a later stage will refuse of a request that this one serves; and a parallel Scan, which should not be begun on
both sides of the move where the order changes.

Nobody should learn in `complete` that a call cannot be carried out there: there is no way back from it. So each request
that a stage serves is routed, in thought, in every stage above. What a mapping cannot answer is refused before the
first effect, and where that takes what an index is like, DescribeTable of both tables tells, once a process and in the
background; nothing else is sent for this. It follows from the form of a request (its operation, its index, its key
condition), not from its values, so each form is thought about once.
"""

from __future__ import annotations

from collections import Counter
from contextlib import suppress
from copy import deepcopy
from dataclasses import dataclass
from typing import Any, Final

from crossfade.core.effects import Call, Request, Routine
from crossfade.core.request.names import READS, WRITES, statements, table_names
from crossfade.core.routing import UNTOUCHED, route
from crossfade.core.stages import LADDERS, SIDES, Side, Stage
from crossfade.core.tables.indexes import described
from crossfade.core.tables.pair import Pair
from crossfade.errors import CrossfadeError, NotPossibleInStage

ORDER_CHANGES: Final = "order_changes"  # the event of a call that is served, but should not span a move; facts as below
HOT_KEY: Final = "hot_key"  # the event of an item that is written so often that later stages limit it; facts as below
REFUSED_LATER: Final = "refused_later"  # the event; its facts: those of a Foreseen, and the time in seconds since 1970
FORMS_KEPT: Final = 1_000  # a program has few
# Of these members the text itself decides; of all others only whether they are there.
DECISIVE: Final = ("TableName", "IndexName", "KeyConditionExpression", "ConsistentRead", "Select", "TotalSegments")


@dataclass(frozen=True, slots=True)
class Foreseen:
    """A kind of call that is served now, and refused in these later stages."""

    operation: str
    table: str
    index: str  # "" for none
    stages: tuple[Stage, ...]
    reason: str
    next_step: str
    is_served: bool = False  # there too: but what has begun before does not fit what begins there, or it is
    is_slow: bool = False  # slower there


class UndescribedError(Exception):
    """What an index is like is not known."""


@dataclass(slots=True)
class Waiting:
    """A form of request that is thought about when the tables are described, and how often it was seen by then."""

    stage: Stage
    operation: str
    request: Request
    count: int = 0


class Foresight:
    """Thinks once about each form of a request. Thread-safe."""

    def __init__(self, pair: Pair, strategy: str) -> None:
        self._pair = pair
        self._strategy = strategy
        self._ladder = tuple(LADDERS[strategy])
        self._known: dict[object, Foreseen | None] = {}
        self._waiting: dict[object, Waiting] = {}
        self._is_described = False

    @property
    def waits(self) -> bool:
        """Whether anything waits for `describe`."""
        return bool(self._waiting)

    def describe(self) -> Routine[list[tuple[Foreseen, int]]]:
        """Ask both tables what their indexes are like; what waited for it, and how often that was seen."""
        for side in () if self._is_described else SIDES:
            with suppress(CrossfadeError):  # it may not be allowed: then this is not foreseen
                yield from described(self._pair, side)
        self._is_described = True
        found: list[tuple[Foreseen, int]] = []
        while self._waiting:
            _, each = self._waiting.popitem()
            foreseen = self.of(each.stage, each.operation, each.request)
            if foreseen is not None:
                found.append((foreseen, each.count))
        return found

    def of(self, stage: Stage, operation: str, request: Request) -> Foreseen | None:
        """Never raises: a request that is malformed is the service's to refuse, in any stage. What takes a description
        is told by `describe`."""
        if stage is Stage.COMPLETE or (operation not in READS and operation not in WRITES):
            return None
        try:
            form = form_of(stage, operation, request)
            if form in self._known:
                return self._known[form]
        except Exception:  # noqa: BLE001 - to watch must never harm
            return None
        try:
            found = self._thought_about(stage, operation, request)
        except UndescribedError:
            self._wait(form, stage, operation, request)
            return None
        except Exception:  # noqa: BLE001 - as above
            return None
        if len(self._known) >= FORMS_KEPT:
            self._known.clear()
        self._known[form] = found
        return found

    def _wait(self, form: object, stage: Stage, operation: str, request: Request) -> None:
        if self._is_described:
            return
        waiting = self._waiting.get(form)
        if waiting is None and len(self._waiting) < FORMS_KEPT:
            waiting = self._waiting[form] = Waiting(stage, operation, deepcopy(request))
        if waiting is not None:
            waiting.count += 1

    def _thought_about(self, stage: Stage, operation: str, request: Request) -> Foreseen | None:
        """Raises whatever else than NotPossibleInStage is found: then nothing is known of this form."""
        if self._refusal(stage, operation, request) is not None:
            return None  # the caller is told at once
        later = self._ladder[self._ladder.index(stage) + 1 :]
        refusals = {above: self._refusal(above, operation, request) for above in later}
        found = {above: refusal for above, refusal in refusals.items() if refusal is not None}
        if not found:
            return self._in_another_order(stage, operation, request)
        last = list(found.values())[-1]
        reason = last.message.removesuffix(UNTOUCHED)  # so far the call is carried out
        return Foreseen(*self._call(operation, request), tuple(found), reason, last.next_step)

    def _in_another_order(self, stage: Stage, operation: str, request: Request) -> Foreseen | None:
        """Find the later stage whose parallel Scans divide the other table, so that segments do not fit together."""
        if operation != "Scan" or request.get("TotalSegments", 1) == 1 or "ExclusiveStartKey" in request:
            return None
        now = self._begins_in(stage, request)
        later = self._ladder[self._ladder.index(stage) + 1 :]
        above = next((above for above in later if self._begins_in(above, request) != now), None)
        if above is None:
            return None
        return Foreseen(
            *self._call(operation, request),
            stages=(above,),
            reason=f"segments that begin before {above} are parts of {self._pair.table(now).name}, those that begin"
            " later are parts of the other table: together they miss items and repeat others",
            next_step=f"let all segments of a Scan begin before the move to {above}, or after it",
            is_served=True,
        )

    def _begins_in(self, stage: Stage, request: Request) -> Side:
        from crossfade.core.pages.order import order_of

        row = LADDERS[self._strategy][stage]
        return "source" if row.merges else order_of(row, request)[0]

    def _refusal(self, stage: Stage, operation: str, request: Request) -> NotPossibleInStage | None:
        """What the routing says before it has asked for anything."""
        try:
            routine = route(self._pair, stage, 0, operation, request, strategy=self._strategy, in_own_words=True)
            if routine is None:
                return None
            effect = next(routine)
            routine.close()
        except NotPossibleInStage as refusal:
            return refusal
        if isinstance(effect, Call) and effect.operation == "DescribeTable":
            raise UndescribedError
        return None

    def _call(self, operation: str, request: Request) -> tuple[str, str, str]:
        """The operation, its table and its index, as a Foreseen tells them."""
        named = {self._pair.source.name, self._pair.target.name}.intersection(table_names(operation, request))
        table = named.pop() if len(named) == 1 else self._pair.caller.name
        return operation, table, request.get("IndexName", "")


def form_of(stage: Stage, operation: str, request: Request) -> object:
    """What decides whether a request is refused; hashable."""
    shared = (stage, operation, tuple(request), tuple(request.get(name) for name in DECISIVE))
    match operation:
        case "Query" | "Scan":
            names: dict[str, Any] = request.get("ExpressionAttributeNames") or {}
            token: dict[str, Any] = request.get("ExclusiveStartKey") or {}
            legacy: dict[str, Any] = request.get("KeyConditions") or {}
            return (*shared, tuple(names.items()), tuple(token), tuple(legacy))
        case "ExecuteStatement" | "BatchExecuteStatement" | "ExecuteTransaction":
            return (*shared, tuple(statements(operation, request)))
        case "TransactWriteItems" | "TransactGetItems":  # an action may be two, and there are a hundred at most
            kinds = Counter(next(iter(action), "") for action in request["TransactItems"])
            return (*shared, tuple(sorted(set(table_names(operation, request)))), tuple(sorted(kinds.items())))
        case _:
            return (*shared, tuple(sorted(set(table_names(operation, request)))))
