"""What an application was told by calls on several items, item by item."""

from __future__ import annotations

from crossfade.core.request.cancellation import cancellation
from crossfade.errors import ServiceRejected, UnknownOutcome
from crossfade.sim.calls import Unanswered, of_cancelled, of_error, shown
from crossfade.sim.model import Action, item_of
from tests.sim.histories import DELETE, GET, append

CREATE = Action("create", "c", shows_on_failure=True)
FAILED = {"Code": "ConditionalCheckFailed"}
FINE = {"Code": "None"}


def test_the_reasons_of_a_cancelled_transaction_tell_of_each_action() -> None:
    """One condition failed, and showed its item; the other would have been carried out."""
    item = item_of(("p0", "a"), (1, ("x",), None))
    error = cancellation([{**FAILED, "Item": item}, FINE])
    assert of_cancelled([CREATE, DELETE], error, sent=True) == [("refused", (1, ("x",), None)), ("ok", None)]


def test_of_a_transaction_that_met_a_busy_item_the_others_tell_nothing() -> None:
    """Nobody looked at them."""
    error = cancellation([{"Code": "TransactionConflict"}, FINE])
    assert of_cancelled([CREATE, DELETE], error, sent=True) == [Unanswered.NOTHING, Unanswered.NOTHING]


def test_reasons_that_no_plain_table_would_give_are_odd() -> None:
    """One for each action, and not one of them 'None' in all places."""
    for reasons in ([FAILED], [FAILED, FINE, FINE], [FINE, FINE]):
        told = of_cancelled([CREATE, DELETE], cancellation(reasons), sent=True)
        assert [answer[0] for answer in told if isinstance(answer, tuple)] == ["odd", "odd"]


def test_an_error_says_whether_something_may_have_been_done() -> None:
    """Refused by a busy table: nothing. Given up: who knows; unless nothing was ever sent."""
    busy = ServiceRejected("ProvisionedThroughputExceededException", "")
    assert of_error(append("t"), busy, sent=True) is Unanswered.NOTHING
    assert of_error(append("t"), UnknownOutcome("timed out"), sent=True) is Unanswered.UNKNOWN
    assert of_error(append("t"), UnknownOutcome("timed out"), sent=False) is Unanswered.NOTHING


def test_an_item_shown_twice_in_one_answer_is_odd() -> None:
    """Once in its own right, and once too often."""
    item = item_of(("p0", "a"), (1, ("x",), None))
    assert item is not None
    assert shown([item]) == {("p0", "a"): ("ok", (1, ("x",), None))}
    assert shown([item, item])["p0", "a"][0] == "odd"


def test_what_was_tried_writes_nothing() -> None:
    """An action of a cancelled transaction answers as it would have, and leaves the item alone."""
    tried = Action("append", "t", only_tried=True)
    assert tried.apply(None) == (("ok", None), None)
    assert not tried.is_write
    assert GET.apply(None) == (("ok", None), None)
