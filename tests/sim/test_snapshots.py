"""Torn transactions: what each item's history alone would let pass."""

from __future__ import annotations

from crossfade.sim.checkers import answers
from crossfade.sim.history import History, Operation, Repeated
from crossfade.sim.model import Action, State
from tests.sim.histories import DELETE, DONE, GET, append, got

A, B = ("p0", "a"), ("p1", "a")
OLD: State = (1, ("old",), None)
NEW: State = (2, ("old", "t"), None)


def told(key: tuple[str, str], called: int, answered: int | None, action: Action, state: State = None) -> Operation:
    """An operation that was carried out, or whose outcome nobody knows."""
    answer = None if answered is None else got(state) if action == GET else DONE
    return Operation("app", key, action, called, float(called), answered, float(called + 1), answer)


def together(*operations: Operation) -> list[Operation]:
    for operation in operations:
        operation.together = True
    return list(operations)


def invariants(operations: list[Operation], *repeated: Repeated) -> list[str]:
    history = History({A: OLD, B: OLD}, operations, repeated=list(repeated))
    return [violation.invariant for violation in answers(history)]


def at_rest(a: State, b: State) -> list[Operation]:
    return together(told(A, 99, 99, GET, a), told(B, 99, 99, GET, b))


def seen_before() -> list[Operation]:
    return [told(A, 1, 2, GET, OLD), told(B, 3, 4, GET, OLD)]


def test_a_transaction_that_is_seen_in_part_is_torn() -> None:
    """Both reads lie within the write's call, so each item alone could have been so; both at one moment could not."""
    write = together(told(A, 10, 20, append("t")), told(B, 10, 20, append("t")))
    torn = together(told(A, 12, 14, GET, NEW), told(B, 12, 14, GET, OLD))
    whole = together(told(A, 12, 14, GET, NEW), told(B, 12, 14, GET, NEW))
    rest = at_rest(NEW, NEW)
    assert invariants([*seen_before(), *write, *torn, *rest]) == ["a transaction is seen as a whole or not at all"]
    assert invariants([*seen_before(), *write, *whole, *rest]) == []


def test_reads_that_are_no_transaction_may_see_it_in_part() -> None:
    """A batch, a page and two single reads promise nothing of one moment."""
    write = together(told(A, 10, 20, append("t")), told(B, 10, 20, append("t")))
    reads = [told(A, 12, 14, GET, NEW), told(B, 12, 14, GET, OLD)]
    assert invariants([*seen_before(), *write, *reads, *at_rest(NEW, NEW)]) == []


def test_a_transaction_of_unknown_outcome_is_carried_out_whole_or_not_at_all() -> None:
    """At rest its token is in one item and not in the other."""
    write = together(told(A, 10, None, append("t")), told(B, 10, None, append("t")))
    assert invariants([*seen_before(), *write, *at_rest(OLD, NEW)]) == [
        "a transaction is seen as a whole or not at all"
    ]
    assert invariants([*seen_before(), *write, *at_rest(OLD, OLD)]) == []
    assert invariants([*seen_before(), *write, *at_rest(NEW, NEW)]) == []


def test_an_item_deleted_by_a_transaction_is_not_read_with_what_it_has_written() -> None:
    """A delete leaves no token, but the token that was there before is gone after it."""
    write = together(told(A, 10, 20, append("t")), told(B, 10, 20, DELETE))
    torn = together(told(A, 12, 14, GET, NEW), told(B, 12, 14, GET, OLD))
    whole = together(told(A, 12, 14, GET, NEW), told(B, 12, 14, GET, None))
    found = invariants([*seen_before(), *write, *torn, *at_rest(NEW, None)])
    assert found == ["a transaction is seen as a whole or not at all"]
    assert invariants([*seen_before(), *write, *whole, *at_rest(NEW, None)]) == []


def test_a_snapshot_is_of_one_moment() -> None:
    """One write had ended before the other was called, and the snapshot shows the later one alone."""
    writes = [told(A, 10, 12, append("t")), told(B, 14, 16, append("t"))]
    torn = together(told(A, 11, 18, GET, OLD), told(B, 11, 18, GET, NEW))
    found = invariants([*seen_before(), *writes, *torn, *at_rest(NEW, NEW)])
    assert found == ["a transaction is seen as a whole or not at all"]
    early = together(told(A, 11, 18, GET, NEW), told(B, 11, 18, GET, OLD))
    assert invariants([*seen_before(), *writes, *early, *at_rest(NEW, NEW)]) == []


def test_a_token_that_may_have_come_back_proves_nothing() -> None:
    """Sent twice by an SDK, an append may be there again after a delete that a transaction made."""
    twice = told(B, 5, 6, append("x"))
    twice.twice = True
    write = together(told(A, 10, 20, append("t")), told(B, 10, 20, DELETE))
    reads = together(told(A, 22, 24, GET, NEW), told(B, 22, 24, GET, (1, ("x",), None)))
    rest = at_rest(NEW, (1, ("x",), None))
    assert invariants([told(B, 1, 2, DELETE), told(A, 3, 4, GET, OLD), twice, *write, *reads, *rest]) == []


def test_a_walk_shows_an_item_twice_only_where_it_was_deleted_meanwhile() -> None:
    """Deleted and put again it is another item, whose place may be another."""
    walked = Repeated("app", A, 10, 20)
    assert invariants(at_rest(OLD, OLD), walked) == ["a walk shows each item once"]
    again = [told(A, 12, 13, DELETE), told(A, 14, 15, append("t"))]
    assert invariants([*again, *at_rest((1, ("t",), None), OLD)], walked) == []


def test_an_eventually_consistent_read_may_date_from_before_its_call() -> None:
    """As far back as it is allowed to, and no further."""
    write = told(A, 10, 12, append("t"))
    read = told(A, 20, 22, GET, OLD)
    for since, expected in ((11, 0), (15, 1)):
        read.since = since
        assert len(invariants([write, read, *at_rest(NEW, OLD)])) == expected
