"""What a process remembers of its writes until both sides are seen equal."""

from __future__ import annotations

import itertools

from crossfade.switch.intents import KEYS_MAX, NET_SECONDS, RETRIES, Intent, Intents

NEVER = float("-inf")


def intents(keys_max: int = KEYS_MAX) -> Intents:
    numbers = itertools.count(1)
    return Intents(lambda: f"s{next(numbers)}", keys_max=keys_max)


def taken(queue: Intents, key: str = "a", client: str = "me") -> Intent:
    intent = queue.take(key, f'"{key}"', client)
    assert intent is not None
    intent.sent = True
    queue.was_put(intent, intent.serial)
    return intent


def test_writes_of_one_key_share_a_record_until_the_last_is_mirrored() -> None:
    """The mirror that began before a write has ended settles nothing; the one after it gives the record to delete."""
    queue = intents()
    one, two = taken(queue), taken(queue)
    assert one is two
    queue.write_ended(one, 0.0, NEVER)
    seen = queue.look('"a"')
    assert seen is not None
    assert queue.settled('"a"', seen, 1.0, 1.0) is None  # the other write is open
    queue.write_ended(two, 1.0, NEVER)
    assert queue.settled('"a"', seen, 2.0, 2.0) is None  # that mirror began before it ended
    now_seen = queue.look('"a"')
    assert now_seen is not None
    record = queue.settled('"a"', now_seen, 3.0, 3.0)
    assert record is not None
    assert record.serial == one.serial
    assert len(queue) == 0


def test_a_write_that_begins_while_the_record_is_deleted_puts_another() -> None:
    """Each has a serial of its own, so the deletion of the first does not take the second."""
    queue = intents()
    one = taken(queue)
    queue.write_ended(one, 0.0, NEVER)
    record = queue.settled('"a"', queue.look('"a"') or 0, 1.0, 1.0)
    two = taken(queue)
    assert record is not None
    assert record.serial != two.serial


def test_a_write_that_may_land_is_not_settled_before_it_no_longer_can() -> None:
    """A look that finds both sides equal now says nothing about then; it is due again at that moment."""
    queue = intents()
    intent = taken(queue)
    queue.write_ended(intent, 0.0, lands_until=5.0)
    seen = queue.look('"a"') or 0
    assert queue.settled('"a"', seen, 4.0, 4.0) is None
    assert queue.settled('"a"', seen, 4.9, 5.1) is None  # it may have landed behind what this mirror has saved
    assert queue.due(4.9, "me", 10) == []
    assert queue.due(5.0, "me", 10) == [intent]
    assert queue.settled('"a"', seen, 5.1, 5.1) is not None


def test_failures_are_tried_again_later_and_later_and_keep_their_reason() -> None:
    """The first again at once, or nearly; a store that is away is asked twice a minute."""
    queue = intents()
    intent = taken(queue)
    queue.write_ended(intent, 0.0, NEVER)
    pauses: list[float] = []
    now = 0.0
    for _ in range(12):
        queue.failed('"a"', "disk full", now, NEVER)
        before = now
        while not queue.due(now, "me", 10):
            now += 0.1
        pauses.append(round(now - before, 3))
    assert pauses[0] <= RETRIES.seconds_first + 0.11
    assert pauses == sorted(pauses)
    assert 29 < pauses[-1] < 31
    assert intent.record().reason == "disk full"


def test_a_mirror_that_was_dropped_is_noticed() -> None:
    """Nothing was said of it, neither that it failed nor that it was done: it is looked at all the same."""
    queue = intents()
    intent = taken(queue)
    queue.write_ended(intent, 10.0, NEVER)
    assert queue.due(10.0 + NET_SECONDS - 1, "me", 10) == []
    assert queue.due(10.0 + NET_SECONDS, "me", 10) == [intent]


def test_under_a_new_lease_every_key_gets_a_new_record() -> None:
    """Others may have repaired and forgotten what the former client left."""
    queue = intents()
    intent = taken(queue)
    queue.write_ended(intent, 0.0, NEVER)
    former = intent.serial
    assert queue.due(0.1, "me again", 10) == [intent]
    assert (intent.client, intent.put) == ("me again", False)
    assert intent.serial != former
    queue.was_put(intent, former)  # an answer that came late
    assert not intent.put


def test_the_queue_has_a_limit() -> None:
    """One key more is not taken; a key that is there is."""
    queue = intents(keys_max=2)
    _ = taken(queue, "a"), taken(queue, "b")
    assert queue.take("c", '"c"', "me") is None
    assert queue.take("b", '"b"', "me") is not None


def test_no_more_are_due_at_once_than_asked_for() -> None:
    """The rest comes in the next round."""
    queue = intents()
    for i in range(5):
        queue.write_ended(taken(queue, str(i)), 0.0, NEVER)
    assert len(queue.due(NET_SECONDS, "me", 3)) == 3
    assert len(queue.due(NET_SECONDS, "me", 3)) == 2
