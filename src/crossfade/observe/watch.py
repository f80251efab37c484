"""Watching never harms: events are counted and handed to the observers, and an observer's error is counted too.

An observer has `on_event(event)`, and gets one frozen object of `events.py` for each event, those of every call among
them; or it is a function `(name, facts)`, which gets what is worth a word, and of calls nothing. Both are called on
whatever thread or task the event happened on, sometimes that of a caller, so they should be quick; what they raise goes
no further.

What somebody should look at is a warning in the log `crossfade` as well: the first of a kind at once, then at most one
line in ten seconds, which says how many there were.
"""

from __future__ import annotations

import logging
import threading
import time
from collections import Counter
from collections.abc import Callable, Iterable
from typing import TYPE_CHECKING, Any, Final, Protocol, TypeAlias, cast, runtime_checkable

from crossfade.control.telling import told_key
from crossfade.core.foresight import HOT_KEY, ORDER_CHANGES, REFUSED_LATER
from crossfade.core.items import Item
from crossfade.core.mapping.values import show_key
from crossfade.core.sync.compare import Difference
from crossfade.core.sync.expiring import EXPIRY_UNKNOWN
from crossfade.core.sync.source_fallback import FALLBACK
from crossfade.errors import ConfigurationError

if TYPE_CHECKING:
    from crossfade.observe.events import Event


@runtime_checkable
class EventObserver(Protocol):
    """What an adapter is. It may be given to any number of `attach`."""

    def on_event(self, event: Event, /) -> None: ...


NoteObserver: TypeAlias = Callable[[str, dict[str, Any]], None]
Observer: TypeAlias = EventObserver | NoteObserver | Iterable[EventObserver | NoteObserver]

LOG: Final = logging.getLogger("crossfade")
LINE_SECONDS: Final = 10.0  # between two lines of one kind, of which there may be thousands a second

ALERTS: Final = {
    f"{FALLBACK}.copied": "the source alone had an item, which was copied to the target",
    f"{FALLBACK}.failed": "the source alone has an item, which the target does not take",
    f"{FALLBACK}.there": "the source alone had an item when a write made a new one in the target without it",
    HOT_KEY: "an item is written so often that the stages in lockstep will limit it",
    ORDER_CHANGES: "a parallel Scan that should not span the move to a later stage of the migration",
    REFUSED_LATER: "a call is served now and refused in a later stage of the migration",
    "compare.missing": "the target lacks an item that the source has, as is so until the backfill is complete, or"
    " where it was written past crossfade",
    "compare.extra": "the target has an item that the source has not",
    "compare.mismatched": "an item is not the same in both tables",
    EXPIRY_UNKNOWN: "whether a table's items expire is not known: allow dynamodb:DescribeTimeToLive to the application",
    "look.dropped": "too many reads found nothing to look behind all of them",
    "look.error": "a look into the source, of what the target does not have, has failed",
    "mirror_lost": "a mirror was lost, so a verify is needed",
}


class Watch:
    """Counts every event by name, and comparisons by outcome (`compare.matching`, `compare.mismatched`, ...)."""

    def __init__(self, observer: Observer | None = None, migration: str = "") -> None:
        """Raises ConfigurationError for what cannot observe."""
        self._functions, self._observers = sorted_out(observer)
        self.sees_calls: bool = bool(self._observers)  # where nobody asks for their events, nothing is done for them
        self._event_of = events_made() if self._observers else None
        self._migration = migration
        self._head = f"migration {migration}: " if migration else ""
        self._lock = threading.Lock()
        self._counts: Counter[str] = Counter()
        self._lines: dict[str, tuple[float, int]] = {}  # of each kind: when the last line was, how often since

    def note(self, name: str, facts: dict[str, Any]) -> None:
        """Count an event that was noted, and hand it to all."""
        outcome = facts.get("outcome")
        counted = name if outcome is None else f"{name}.{outcome}"
        self._count(counted)
        if counted in ALERTS:
            self._warn(counted, facts)
        for function in self._functions:
            try:
                function(name, facts)
            except Exception:  # noqa: BLE001 - the application's own code, which must not reach the caller
                self._count("observer_error")
        if self._event_of is not None:
            try:
                event = self._event_of(self._migration, name, facts)
            except TypeError:  # noted with facts that its class does not have: a defect of ours, and no caller's
                self._count("observer_error")
            else:
                self.tell(event)

    def tell(self, event: Event) -> None:
        """Hand an event to those who ask for all of them."""
        for observer in self._observers:
            try:
                observer.on_event(event)
            except Exception:  # noqa: BLE001 - not ours, as above
                self._count("observer_error")

    def counts(self) -> dict[str, int]:
        """How often each event has happened since the start, `observer_error` among them."""
        with self._lock:
            return dict(self._counts)

    def after_fork_in_child(self) -> None:
        """A thread of the parent may have held the lock."""
        self._lock = threading.Lock()

    def _warn(self, counted: str, facts: dict[str, Any]) -> None:
        now = time.monotonic()
        line = f"{counted} {facts['key']}" if counted == REFUSED_LATER else counted  # told once for each kind of call
        with self._lock:
            said_at, unsaid = self._lines.get(line, (float("-inf"), 0))
            say = now - said_at >= LINE_SECONDS
            self._lines[line] = (now, 0) if say else (said_at, unsaid + 1)
        if say:
            told = shown_key(facts) if counted == REFUSED_LATER else told_key(shown_key(facts))
            more = f" (and {unsaid:,} more since the last such line)" if unsaid else ""
            why = f": {facts['reason']}" if facts.get("reason") else ""
            LOG.warning("%s%s: %s%s%s", self._head, ALERTS[counted], told, why, more)

    def _count(self, name: str) -> None:
        with self._lock:
            self._counts[name] += 1


def sorted_out(observer: Observer | None) -> tuple[tuple[NoteObserver, ...], tuple[EventObserver, ...]]:
    """Return the functions and the observers of events. Raises ConfigurationError."""
    if observer is None:
        return (), ()
    alone = isinstance(observer, EventObserver) or callable(observer)
    given = (observer,) if alone else tuple(cast("Iterable[EventObserver | NoteObserver]", observer))
    for each in given:
        if not isinstance(each, EventObserver) and not callable(each):
            raise ConfigurationError(
                f"observer={each!r}: neither a function (name, facts) nor an object with on_event(event)",
                next_step="one of crossfade.observe, or a function; or a list of them",
            )
    functions = [cast("NoteObserver", each) for each in given if not isinstance(each, EventObserver)]
    return tuple(functions), tuple(each for each in given if isinstance(each, EventObserver))


def events_made() -> Callable[[str, str, dict[str, Any]], Event]:
    """Return what makes events. It is imported where somebody asks for them: a process that starts is waited for."""
    from crossfade.observe.events import event_of

    return event_of


def shown_key(facts: dict[str, Any]) -> str:
    """The key that an event is about, as people read it."""
    difference = facts.get("difference")
    key: Item | str = difference.source_key if isinstance(difference, Difference) else facts.get("key", "")
    return key if isinstance(key, str) else show_key(key)
