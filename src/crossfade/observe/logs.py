"""Events as records of Python's logging, with their facts in `extra`.

    attach(client, migration, observer=LoggingObserver())

A record's message is the event's name, and each fact an attribute of the record, `crossfade_...`, which formatters for
JSON write out. What somebody should look at is a WARNING, what happens to each call DEBUG, the rest INFO. Keys are told
by a digest, unless CROSSFADE_KEYS=plain, and values of items never.
"""

from __future__ import annotations

import logging
from collections.abc import Iterator
from dataclasses import fields
from typing import Any, Final

from crossfade.control.telling import told_key
from crossfade.core.mapping.values import show_key
from crossfade.observe.calls import CallEnded, OwnRequest, Pulse, RoutedCall, WorkEnded
from crossfade.observe.events import AboutItem, Event, Noted
from crossfade.observe.watch import ALERTS

LOGGER: Final = "crossfade.events"
OF_CALLS: Final = (CallEnded, OwnRequest, Pulse, WorkEnded)
PLAIN: Final = (str, int, float, bool)


class LoggingObserver:
    """`logger`: where the records go."""

    def __init__(self, logger: logging.Logger | None = None) -> None:
        self._logger = logger or logging.getLogger(LOGGER)

    def on_event(self, event: Event) -> None:
        level = level_of(event)
        if self._logger.isEnabledFor(level):
            name = event.what if isinstance(event, Noted) else event.name
            extra = {f"crossfade_{fact}": value for fact, value in told(event)}
            self._logger.log(level, "%s", name, extra={"crossfade_event": name, **extra})


def level_of(event: Event) -> int:
    if isinstance(event, OF_CALLS):
        return logging.DEBUG
    outcome: str = getattr(event, "outcome", "")
    is_alert = (f"{event.name}.{outcome}" if outcome else event.name) in ALERTS
    error: str = getattr(event, "error", "")
    return logging.WARNING if is_alert or error else logging.INFO


def told(event: Event) -> Iterator[tuple[str, Any]]:
    """Return the facts that may be written down, as plain values: no value of an item, and no key as it is."""
    if isinstance(event, Noted):
        yield "migration", event.migration
        yield from ((name, fact) for name, fact in event.facts.items() if isinstance(fact, PLAIN))
        return
    for name in [each.name for each in fields(event) if each.name not in event.untold]:
        value = getattr(event, name)
        if name == "key" and isinstance(event, AboutItem):
            yield name, told_key(value if isinstance(value, str) else show_key(value))
        elif isinstance(value, RoutedCall):
            yield "operation", value.operation
            yield "table", value.table
        elif isinstance(value, PLAIN):
            yield name, value
