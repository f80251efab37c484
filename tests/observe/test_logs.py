"""Events as records of logging: with their facts, without a key and without a value of an item."""

from __future__ import annotations

import logging
from typing import Any

import pytest

from crossfade.core.sync.compare import Difference
from crossfade.observe.calls import CallEnded, RoutedCall
from crossfade.observe.events import Event, event_of
from crossfade.observe.logs import LOGGER, LoggingObserver

PERSON = "ada@example.org"
ENDED = CallEnded(
    migration="orders",
    call=RoutedCall("orders", "GetItem", "orders-table", 0),
    stage="shadow",
    side="source",
    seconds=0.01,
    seconds_added=0.001,
    error="",
)


def recorded(caplog: pytest.LogCaptureFixture, event: Event, level: int = logging.DEBUG) -> Any:
    with caplog.at_level(level, LOGGER):
        LoggingObserver().on_event(event)
    return caplog.records[-1] if caplog.records else None


def test_the_facts_are_attributes_of_the_record(caplog: pytest.LogCaptureFixture) -> None:
    """Formatters for JSON write them out; the message is the event's name."""
    facts = {"client": "a", "stage": "shadow", "epoch": 4, "ramp_percent": 0}
    record = recorded(caplog, event_of("orders", "stage_entered", facts))
    assert record.getMessage() == record.crossfade_event == "stage_entered"
    assert (record.crossfade_migration, record.crossfade_stage, record.crossfade_epoch) == ("orders", "shadow", 4)
    assert record.levelno == logging.INFO


def test_what_somebody_should_look_at_is_a_warning(
    caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    """And shows neither the key nor what the items hold."""
    monkeypatch.delenv("CROSSFADE_KEYS", raising=False)
    held = {"id": {"S": PERSON}, "name": {"S": PERSON}}
    difference = Difference({"id": {"S": PERSON}}, held, None)
    lost: dict[str, Any] = {"key": PERSON, "error": f"ValidationException: {PERSON}", "reason": "ValidationException"}
    missing: dict[str, Any] = {"outcome": "missing", "difference": difference}
    for name, facts in (("compare", missing), ("mirror_lost", lost)):
        record = recorded(caplog, event_of("orders", name, facts))
        assert record.levelno == logging.WARNING
        assert record.crossfade_key.startswith("key:")
        assert PERSON not in str(record.__dict__)


def test_keys_are_plain_where_the_process_was_asked_to(
    caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    """CROSSFADE_KEYS=plain holds here as everywhere."""
    monkeypatch.setenv("CROSSFADE_KEYS", "plain")
    lost = {"key": PERSON, "error": "", "reason": ""}
    assert recorded(caplog, event_of("orders", "mirror_lost", lost)).crossfade_key == PERSON


def test_calls_are_for_debugging(caplog: pytest.LogCaptureFixture) -> None:
    """At INFO a call makes no line."""
    assert recorded(caplog, ENDED, logging.INFO) is None
    record = recorded(caplog, ENDED)
    assert (record.crossfade_operation, record.crossfade_table, record.crossfade_seconds) == (
        "GetItem",
        "orders-table",
        0.01,
    )
