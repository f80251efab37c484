"""The invariants: each is broken by hand once, and noticed."""

from __future__ import annotations

from crossfade.core.tables.pair import Pair
from crossfade.sim.checkers import answers, differences
from crossfade.sim.history import History, Operation
from crossfade.sim.model import Action, item_of
from crossfade.sim.scenario import migration
from crossfade.sim.tables import Database
from tests.sim.histories import DELETE, DONE, GET, KEY, append, got, told


def invariants(*operations: Operation) -> list[str]:
    return [violation.invariant for violation in answers(History({KEY: None}, list(operations)))]


def test_a_good_history_has_no_violation() -> None:
    """Two appends and a delete, seen as they were."""
    final = told(9, 9, GET, got((1, ("b",), None)))
    history = [told(1, 2, append("a"), DONE), told(3, 4, DELETE, DONE), told(5, 6, append("b"), DONE), final]
    assert invariants(*history) == []


def test_a_token_missing_at_rest_is_a_lost_write() -> None:
    """Where nothing may drop it, no search is needed to say so."""
    history = [told(1, 2, append("a"), DONE), told(3, 4, append("b"), DONE), told(9, 9, GET, got((1, ("b",), None)))]
    assert invariants(*history) == ["no acknowledged write is lost"]


def test_an_item_there_after_the_last_delete_came_back() -> None:
    """Everything that could have made it had ended before the delete began."""
    history = [told(1, 2, append("a"), DONE), told(3, 4, DELETE, DONE), told(9, 9, GET, got((1, ("a",), None)))]
    assert invariants(*history) == ["no deleted item comes back"]


def test_a_late_write_may_bring_an_item_back() -> None:
    """A write whose outcome is unknown may land after the delete; that is what a plain table does too."""
    history = [told(1, None, append("a")), told(3, 4, DELETE, DONE), told(9, 9, GET, got((1, ("a",), None)))]
    assert invariants(*history) == []


def test_the_first_attempt_of_an_sdk_counts_as_a_write_of_its_own() -> None:
    """Sent twice and acknowledged once, an append may be there twice; sent once, it may not."""
    final = told(9, 9, GET, got((2, ("a", "a"), None)))
    once, twice = told(1, 2, append("a"), DONE), told(1, 2, append("a"), DONE)
    twice.twice = True
    assert invariants(twice, final) == []
    assert invariants(once, final) == ["the history of an item is that of one plain item"]
    unanswered = Operation("app", KEY, append("a"), 1, 0.1, twice=True)  # its process crashed, or it timed out
    assert invariants(unanswered, final) == []


def test_an_answer_no_plain_table_would_give_is_told() -> None:
    """The stamp shown to an application, for one."""
    shown = told(1, 2, GET, ("odd", "attributes nobody wrote: ['_crossfade']"))
    assert invariants(shown, told(9, 9, GET, got(None))) == ["answers are those of one plain table"]


def test_differences_are_found_in_both_directions() -> None:
    """Missing in the target, extra in the target, and different; equal ones are not told."""
    made = migration("all")
    pair = Pair(made.source, made.target, made.compiled)
    database = Database({table.name: table.key_names for table in (made.source, made.target)})
    source, target = database.tables["source"], database.tables["target"]
    for sk, here, there in (("same", 1, 1), ("missing", 1, None), ("extra", None, 1), ("other", 1, 2)):
        for table, n in ((source, here), (target, there)):
            item = None if n is None else item_of(("p0", sk), (n, ("a",), "open"))
            if item is not None:
                stored = item if table is source else made.compiled.forward(item)
                table.set(table.key(stored), stored, 0.0)
    assert [unequal.key for unequal in differences(database, pair)] == ["p0/extra", "p0/missing", "p0/other"]


def test_conditional_failures_are_checked_by_what_they_show() -> None:
    """A refusal that shows an item is compared with what was there."""
    create = Action("create", "x", shows_on_failure=True)
    right, wrong = (1, ("a",), None), (7, ("z",), None)
    for shown, expected in ((right, 0), (wrong, 1)):
        history = [told(1, 2, append("a"), DONE), told(3, 4, create, ("refused", shown)), told(9, 9, GET, got(right))]
        assert len(invariants(*history)) == expected
