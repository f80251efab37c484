"""One process as a client of a migration: what is the same wherever its background work is done.

Beside the application (membership.py) or within its calls (inline.py).
"""

from __future__ import annotations

import random
import time
from collections.abc import Callable
from dataclasses import asdict
from functools import partial
from typing import TYPE_CHECKING, Any, Final

from crossfade.aws.answers import from_wire
from crossfade.aws.clients import Attached, endpoint_and_region
from crossfade.aws.in_flight import InFlight
from crossfade.aws.operation import Forwarded, Operations
from crossfade.aws.router import AttachSettings
from crossfade.control.agent import Agent
from crossfade.control.comparisons import Comparisons
from crossfade.control.fallbacks import FallbackHits
from crossfade.control.hot_keys import HOT_WRITES, HotKeys
from crossfade.control.open_tickets import Ticket
from crossfade.control.refusals import ForeseenRefusals
from crossfade.core.effects import Later, Reply, Request, Routine
from crossfade.core.foresight import HOT_KEY, ORDER_CHANGES, REFUSED_LATER, Foreseen
from crossfade.core.request.names import WRITES
from crossfade.core.stages import ALL_LADDERS, Stage
from crossfade.core.sync.source_fallback import FALLBACK
from crossfade.core.tables.pair import Pair
from crossfade.drivers.local import LocalEffects
from crossfade.observe import Watch

if TYPE_CHECKING:
    from crossfade.aws.observing import HasMirrors, RequestEvents
    from crossfade.drivers.aio import AsyncCallFunction
    from crossfade.drivers.sync import CallFunction

RIGHTS_AFTER_SECONDS: Final = 0.5  # a process that has just joined, or entered a stage, has something better to do
RIGHTS_SECONDS: Final = 600.0  # how often it is tried what the coming stages take: about 25 small requests
RIGHTS_AGAIN_SECONDS: Final = 5.0  # where something was denied; then twice as long, and so on
RIGHTS_AGAIN_SECONDS_MAX: Final = 60.0


class Member:
    """A process's part in the migration. Thread-safe, the agent included."""

    clock = staticmethod(time.monotonic)

    def __init__(self, attached: Attached, settings: AttachSettings, watch: Watch) -> None:
        self._attached = attached
        self._settings = settings
        self._watch = watch
        self.pair: Pair = settings.pair()
        self.agent: Agent = settings.agent(endpoint_and_region(attached.client))
        self.in_flight: InFlight = InFlight()
        self.fallbacks: FallbackHits = FallbackHits(self.agent.host, self.agent.pid)
        self.refusals: ForeseenRefusals = ForeseenRefusals(self.agent.host, self.agent.pid)
        self._hot_keys = HotKeys(self.pair.source.name)
        self.comparisons: Comparisons = Comparisons(self.agent.host, self.agent.pid)
        self.operations: Operations = Operations(
            self.pair, self.agent, self.put, self.clock, settings.migration.strategy, self._foreseen
        )
        self.requests: RequestEvents | None = request_events(watch, settings.migration.name, self.pair)
        self._rights_due: tuple[Stage | None, float] = (None, 0.0)  # and from which stage on that holds
        self._rights_again = RIGHTS_AGAIN_SECONDS

    @property
    def local(self) -> LocalEffects:
        raise NotImplementedError

    def put(self, later: Later, ticket: Ticket) -> None:
        """Leave work for later; of comparisons a share, drawn for each, so that every key has its turn."""
        percent = self._settings.compare_percent
        if later.kind == "compare" and percent < 100 and random.random() * 100 >= percent:  # noqa: S311 - a sample
            later.routine.close()
            return
        if self._watch.sees_calls:
            from crossfade.aws.observing import observed_work

            later = observed_work(later, self._watch, self._settings.migration.name)
        if later.kind == "mirror" and not later.delay_seconds:
            hot = self._hot_keys.written(later.key, ticket.stage, self.clock())
            if hot is not None:
                self._foreseen(hot, HOT_WRITES)
        self._put(later, ticket)

    def _put(self, later: Later, ticket: Ticket) -> None:
        raise NotImplementedError

    def adopt(self, later: Later, ticket: Ticket) -> None:
        """Leave work for later whose caller is gone."""
        self._put(later, ticket)

    def follow(self, forwarded: Forwarded, content: bytes | Reply) -> None:
        """Do later what follows an answer that was given as it came. The ticket is held, and released by this."""
        raise NotImplementedError

    def _lose(self, key: str, error: BaseException) -> None:
        """Count a mirror that came to nothing before it was put, and tell it."""
        raise NotImplementedError

    def _follow_up(self, ticket: Ticket, operation: str, own: Callable[[], Request], content: bytes | Reply) -> None:
        try:
            reply = from_wire(content) if isinstance(content, bytes) else content
            self.operations.follow_up(self.local, ticket, operation, own(), reply)
        except Exception as error:  # noqa: BLE001 - the caller has its answer: what is lost is the mirror
            if operation in WRITES:
                self._lose(operation, error)
            else:
                self._note("compare", {"outcome": "error", "key": operation, "error": str(error)})
        finally:
            self.agent.release(ticket)

    def _following(self, forwarded: Forwarded, content: bytes | Reply) -> Callable[[], None]:
        following = partial(self._follow_up, forwarded.ticket, forwarded.operation, forwarded.own, content)
        if not self._watch.sees_calls:
            return following
        from crossfade.aws.observing import on_behalf

        return on_behalf(following)

    def _blocking(self, call: CallFunction) -> CallFunction:
        """Return what makes requests of our own, told where somebody asks for that."""
        return self.requests.blocking(call) if self.requests else call

    def _awaited(self, call: AsyncCallFunction) -> AsyncCallFunction:
        return self.requests.awaited_at(call) if self.requests else call

    # --- what status is to show

    def _note(self, name: str, facts: dict[str, Any]) -> None:
        """An event of the background: for the observer, and what `status` is to show."""
        if name == FALLBACK:
            self.fallbacks.hit(self.agent.client_id, facts["key"], facts["at"], facts["outcome"])
        if name == "compare":
            self.comparisons.note(facts)
        self._watch.note(name, facts)

    def _foreseen(self, kind: Foreseen, count: int = 1) -> None:
        """Calls that a later stage will refuse: kept for `status`; each kind is told to the observer once."""
        at = int(time.time())
        if self.refusals.seen(self.agent.client_id, kind, at, count):
            event = HOT_KEY if kind.is_slow else ORDER_CHANGES if kind.is_served else REFUSED_LATER
            self._watch.note(event, {"key": f"{kind.operation}: {kind.reason}", **asdict(kind), "at": at})

    @property
    def _tells_now(self) -> bool:
        """Whether it is time to tell what there is to tell."""
        due = any(told.due(self.clock()) for told in (self.fallbacks, self.refusals))
        return due or self.operations.foresight.waits

    @property
    def _has_untold(self) -> bool:
        return bool(self.fallbacks.untold or self.refusals.untold or self.operations.foresight.waits)

    def _telling(self) -> Routine[None]:
        """Tell what `status` is to show."""
        if self.operations.foresight.waits:
            for kind, count in (yield from self.operations.foresight.describe()):
                self._foreseen(kind, count)
        for told in (self.fallbacks, self.refusals):
            if told.untold:
                yield from told.tell(self.agent.control, self.clock())

    def _tell_of_comparisons(self) -> None:
        """Have the next renewal tell what comparisons have come to."""
        self.agent.compared = self.comparisons.outcomes
        self.agent.failing = self.comparisons.failing(self.clock())

    def _differences_are_due(self) -> bool:
        """Whether it is time to look whether what comparisons have found to differ stays so."""
        compares = ALL_LADDERS[self._settings.migration.strategy][self.agent.stage].keeps_equal
        return compares and self.comparisons.due(self.clock())

    def _looks_at_differences(self) -> dict[str, Routine[None]]:
        """Return a closer look at each such key, by its name."""
        control, client = self.agent.control, self.agent.client_id
        keys = self.comparisons.keys(self.clock())
        return {name: self.comparisons.look(self.pair, control, client, key) for name, key in keys.items()}

    def _rights_are_due(self) -> bool:
        """Whether it is time to find out what a coming stage would be denied; then it is for the next time later."""
        stage, now = self.agent.stage, self.clock()
        if stage is not self._rights_due[0]:
            self._rights_due = (stage, now + RIGHTS_AFTER_SECONDS)
        if now < self._rights_due[1]:
            return False
        self._rights_due = (stage, now + (self._soon() if self.agent.denied else RIGHTS_SECONDS))
        return True

    def _soon(self) -> float:
        """Return in how many seconds it is tried again what was denied."""
        seconds = min(self._rights_again, RIGHTS_AGAIN_SECONDS_MAX)
        self._rights_again = 2 * seconds
        return seconds

    def _find_denials(self) -> Routine[None]:
        """What is found, the next renewal tells."""
        from crossfade.control.probing import find_denials

        known, is_over = self.agent.denied, self.agent.stage is Stage.COMPLETE  # the source may be gone
        self.agent.denied = "" if is_over else (yield from find_denials(self.pair))
        if not self.agent.denied:
            self._rights_again = RIGHTS_AGAIN_SECONDS
        elif not known:
            self._rights_due = (self._rights_due[0], self.clock() + self._soon())

    def _tell_pulse(self, work: HasMirrors) -> None:
        """How this process stands, for those who watch it over time."""
        if not self._watch.sees_calls:
            return
        from crossfade.aws.observing import pulse_of

        self._watch.tell(pulse_of(self.agent, self._settings.migration.strategy, work))

    def _went_wrong(self, error: Exception) -> None:
        self._watch.note("agent_error", {"client": self.agent.client_id, "error": str(error)})


def request_events(watch: Watch, migration: str, pair: Pair) -> RequestEvents | None:
    """Return what tells of the requests that a process makes; None where nobody asks for that."""
    if not watch.sees_calls:
        return None
    from crossfade.aws.observing import RequestEvents

    return RequestEvents(watch, migration, pair)
