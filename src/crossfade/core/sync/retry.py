"""How what fails for the moment is tried again: after which errors, after how long, and how often."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import partial
from itertools import count
from typing import Any, Final, TypeVar

from crossfade.core.effects import Call, Effect, Gather, Now, Reply, Routine, Sleep, relayed
from crossfade.core.request.cancellation import reasons_of
from crossfade.core.request.error_codes import BUSY_REASONS, NO_ACCESS, PASSING
from crossfade.core.request.names import READS
from crossfade.errors import DatabaseError, ServiceRejected, StageUncertain, UnknownOutcome

Sent = TypeVar("Sent")


@dataclass(frozen=True, slots=True)
class Backoff:
    """The pauses before further tries: each twice as long as the one before, up to `seconds_max`. Drivers add jitter.

    `pauses_max` None: for as long as it takes.
    """

    seconds_first: float = 0.05
    seconds_max: float = 5.0
    pauses_max: int | None = None

    def seconds(self, number: int) -> float:
        """Return how long the pause of this number is, from 0."""
        return min(self.seconds_max, self.seconds_first * 2.0 ** min(number, 10))

    def pauses(self) -> Iterator[Sleep]:
        numbers = count() if self.pauses_max is None else range(self.pauses_max)
        return (Sleep(self.seconds(number)) for number in numbers)


BACKGROUND: Final = Backoff()  # background work gives up on nothing but a refusal
# An optimistic lock is tried so often (some 40 s in all) before the caller is told that the item is too busy. The
# pauses stay short, since whoever waits longest would else lose to every newcomer.
LOCKING: Final = Backoff(seconds_max=0.4, pauses_max=104)
# Rights that are changed are known everywhere within a minute or two; credentials are renewed in less.
NO_ACCESS_SECONDS_MAX: Final = 300.0


def is_passing(error: DatabaseError) -> bool:
    """Whether nothing was written, and the same request may be carried out a little later."""
    if not isinstance(error, ServiceRejected):
        return False
    judged = {reason.get("Code", "None") for reason in reasons_of(error)} - {"None"}
    return judged <= BUSY_REASONS if judged else error.code in PASSING


def is_unanswered(error: DatabaseError) -> bool:
    return isinstance(error, UnknownOutcome)


def is_passing_or_unanswered(error: DatabaseError) -> bool:
    return is_unanswered(error) or is_passing(error)


def resend(
    send: Callable[[], Routine[Sent]], passes: Callable[[DatabaseError], bool], backoff: Backoff = BACKGROUND
) -> Routine[Sent]:
    """Carry out what `send` makes, and again while it fails with what `passes`. Raises the last error."""
    for pause in backoff.pauses():
        try:
            return (yield from send())
        except DatabaseError as error:
            if not passes(error):
                raise
        yield from pause
    return (yield from send())


class Access:
    """What the background work of a process has in common: since when a request of a kind has been refused for the sake
    of the credentials or their rights. Until NO_ACCESS_SECONDS_MAX later it is sent again, and nothing is lost."""

    def __init__(self) -> None:
        self._refused_since: dict[tuple[str, str], float] = {}  # by place and operation

    def awaited(self, routine: Routine[Sent], is_ours: Callable[[], bool]) -> Routine[Sent]:
        """Carry a routine out, with such refusals kept from it while they may pass; likewise the end of a lease that
        is refused its renewal, while `is_ours` says that nobody has gone on without it."""
        return relayed(routine, partial(self._until_allowed, is_ours))

    def _until_allowed(self, is_ours: Callable[[], bool], effect: Effect[Any]) -> Routine[Any]:
        kind = kind_of_request(effect)
        if kind is None:
            return (yield from effect)
        began: float | None = None
        for pause in BACKGROUND.pauses():
            try:
                reply = yield from effect
            except (ServiceRejected, StageUncertain) as error:
                if not self._may_pass(error, is_ours):
                    raise
                now = yield from Now()
                began = now if began is None else began  # rights may be to some items alone
                if now - min(began, self._refused_since.setdefault(kind, now)) >= NO_ACCESS_SECONDS_MAX:
                    raise
            else:
                _ = self._refused_since.pop(kind, None)
                return reply
            yield from pause
        raise AssertionError("these pauses have no end")

    def _may_pass(self, error: ServiceRejected | StageUncertain, is_ours: Callable[[], bool]) -> bool:
        if isinstance(error, ServiceRejected):
            return error.code in NO_ACCESS
        return bool(self._refused_since) and is_ours()


def kind_of_request(effect: Effect[Any]) -> tuple[str, str] | None:
    """Return place and operation of a request that may be sent again after a refusal; of reads at once, the first's."""
    call = effect.calls[0] if isinstance(effect, Gather) and effect.calls else effect
    if isinstance(call, Call) and (call is effect or call.operation in READS):
        return call.place, call.operation
    return None


def patiently(call: Call) -> Routine[Reply]:
    """Repeat a call that may be repeated (a read, a write of whole images) while DynamoDB is merely busy."""
    return resend(call.__iter__, is_passing)


def read_again(call: Call) -> Routine[Reply]:
    """A read, however long that takes."""
    return resend(call.__iter__, is_passing_or_unanswered)


def send_conditional(call: Call, backoff: Backoff = BACKGROUND) -> Routine[tuple[Reply | None, bool]]:
    """The reply to a conditional write, None where its condition does not hold; and whether an earlier sending of it
    has had no answer, so that it may be that one which the condition has met. Raises UnknownOutcome after the last."""
    unanswered = False

    def passes(error: DatabaseError) -> bool:
        nonlocal unanswered
        unanswered = unanswered or is_unanswered(error)
        return is_unanswered(error)

    try:
        return (yield from resend(partial(patiently, call), passes, backoff)), unanswered
    except ServiceRejected as error:
        if error.code != "ConditionalCheckFailedException":
            raise
        return None, unanswered


def item_too_busy() -> ServiceRejected:
    """What DynamoDB says of an item that too many transactions want at once; SDKs may retry it."""
    return ServiceRejected("TransactionConflictException", "Transaction is ongoing for the item")


def calmly(first: Effect[Reply], again: Call) -> Routine[Reply]:
    """The caller never meets a conflict with a transaction that only crossfade makes: nothing was written, so the
    request is sent again."""
    effect = first
    for pause in LOCKING.pauses():
        try:
            return (yield from effect)
        except ServiceRejected as error:
            if error.code != "TransactionConflictException":
                raise
        yield from pause
        effect = again
    raise item_too_busy()
