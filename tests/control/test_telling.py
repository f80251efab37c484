"""No key and no value is written down where nobody asked for it: not in a lease, a record of a fallback, or the log."""

from __future__ import annotations

import logging

import pytest

from crossfade.control.agent import Agent
from crossfade.control.fallbacks import FallbackHits
from crossfade.control.telling import PLAIN, VARIABLE, told_error, told_key
from crossfade.core.items import Item
from crossfade.errors import MappingError, ServiceRejected
from crossfade.observe import Watch

KEY: Item = {"customer": {"S": "ann@example.org"}}


@pytest.fixture(autouse=True)
def unasked(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv(VARIABLE, raising=False)


def test_a_key_is_told_by_a_digest_unless_it_is_asked_for(monkeypatch: pytest.MonkeyPatch) -> None:
    """The same for the same key, another for another, and nothing for none."""
    told = told_key("customer='ann@example.org'")
    assert told == told_key("customer='ann@example.org'") != told_key("customer='bob@example.org'")
    assert "ann" not in told
    assert told_key("") == ""
    monkeypatch.setenv(VARIABLE, PLAIN)
    assert told_key("customer='ann'") == "customer='ann'"


def test_an_error_is_told_by_its_kind() -> None:
    """DynamoDB's words, and ours, may hold a value."""
    assert told_error(ServiceRejected("ValidationException", "cannot be converted: ann@example.org")) == (
        "ValidationException"
    )
    assert told_error(MappingError("customer: 'ann@example.org' would not come back")) == "MappingError"
    error = MappingError("convert: total: attribute 'total' is '007'", told="convert: total: attribute 'total'")
    assert told_error(error) == "cannot be mapped (convert: total: attribute 'total')"  # names, and no value
    assert told_error("too many mirrors are waiting") == "too many mirrors are waiting"


def test_the_log_has_no_key(caplog: pytest.LogCaptureFixture) -> None:
    """Of what warns, each."""
    watch = Watch(migration="orders-v2")
    with caplog.at_level(logging.WARNING):
        watch.note("mirror_lost", {"key": KEY})
        watch.note("compare", {"outcome": "missing", "key": KEY})
        watch.note("fallback", {"key": KEY, "outcome": "copied"})
    assert caplog.records
    assert "ann@" not in caplog.text
    assert "key:" in caplog.text


def test_a_lease_has_no_key() -> None:
    """What was lost is told with the digest; what is no key, as it is."""
    agent = Agent(
        "orders-v2", "app-1", lease_seconds=10.0, landing_seconds=1.0, host="web-1", pid=7, fingerprint="f",
        clock=float, new_id=str,
    )  # fmt: skip
    agent.lost("customer=ann@example.org", ServiceRejected("ValidationException", "ann@example.org"))
    told = agent._lost_example  # pyright: ignore[reportPrivateUsage]
    assert "ann@" not in told
    assert told.startswith("key:")
    agent.lost("a page", "cancelled with a write under way")
    assert agent._lost_example == "a page: cancelled with a write under way"  # pyright: ignore[reportPrivateUsage]


def test_a_record_of_a_fallback_has_no_key() -> None:
    """Neither in the sample."""
    hits = FallbackHits("web-1", 7)
    hits.hit("app-1", KEY, 1_000, "copied")
    assert "key:" in repr(vars(hits))
    assert "ann@" not in repr(vars(hits))
