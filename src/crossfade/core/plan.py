"""What becomes of a request: one plan for each, made once, before anything is sent.

The router carries a plan out on botocore's events, and the simulator on its network. Where a plan but for `Run` turns
out not to do (the reply is an error, or shows a stamp), the routine makes the answer after all: it is told what came.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field, replace
from typing import Final, TypeAlias

from crossfade.core.effects import Forward, Reply, Request, Routine
from crossfade.core.request.names import READS, WRITES, mapping_in
from crossfade.core.request.stamp_names import names_stamp
from crossfade.core.request.wellformed import fault_in
from crossfade.core.routing import read_passes, route, shows_nothing, write_passes
from crossfade.core.stages import LADDERS, Fallback, Side, Stage, Writes, other_side
from crossfade.core.sync.ramp import is_ramped
from crossfade.core.tables.pair import Pair
from crossfade.core.write.fast_path import FastPath
from crossfade.core.write.malformed import refuse_malformed

SINGLE_ITEM: Final = ("GetItem", "PutItem", "UpdateItem", "DeleteItem")


@dataclass(frozen=True, slots=True)
class PassThrough:
    """The request goes out as it is, and nothing follows its reply."""

    def __str__(self) -> str:
        return "pass through"


@dataclass(frozen=True, slots=True)
class Translate:
    """The request goes to the other table in that table's form, and its reply comes back in the caller's."""

    side: Side

    def __str__(self) -> str:
        return f"translate for {self.side}"


@dataclass(frozen=True, slots=True)
class ReplyThenMirror:
    """The request goes out as it is and its reply is the caller's as it comes. Then the routine runs, told the reply,
    for what it leaves for later: a mirror, or a comparison."""

    def __str__(self) -> str:
        return "reply, then mirror"


@dataclass(frozen=True, slots=True)
class Run:
    """The routine carries the operation out. It keeps `request`, a copy of its own."""

    operation: str
    stage: Stage
    request: Request = field(repr=False)
    routine: Routine[Reply] = field(compare=False, repr=False)

    def __str__(self) -> str:
        return f"run the routine of {self.operation} in {self.stage}"


Plan: TypeAlias = PassThrough | Translate | ReplyThenMirror | Run

PASS_THROUGH: Final = PassThrough()
REPLY_THEN_MIRROR: Final = ReplyThenMirror()
WITHOUT_ROUTINE: Final = (PassThrough, Translate)  # nothing follows the reply of these


class Planner:
    """Plans requests on the tables of one migration. Thread-safe."""

    def __init__(self, pair: Pair, strategy: str) -> None:
        self.fast_path = FastPath(pair)
        self._pair = pair
        self._strategy = strategy
        self._rows = LADDERS[strategy]
        self._callers_name = pair.caller.name
        self._key_length = len(pair.caller.key_names)
        stamped = any(row.stamped_source for row in self._rows.values())
        self._may_show_stamps = stamped or pair.view == "target"
        self._singles: dict[tuple[Stage, int], dict[str, Plan | None]] = {}

    def plan(
        self,
        stage: Stage,
        ramp_percent: int,
        operation: str,
        request: Request,
        own: Callable[[Request], Request],
        *,
        is_followed: bool = False,
    ) -> Plan:
        """Return the plan of a request. `own` makes a copy of it for a routine, which looks at it for longer than the
        call may last. `is_followed`: a later migration answers what is asked of the target. Raises NotPossibleInStage
        or ServiceRejected; then nothing may be sent."""
        singles = self._singles.get((stage, ramp_percent))
        if singles is None:
            singles = self._singles[stage, ramp_percent] = self._plan_singles(stage, ramp_percent)
        is_sound = False
        if operation in singles:
            plan = singles[operation]
            if plan is not None and self._is_plain(operation, request):
                return plan
        else:
            is_sound = fault_in(operation, request) is None
            if (
                is_sound
                and self._may_pass(stage, ramp_percent, operation, request)
                and self._route(stage, ramp_percent, operation, request, is_followed=is_followed) is None
            ):
                return PASS_THROUGH  # found without a copy: a routine that is not begun has looked at nothing
        return self.run(stage, ramp_percent, operation, own(request), is_followed=is_followed, is_sound=is_sound)

    def passes(self, stage: Stage, ramp_percent: int, operation: str, request: Request) -> bool:
        """Whether it is plain that a request on one item goes out as it is, and that nothing follows."""
        singles = self._singles.get((stage, ramp_percent))  # none of a stage in which nothing was planned yet
        return singles is not None and singles.get(operation) is PASS_THROUGH and self._is_plain(operation, request)

    def run(
        self,
        stage: Stage,
        ramp_percent: int,
        operation: str,
        request: Request,
        *,
        is_followed: bool = False,
        sent: bool = False,
        is_sound: bool = False,
    ) -> Plan:
        """Plan with a routine, which keeps the request; PassThrough where it needs none. `sent`: it is on its way
        already, by itself. `is_sound`: it has been looked at, and its shape is that of its operation."""
        fault = None if is_sound else fault_in(operation, request)
        if fault is not None:
            routine = refuse_malformed(self._pair, self._rows[stage], operation, request, fault, sent=sent)
        else:
            found = self._route(stage, ramp_percent, operation, request, is_followed=is_followed)
            if found is None and not sent:
                return PASS_THROUGH
            routine = found or iter(Forward())
        return Run(operation, stage, request, routine)

    def follow_up(self, stage: Stage, ramp_percent: int, operation: str, request: Request) -> Routine[Reply]:
        """Return the routine that a ReplyThenMirror leaves: it forwards, and the reply has come already."""
        routine = self._route(stage, ramp_percent, operation, request)
        if routine is None:
            raise AssertionError(f"{operation} in {stage} is not one that is followed by a mirror")
        return routine

    def serves_alone(self, stage: Stage) -> bool:
        """Whether in this stage the caller's table is all that counts, and holds nothing of ours."""
        row = self._rows[stage]
        return row.is_alone(self._pair.view) and not row.stamped_source

    def _is_plain(self, operation: str, request: Request) -> bool:
        """Whether the stage alone tells how this request on one item goes."""
        if request["TableName"] != self._callers_name:
            return False
        if self._may_show_stamps and (not shows_nothing(operation, request) or names_stamp(request)):
            return False  # its reply may show a stamp, or its condition may look at one
        return "Key" not in request or len(mapping_in(request["Key"])) <= self._key_length  # else each takes its own

    def _plan_singles(self, stage: Stage, ramp_percent: int) -> dict[str, Plan | None]:
        """Plan the operations on one item, as far as the stage alone tells; None: their routine runs."""
        any_request: Request = {"TableName": self._callers_name, "Key": {}, "Item": {}}
        row, pair = self._rows[stage], self._pair
        other = other_side(pair.view)
        plans: dict[str, Plan | None] = {}
        for operation in SINGLE_ITEM:
            plans[operation] = None
            reads = operation in READS
            if self._route(stage, ramp_percent, operation, any_request) is None:
                plans[operation] = PASS_THROUGH
            elif row.authority == other and not pair.mapping.source_key_extras and not pair.mapping.target_key_extras:
                is_alone = not row.compare and row.fallback is Fallback.NONE if reads else row.writes is Writes.PLAIN
                plans[operation] = Translate(other) if is_alone else None
            elif row.authority == pair.view == "source" and not row.stamped_source:
                is_later = not is_ramped(row, ramp_percent) if reads else row.writes is Writes.MIRRORED
                plans[operation] = REPLY_THEN_MIRROR if is_later else None
        return plans

    def _may_pass(self, stage: Stage, ramp_percent: int, operation: str, request: Request) -> bool:
        """Whether a request on several items is likely to need no routine in this stage."""
        row = self._rows[stage]
        if operation in WRITES:
            return write_passes(self._pair, row, operation, request)
        return read_passes(self._pair, row, ramp_percent, request)

    def _route(
        self, stage: Stage, ramp_percent: int, operation: str, request: Request, *, is_followed: bool = False
    ) -> Routine[Reply] | None:
        pair = replace(self._pair, is_followed=True) if is_followed else self._pair
        return route(pair, stage, ramp_percent, operation, request, strategy=self._strategy)
