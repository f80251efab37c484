"""Why dead letters wait, for a screen: bounded, seldom asked for, and never in the way."""

from __future__ import annotations

from collections import Counter

from crossfade.cdc.etl.dead_letters import SHORT_CHARACTERS_MAX, Letter
from crossfade.cdc.etl.reasons import AGAIN_SECONDS, Reasons, told
from crossfade.cdc.kafka import KafkaFailed
from crossfade.errors import MappingError


def test_the_most_frequent_are_told_with_their_counts() -> None:
    """Three of them; and of how many letters, where not all were read."""
    counted = Counter({"KeyError: 'sku'": 1200, "ValueError: odd": 7, "a": 2, "b": 1})
    assert told(counted, 1210) == "1,200 KeyError: 'sku'; 7 ValueError: odd; 2 a; and 1 more reason"
    assert told(Counter({"a": 500}), 900) == "500 a (of the first 500)"
    assert told(Counter(), 0) == ""


def test_a_reason_in_short_is_without_its_row() -> None:
    """What the function raised, in one line; else what is wrong with what it made."""
    letter = Letter(None, None, "shop", 0, 7, 0)
    error = MappingError("table shop.customers, row {'id': 7}: ValueError: odd\nmore")
    assert letter.because(error).short == "table shop.customers, row {'id': 7}: ValueError: odd"
    error.__cause__ = ValueError("odd\nmore" + "x" * 1000)
    again = letter.because(error).because(error)
    assert (again.short, again.attempts, again.error) == ("ValueError: odd", 2, "MappingError")
    error.__cause__ = ValueError("x" * 1000)
    assert len(letter.because(error).short) == SHORT_CHARACTERS_MAX


def test_it_is_asked_for_where_the_number_has_changed_and_not_too_often() -> None:
    """A broker that does not answer leaves the report without it."""
    now, asked = 0.0, 0
    fails = False

    def ask() -> str:
        nonlocal asked
        asked += 1
        if fails:
            raise KafkaFailed("away")
        return f"answer {asked}"

    reasons = Reasons(ask, lambda: now)
    assert [reasons(0), reasons(1), reasons(1), reasons(2)] == ["", "answer 1", "answer 1", "answer 1"]
    now += AGAIN_SECONDS
    assert [reasons(2), reasons(2), reasons(0)] == ["answer 2", "answer 2", ""]
    now, fails = now + AGAIN_SECONDS, True
    assert (reasons(3), asked) == ("", 3)
