"""What the switch decides in each stage, without I/O: the same for threads and for asyncio.

A call is admitted (or, while writes are held, told to wait), carried out by a routine, and ended. Around a write that
is mirrored stands an intent: recorded before it, and settled by the mirror after it.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from types import TracebackType
from typing import Any, Final, Self

from crossfade.control.agent import Agent
from crossfade.control.open_tickets import Ticket
from crossfade.control.records import RepairRecord
from crossfade.control.repairs import forget_repair, put_repair
from crossfade.core.effects import Later, Note, Now, Routine
from crossfade.core.stages import FREEZE, Ramp, Row, Side
from crossfade.core.sync.ramp import ramp_bucket
from crossfade.drivers.scope import TicketScope
from crossfade.errors import CrossfadeError, DatabaseError, Held
from crossfade.switch.comparing import Answer, can_compare, compare
from crossfade.switch.declaring import Operation, Read
from crossfade.switch.intents import Intent, Intents
from crossfade.switch.invoking import Invoke, Raised
from crossfade.switch.keys import key_of, key_text
from crossfade.switch.mirror import KeepsEqual, SaveFailed
from crossfade.switch.refusals import Refusals

LANDING: Final = "landing#"  # no key's text begins so: what is only waited for takes no mirror's place
NO_KEY: Final = ""  # of a comparison about no entity in particular


class SwitchScope(TicketScope):
    """The lease is asked before each write of a repository, as before each request of our own."""

    __slots__ = ()

    def invoking(self, effect: Invoke) -> None:
        """Raises StageUncertain when it may not be begun any more."""
        if not effect.writes:
            return
        if self.ticket.strict:
            self._agent.may_send(self.ticket)
        self.sent = True


class SwitchAgent(Agent):
    """What is lost on the way stays in the repair queue, so it asks for no verify; it is counted all the same."""

    def lost(self, key: str, error: object) -> None:  # noqa: ARG002 - told by whoever calls
        with self._lock:
            self.lost_mirrors += 1

    def forgotten(self, key: str, error: object) -> None:
        """A write that no queue has room for: only a verify answers for it."""
        super().lost(key, error)


@dataclass(slots=True)
class Call:
    """One call of the application, and what goes with it until it has ended."""

    operation: Operation
    invoke: Invoke
    keys: tuple[tuple[Any, str], ...]
    ticket: Ticket
    intents: list[Intent]

    @property
    def row(self) -> Row:
        return FREEZE[self.ticket.stage]


@dataclass(frozen=True, slots=True)
class Switchboard:
    agent: SwitchAgent
    mirror: KeepsEqual
    intents: Intents
    put: Callable[[Later, Ticket], None]
    note: Callable[[str, dict[str, Any]], None]
    chance: Callable[[], float]
    landing_seconds: float
    hold_seconds: float
    refusals: Refusals

    def admit(self, operation: Operation, invoke: Invoke, now: float, since: float) -> Call | None:
        """None: writes are held; ask again in a moment. Raises Held when that goes on since too long,
        NotPossibleInStage for a key that cannot be one, StageUncertain without a lease."""
        found = operation.keys(invoke.arguments, dict(invoke.named))
        if operation.writes:
            for key in found:
                self.mirror.check_key(key)
        keys = tuple((key, key_text(key)) for key in found)
        what = operation.what
        ticket = self.agent.begin(not (isinstance(what, Read) and what.eventual))
        if operation.writes and FREEZE[ticket.stage].holds:
            self.agent.release(ticket)  # nothing was begun
            if now - since < self.hold_seconds:
                return None
            raise Held(
                f"{operation.name} was held for {now - since:.1f} s, while the authority moves in migration"
                f" {self.agent.control.migration}: nothing was written",
                next_step="try again",
            )
        return Call(operation, invoke, keys, ticket, [])

    def mirrors(self, row: Row) -> bool:
        """Whether what is written to the authority of this stage is ours to bring to the other side."""
        return row.keeps_equal and not self.carries(row)

    def carries(self, row: Row) -> bool:
        """Whether the log does that."""
        return self.mirror.carried == "log" and row.authority == "source"

    # --- the call itself

    def routine(self, call: Call) -> Routine[Any]:
        """Raises Raised for what the application's own method raised."""
        return self._write(call) if call.operation.writes else self._read(call)

    def _write(self, call: Call) -> Routine[Any]:
        if self.mirrors(call.row):
            for key, text in call.keys:
                yield from self._intend(call, key, text)
        return (yield from call.invoke.on(call.row.authority))

    def _intend(self, call: Call, key: Any, text: str) -> Routine[None]:
        """The record first. Raises DatabaseError, and then nothing was written."""
        intent = self.intents.take(key, text, self.agent.client_id)
        if intent is None:
            self.agent.forgotten(text, "too many keys wait to be mirrored")
            why = "too many keys wait to be mirrored"
            yield from Note("mirror_lost", {"key": text, "error": why, "reason": why})
            return
        call.intents.append(intent)
        yield from self._record(intent)

    def _record(self, intent: Intent) -> Routine[None]:
        if intent.put:
            return
        record = intent.record()
        intent.sent = True
        yield from put_repair(self.agent.control, record)
        self.intents.was_put(intent, record.serial)

    def _read(self, call: Call) -> Routine[Any]:
        read, row = call.operation.what, call.row
        assert isinstance(read, Read)  # noqa: S101 - see `routine`
        text = call.keys[0][1] if call.keys else NO_KEY
        side = self._serving_side(read, row, call.ticket.ramp_percent, text)
        answer: Answer | None = None
        if side != row.authority:
            try:
                answer = Answer((yield from call.invoke.on(side)))
            except Raised as raised:  # as before the ramp, then: the other side is not the one to say what is not there
                yield from Note("ramp_failed", {"key": text, "operation": call.operation.name, "error": raised.message})
                side = row.authority
        error: Raised | None = None
        if answer is None:
            try:
                answer = Answer((yield from call.invoke.on(side)))
            except Raised as raised:
                answer, error = Answer(error=raised.error), raised
        if row.compare and read.compare and self._sampled(read):
            if can_compare(answer.value):
                again = compare(read, call.invoke, text, side, answer)
                yield from Later("compare", text or call.operation.name, again)
            else:
                yield from Note("compare", {"outcome": "dropped", "key": text, "why": "an iterator can be read once"})
        if error is not None:
            raise error
        return answer.value

    def _serving_side(self, read: Read, row: Row, ramp_percent: int, text: str) -> Side:
        if not read.eventual or row.ramp is Ramp.NONE or ramp_bucket(text) >= ramp_percent:
            return row.authority
        return "target"

    def _sampled(self, read: Read) -> bool:
        return read.samples >= 1.0 or self.chance() < read.samples

    # --- after it

    def ended(self, call: Call, scope: SwitchScope, error: BaseException | None, now: float) -> None:
        """End the call, once, however it went. Raises StageUncertain when the answer must not be given."""
        may_land = call.operation.writes and scope.sent and error is not None and error not in self.refusals
        lands_until = now + self.landing_seconds if may_land else float("-inf")
        for intent in call.intents:
            self.intents.write_ended(intent, now, lands_until)
            self._mirror_later(intent, call.ticket, 0.0)
            if may_land:
                self._mirror_later(intent, call.ticket, self.landing_seconds)
        if may_land and not call.intents:  # it holds its ticket until it can no longer land
            for _, text in call.keys:
                self.put(Later("mirror", f"{LANDING}{text}", nothing(), self.landing_seconds), call.ticket)
        self.agent.end(call.ticket)

    def _mirror_later(self, intent: Intent, ticket: Ticket, delay_seconds: float) -> None:
        routine = self.mirrored(intent, FREEZE[ticket.stage])
        self.put(Later("mirror", intent.text, routine, delay_seconds), ticket)

    def mirrored(self, intent: Intent, row: Row) -> Routine[None]:
        """Make the other side equal and settle the intent. It fails without an error: the intent stays, and is tried
        again."""
        ended = self.intents.look(intent.text)
        if ended is None:
            return
        began = yield from Now()
        try:
            if self.mirrors(row):
                yield from self._record(intent)
                yield from self.mirror.sync(row.authority, intent.key, lambda: self._is_followed(intent.text, ended))
        except CrossfadeError as error:
            now = yield from Now()
            self.intents.failed(intent.text, error.message, now, self._lands_until(error))
            yield from Note("mirror_failed", {"key": intent.text, "error": error.message, "seconds": now - began})
            return
        record = self.intents.settled(intent.text, ended, began, (yield from Now()))
        if record is not None:
            if intent.taken_over:
                yield from Note("repaired", {"key": intent.text})
            yield from forget_repair(self.agent.control, record)

    def _is_followed(self, text: str, ended: int) -> bool:
        """Whether a write has ended since, which brings a mirror of its own."""
        return not self.agent.rules.check_read or self.intents.look(text) != ended

    def _lands_until(self, error: CrossfadeError) -> float:
        return error.sent + self.landing_seconds if isinstance(error, SaveFailed) else float("-inf")

    def take_over(self, left: RepairRecord, row: Row) -> Routine[None]:
        """Make a key that another client has left one of our own: in the queue under our name before its record goes,
        and mirrored like what is written here. So a save of the repair without an answer keeps the key in the queue,
        whatever is written and settled meanwhile."""
        try:
            if self.mirrors(row):
                intent = self.intents.take(key_of(left.key), left.key, self.agent.client_id)
                if intent is None:
                    return  # there is no room; it stays where it is
                intent.taken_over = left.client != self.agent.client_id
                yield from self._taken(intent, row)
            yield from forget_repair(self.agent.control, left)
        except DatabaseError as error:
            yield from Note("repair_failed", {"key": left.key, "error": error.message})

    def _taken(self, intent: Intent, row: Row) -> Routine[None]:
        """Treat the key like a write that has ended and can land no more."""
        now = yield from Now()
        try:
            yield from self._record(intent)
        finally:
            self.intents.write_ended(intent, now, float("-inf"))
        yield from Later("mirror", intent.text, self.mirrored(intent, row))


class UnderWay:
    """`with UnderWay(board, call, clock) as under_way`: carry the call out within it, and it is ended, once, however
    that went. What a method of a repository raised leaves the block quietly, and is the application's to get."""

    def __init__(self, board: Switchboard, call: Call, clock: Callable[[], float]) -> None:
        self.scope = SwitchScope(board.agent, call.ticket, board.put)
        self._board = board
        self._call = call
        self._clock = clock
        self._raised: BaseException | None = None

    @property
    def raised(self) -> BaseException:
        """The application's own error, as it was raised."""
        assert self._raised is not None  # noqa: S101 - nothing else goes on behind the block
        return self._raised

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> bool:
        """Raises StageUncertain when the answer must not be given."""
        if isinstance(error, Raised):
            error = self._raised = error.error
        self._board.ended(self._call, self.scope, error, self._clock())
        return self._raised is not None


def nothing() -> Routine[None]:
    """Work that is only waited for."""
    yield from Now()
