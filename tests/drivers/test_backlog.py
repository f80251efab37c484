"""Which piece of background work is next: order, limits, tickets."""

from __future__ import annotations

from typing import Any, Literal

from crossfade.control.open_tickets import Ticket
from crossfade.core.effects import Later, Note, Routine
from crossfade.drivers.backlog import Backlog, Job
from tests.drivers.conftest import FakeAgent, ticket

Notes = list[tuple[str, dict[str, Any]]]


def work() -> Routine[None]:
    yield from Note("worked", {})


def later(key: str, kind: Literal["mirror", "compare", "look"] = "mirror", delay_seconds: float = 0.0) -> Later:
    return Later(kind, key, work(), delay_seconds)


def backlog(agent: FakeAgent, notes: Notes, **limits: int) -> Backlog:
    return Backlog(agent.as_agent(), lambda name, facts: notes.append((name, facts)), workers=4, **limits)


def taken(found: Backlog, now: float = 0.0) -> Job:
    job = found.take(now)
    assert isinstance(job, Job)
    return job


def test_mirrors_go_first_and_comparisons_take_half_of_the_workers() -> None:
    """Comparisons are put first here, yet the mirror is taken first, and a third comparison has to wait."""
    found = backlog(FakeAgent(), [])
    for n in range(3):
        found.put(later(f"c{n}", "compare"), ticket(), 0.0)
    found.put(later("m"), ticket(), 0.0)
    kinds = [taken(found).kind for _ in range(3)]
    assert kinds == ["mirror", "compare", "compare"]
    assert found.take(0.0) is None


def test_too_many_comparisons_are_dropped_and_those_of_a_former_stage_too() -> None:
    """Each is counted as dropped, with the reason; none of them is a loss."""
    agent, notes = FakeAgent(), Notes()
    found = backlog(agent, notes, compares_max=2)
    for n in range(3):
        found.put(later(f"c{n}", "compare"), ticket(), 0.0)
    assert [facts["why"] for _, facts in notes] == ["too many comparisons are waiting"]
    agent.epoch = 2
    assert found.take(0.0) is None
    assert [facts["why"] for _, facts in notes[1:]] == ["the stage has changed"] * 2
    assert agent.lost_keys == []


def test_looks_into_the_source_outlast_their_stage_and_are_counted_until_they_have_ended() -> None:
    """Too many of them are dropped, and told of under their own name."""
    agent, notes = FakeAgent(), Notes()
    found = backlog(agent, notes, compares_max=2)
    for n in range(3):
        found.put(later(f"k{n}", "look"), ticket(), 0.0)
    assert [(name, facts["why"]) for name, facts in notes] == [("look", "too many comparisons are waiting")]
    agent.epoch = 2
    looks = [taken(found), taken(found)]
    assert found.looks_pending == 2
    for look in looks:
        found.finished(look, None)
    assert (found.looks_pending, agent.lost_keys) == (0, [])


def test_a_mirror_too_many_is_lost_but_a_waiting_key_takes_a_newer_one() -> None:
    """The bound is on keys: coalescing goes on when it is reached, a further key is reported as lost."""
    agent, notes = FakeAgent(), Notes()
    found = backlog(agent, notes, mirror_keys_max=2)
    for key in ("a", "b", "a", "c"):
        found.put(later(key), ticket(), 0.0)
    assert agent.lost_keys == ["c"]
    assert [name for name, _ in notes] == ["mirror_lost"]
    assert found.mirrors_pending == 2
    assert len(agent.held) == 2


def test_a_coalesced_mirror_holds_one_ticket_of_each_epoch_and_obeys_the_newest() -> None:
    """Writes of two epochs wait in one mirror: both stages stay open until it ends, and then neither does."""
    agent = FakeAgent()
    found = backlog(agent, [])
    for epoch in (1, 1, 2, 2):
        found.put(later("k"), ticket(epoch), 0.0)
    assert agent.held == [ticket(1), ticket(2)]
    job = taken(found)
    assert job.ticket == ticket(2)
    found.finished(job, None)
    assert agent.held == []
    assert found.idle


def test_delayed_mirrors_of_one_key_are_at_most_two_and_the_first_is_not_put_off() -> None:
    """A key that fails all the time has its first late mirror when it was due, and one more for all the others."""
    agent = FakeAgent()
    found = backlog(agent, [])
    for n in range(10):
        found.put(later("k", delay_seconds=10.0), ticket(), float(n))
    assert found.mirrors_pending == 2
    assert len(agent.held) == 2
    assert found.take(9.0) == 1.0
    found.finished(taken(found, 10.0), None)
    assert found.take(12.0) == 7.0  # at 19, when the last of them can land no more
    found.finished(taken(found, 19.0), None)
    assert found.idle
    assert agent.held == []


def test_giving_up_says_what_was_lost_before_it_releases() -> None:
    """An acknowledgement made in between would claim that all is drained, so the order matters."""
    order: list[str] = []

    class Ordered(FakeAgent):
        def release(self, held: Ticket) -> None:
            order.append("release")
            super().release(held)

        def lost(self, key: str, _error: object) -> None:
            order.append(f"lost {key}")

    found = backlog(Ordered(), [])
    found.put(later("a"), ticket(), 0.0)
    found.put(later("b", delay_seconds=5.0), ticket(), 0.0)
    assert found.give_up() == 2
    assert order == ["lost a", "release", "lost b", "release"]
    assert found.take(100.0) is None
