"""What a capture sends behind another that has taken over from it: nobody applies it, not even over what has no
version."""

from __future__ import annotations

from collections.abc import Iterable

import pytest

from crossfade.cdc import kafka, wire
from crossfade.cdc.applying import Applied, Destination
from crossfade.cdc.changes import Change
from crossfade.cdc.checkpoints import InControlTable
from crossfade.cdc.inputs.own import position_marker
from crossfade.cdc.publishing import Publisher
from crossfade.cdc.terms import HEADER, NO_TERM, Term, Terms, headers_of
from tests.cdc.etl.setting import ARRIVAL_SECONDS, Setting
from tests.cdc.etl.test_what_stops import customer_change, work

FIRST, SECOND = Term(3, "a"), Term(7, "a")


def send(setting: Setting, term: Term, *messages: Change | bytes) -> None:
    """Into one partition, as a capture of this term would."""
    producer = kafka.producer(setting.kafka)
    for message in messages:
        key = None if isinstance(message, bytes) else wire.encoded_key(message)
        value = message if isinstance(message, bytes) else wire.encoded(message)
        producer.produce(setting.topics.name, value, key, partition=0, headers=headers_of(term))
    assert producer.flush(ARRIVAL_SECONDS) == 0


async def passing_over(_destination: Destination, _change: Change) -> Applied:
    """As a worker does where the target decides."""
    return Applied(passed=1)


def named(setting: Setting) -> list[str]:
    return [item["name"]["S"] for item in setting.items().values()]


def test_an_old_state_does_not_come_back_behind_a_newer_one(setting: Setting) -> None:
    """The newer change was passed over, and another worker finds the older one, after a way back: known by the offset's
    metadata, since nothing else of the newer capture comes any more."""
    send(setting, SECOND, customer_change(1, "newer", 2))
    _ = work(setting, run=passing_over)
    send(setting, FIRST, customer_change(1, "older", 1))
    worker = work(setting)
    assert (worker.counts.messages, worker.counts.changes) == (1, 0)
    assert setting.items() == {}
    assert setting.progress().lag_events == 0


def test_a_marker_of_an_ended_capture_tells_nothing(setting: Setting) -> None:
    """It would say of what it has not sent that it is there."""
    send(setting, SECOND, position_marker("0-1-5", 5.0), customer_change(1, "newer", 5))
    send(setting, FIRST, position_marker("0-1-9", 9.0))
    _ = work(setting)
    [mark] = [each.mark for each in setting.progress().partitions if each.mark.position]
    assert (mark.position, mark.term) == ("0-1-5", SECOND)
    assert named(setting) == ["newer"]


def test_who_begins_anew_is_heard(setting: Setting) -> None:
    """A control table that was lost counts from one again: its line tells that this is no older capture. And so is who
    tells no term, as captures of before did."""
    send(setting, SECOND, customer_change(1, "of before", 1))
    _ = work(setting)
    send(setting, Term(1, "b"), customer_change(1, "anew", 2))
    _ = work(setting)
    assert named(setting) == ["anew"]
    producer = kafka.producer(setting.kafka)
    untold = customer_change(1, "untold", 3)
    producer.produce(setting.topics.name, wire.encoded(untold), wire.encoded_key(untold), partition=0)
    assert producer.flush(ARRIVAL_SECONDS) == 0
    _ = work(setting)
    assert named(setting) == ["untold"]


def test_each_capture_has_a_greater_term(setting: Setting) -> None:
    """Whoever takes the record over, however often it was saved meanwhile."""
    one, other = setting.checkpoints(), setting.checkpoints()
    assert isinstance(one, InControlTable)
    found = one.take()
    sender = Publisher(kafka.producer(setting.kafka), setting.topics, one, found)
    for _ in range(3):
        sender.keep(setting.beginning)
    _ = other.take()
    assert one.term != NO_TERM
    assert one.term.then(other.term) == other.term
    assert other.term.then(one.term) == other.term


@pytest.mark.parametrize(
    ("told", "wanted"),
    [
        ([FIRST, SECOND, FIRST, SECOND], [False, False, True, False]),
        ([SECOND, Term(1, "b"), Term(2, "b"), Term(1, "b")], [False, False, False, True]),
        ([NO_TERM, FIRST, NO_TERM], [False, False, False]),
    ],
)
def test_which_have_ended(told: Iterable[Term], wanted: list[bool]) -> None:
    """In the order in which a partition has them."""
    terms = Terms()
    headers = [[("theirs", b"x"), *headers_of(term)] if term != NO_TERM else None for term in told]
    assert [terms.has_ended(each) for each in headers] == wanted
    assert not any(terms.has_ended([(HEADER, value)]) for value in (None, b"", b"\xff", b"seven a"))
