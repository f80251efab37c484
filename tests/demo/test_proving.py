"""The proof finds each kind of damage, and nothing where there is none."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from crossfade.demo.comparing import STAMP, suffix_of
from crossfade.demo.findings import Wrong
from crossfade.demo.goods import SOURCE, TARGET, Raw, cents, document, key_of, number_in
from tests.demo.conftest import CART, HOLD, INVOICE, ITEMS, NOTE, Doctored, new_form

Doctor = Callable[[Doctored], None]
FRESH = key_of(number_in("hold", 5, 2))  # not there at the beginning


def lines(*tokens: str) -> Raw:
    status = tokens[-1] if tokens else ""
    made: Raw = document(CART, "seed")
    made["detail"]["M"]["status"] = {"S": f"after {status}" if tokens else "open"}
    return made | {"lines": {"L": [{"S": token} for token in tokens]}, "count": {"N": str(len(tokens))}}


def revised(version: int, token: str) -> Raw:
    made = document(INVOICE, token)
    made["detail"]["M"]["status"] = {"S": "revised"}
    return made | {"version": {"N": str(version)}}


def everything_well(shop: Doctored) -> None:
    """Some of every kind, unknown outcomes both ways among them."""
    first, second = shop.journaled("append", CART, n=1), shop.journaled("append", CART, "unknown")
    _ = shop.journaled("append", CART, None)
    shop.put(lines(first, second))
    shop.read(CART, ["seed", 1, 2, cents("seed")])
    _ = shop.journaled("revise", INVOICE, v=1)
    _ = shop.journaled("revise", INVOICE, "no", v=1, e="ConditionalCheckFailedException")
    shop.put(revised(3, shop.journaled("revise", INVOICE, v=2)))
    _ = shop.journaled("release", HOLD, w="seed")
    _ = shop.journaled("reserve", HOLD, "unknown")
    _ = shop.journaled("cancel", HOLD)
    shop.delete(HOLD)
    shop.put(document(FRESH, shop.journaled("reserve", FRESH)))
    _ = shop.journaled("reserve", FRESH, "no", e="ConditionalCheckFailedException")
    _ = shop.journaled("replace", NOTE)
    corrected = document(NOTE, shop.journaled("correct", NOTE))
    del corrected["gift"]
    shop.put(corrected)
    shop.page(c="acme", f=True, d=CART.document, x=[CART.document], m=CART.document)


def test_nothing_is_found_where_nothing_is_wrong(shop: Doctored) -> None:
    """Acknowledged writes are there, unknown ones may be, refused ones are not."""
    everything_well(shop)
    verdict = shop.verdict()
    assert [line for found in verdict.findings for line in found.lines()] == []
    assert verdict.counts["compared"] == ITEMS
    assert verdict.counts["writes ok"] == 8
    assert verdict.counts["writes unknown"] == 3


# --- damage to carts


def a_line_is_missing(shop: Doctored) -> None:
    _ = shop.journaled("append", CART, n=1)
    shop.put(lines(shop.journaled("append", CART, n=1)))


def a_line_is_there_twice(shop: Doctored) -> None:
    token = shop.journaled("append", CART, "unknown")
    shop.put(lines(token, token))


def a_refused_line_is_there(shop: Doctored) -> None:
    shop.put(lines(shop.journaled("append", CART, "no", e="ThrottlingException")))


def a_line_of_nobody(shop: Doctored) -> None:
    _ = shop.journaled("append", CART, "unknown")
    shop.put(lines("somebody"))


def a_wrong_count(shop: Doctored) -> None:
    shop.put(lines(shop.journaled("append", CART, n=1)) | {"count": {"N": "2"}})


def a_count_answered_twice(shop: Doctored) -> None:
    shop.put(lines(shop.journaled("append", CART, n=1), shop.journaled("append", CART, n=1)))


def lines_against_time(shop: Doctored) -> None:
    first, second = shop.journaled("append", CART), shop.journaled("append", CART)
    shop.put(lines(second, first))


def a_stale_read_of_a_cart(shop: Doctored) -> None:
    shop.put(lines(shop.journaled("append", CART, n=1)))
    shop.read(CART, ["seed", 1, 0, cents("seed")])


def a_line_read_before_it_was_written(shop: Doctored) -> None:
    shop.read(CART, ["seed", 1, 1, cents("seed")])
    shop.put(lines(shop.journaled("append", CART, n=1)))


def a_cart_is_gone(shop: Doctored) -> None:
    _ = shop.journaled("append", CART, "unknown")
    shop.delete(CART)


# --- damage to invoices


def two_winners(shop: Doctored) -> None:
    _ = shop.journaled("revise", INVOICE, v=1)
    shop.put(revised(2, shop.journaled("revise", INVOICE, v=1)))


def a_revision_is_lost(shop: Doctored) -> None:
    _ = shop.journaled("revise", INVOICE, v=1)


def a_version_of_nobody(shop: Doctored) -> None:
    shop.put(revised(3, shop.journaled("revise", INVOICE, v=2)))


def another_writer_of_the_last_version(shop: Doctored) -> None:
    first = shop.journaled("revise", INVOICE, v=1)
    _ = shop.journaled("revise", INVOICE, v=2)
    shop.put(revised(3, first))


def a_stale_read_of_an_invoice(shop: Doctored) -> None:
    shop.put(revised(2, shop.journaled("revise", INVOICE, v=1)))
    shop.read(INVOICE, ["seed", 1, 0, cents("seed")])


def a_refusal_without_a_reason(shop: Doctored) -> None:
    _ = shop.journaled("revise", INVOICE, "no", v=1, e="ConditionalCheckFailedException")


def halves_of_two_revisions(shop: Doctored) -> None:
    shop.put(revised(2, shop.journaled("revise", INVOICE, v=1)) | {"amount": {"S": "1"}})


# --- damage to holds and notes


def a_deleted_hold_is_back(shop: Doctored) -> None:
    _ = shop.journaled("release", HOLD, w="seed")


def a_hold_made_anew_is_gone(shop: Doctored) -> None:
    _ = shop.journaled("reserve", FRESH)


def two_holders(shop: Doctored) -> None:
    _ = shop.journaled("reserve", FRESH)
    shop.put(document(FRESH, shop.journaled("reserve", FRESH)))


def a_hold_refused_where_none_was(shop: Doctored) -> None:
    _ = shop.journaled("reserve", FRESH, "no", e="ConditionalCheckFailedException")


def a_hold_of_nobody(shop: Doctored) -> None:
    shop.put(document(FRESH, "somebody"))


def an_older_note(shop: Doctored) -> None:
    old = shop.journaled("replace", NOTE)
    _ = shop.journaled("replace", NOTE)
    shop.put(document(NOTE, old))


def a_stale_read_of_a_note(shop: Doctored) -> None:
    shop.put(document(NOTE, shop.journaled("replace", NOTE)))
    shop.read(NOTE, ["seed", 1, 0, cents("seed")])


def a_correction_over_another_note(shop: Doctored) -> None:
    shop.put(document(NOTE, shop.journaled("correct", NOTE)))  # with what a correction takes out


# --- damage to what nobody wrote, to the tables, to pages


def an_untouched_document_has_changed(shop: Doctored) -> None:
    shop.change(NOTE, gift={"BOOL": True}, nothing={"S": "something"})


def an_untouched_document_is_gone(shop: Doctored) -> None:
    shop.delete(NOTE)


def missing_in_the_new_table(shop: Doctored) -> None:
    shop.delete(HOLD, TARGET)
    shop.authority = SOURCE


def only_in_the_new_table(shop: Doctored) -> None:
    shop.delete(HOLD, SOURCE)


def different_in_the_new_table(shop: Doctored) -> None:
    shop.change(NOTE, SOURCE, exact={"N": "1234567890123456789012345678.012345678"})


def under_a_wrong_suffix(shop: Doctored) -> None:
    item = new_form(shop.get(NOTE))
    shop.delete(NOTE, TARGET)
    wrong = f"{NOTE.customer}#{(suffix_of(NOTE.document) + 1) % 8}"
    _ = shop.wire.ask("PutItem", {"TableName": TARGET, "Item": item | {"customer": {"S": wrong}}})


def twice_in_the_new_table(shop: Doctored) -> None:
    wrong = f"{NOTE.customer}#{(suffix_of(NOTE.document) + 1) % 8}"
    _ = shop.wire.ask("PutItem", {"TableName": TARGET, "Item": new_form(shop.get(NOTE)) | {"customer": {"S": wrong}}})


def in_the_old_form(shop: Doctored) -> None:
    item = shop.get(NOTE) | {"customer": new_form(shop.get(NOTE))["customer"], STAMP: {"S": "stamp"}}
    _ = shop.wire.ask("PutItem", {"TableName": TARGET, "Item": item})


def an_item_of_an_unknown_customer(shop: Doctored) -> None:
    _ = shop.wire.ask("PutItem", {"TableName": TARGET, "Item": {"customer": {"S": "?"}, "document": {"S": "?"}}})


def a_page_out_of_order(shop: Doctored) -> None:
    other = key_of(number_in("cart", 1, 0))
    shop.page(c="acme", f=True, d=CART.document, x=[other.document, CART.document], m=other.document)


def a_page_with_a_hole(shop: Doctored) -> None:
    first, third = (key_of(number_in("cart", 0, place)).document for place in (0, 2))
    shop.page(c="acme", f=True, d=first, x=[first, third], m=third)


def a_page_that_goes_too_far(shop: Doctored) -> None:
    first, third = (key_of(number_in("cart", 0, place)).document for place in (0, 2))
    shop.page(c="acme", f=False, d=first, x=[third], m=None)


DAMAGE: list[tuple[Doctor, Wrong]] = [
    (a_line_is_missing, Wrong.LOST),
    (a_line_is_there_twice, Wrong.TWICE),
    (a_refused_line_is_there, Wrong.UNKNOWN_WRITER),
    (a_line_of_nobody, Wrong.UNKNOWN_WRITER),
    (a_wrong_count, Wrong.MISCOUNTED),
    (a_count_answered_twice, Wrong.MISCOUNTED),
    (lines_against_time, Wrong.UNEXPLAINED),
    (a_stale_read_of_a_cart, Wrong.STALE),
    (a_line_read_before_it_was_written, Wrong.UNEXPLAINED),
    (a_cart_is_gone, Wrong.GONE),
    (two_winners, Wrong.TWO_WINNERS),
    (a_revision_is_lost, Wrong.LOST),
    (a_version_of_nobody, Wrong.UNKNOWN_WRITER),
    (another_writer_of_the_last_version, Wrong.LOST),
    (a_stale_read_of_an_invoice, Wrong.STALE),
    (a_refusal_without_a_reason, Wrong.REFUSED),
    (halves_of_two_revisions, Wrong.UNEXPLAINED),
    (a_deleted_hold_is_back, Wrong.CAME_BACK),
    (a_hold_made_anew_is_gone, Wrong.LOST),
    (two_holders, Wrong.UNEXPLAINED),
    (a_hold_refused_where_none_was, Wrong.UNEXPLAINED),
    (a_hold_of_nobody, Wrong.UNKNOWN_WRITER),
    (an_older_note, Wrong.LOST),
    (a_stale_read_of_a_note, Wrong.STALE),
    (a_correction_over_another_note, Wrong.UNEXPLAINED),
    (an_untouched_document_has_changed, Wrong.UNTOUCHED),
    (an_untouched_document_is_gone, Wrong.GONE),
    (missing_in_the_new_table, Wrong.DIFFERENT),
    (only_in_the_new_table, Wrong.DIFFERENT),
    (different_in_the_new_table, Wrong.DIFFERENT),
    (under_a_wrong_suffix, Wrong.MISPLACED),
    (twice_in_the_new_table, Wrong.MISPLACED),
    (in_the_old_form, Wrong.MISPLACED),
    (an_item_of_an_unknown_customer, Wrong.UNKNOWN_WRITER),
    (a_page_out_of_order, Wrong.PAGE),
    (a_page_with_a_hole, Wrong.PAGE),
    (a_page_that_goes_too_far, Wrong.PAGE),
]


@pytest.mark.parametrize(("damage", "wrong"), DAMAGE, ids=[damage.__name__ for damage, _ in DAMAGE])
def test_damage_is_found_and_named(shop: Doctored, damage: Doctor, wrong: Wrong) -> None:
    """One thing is wrong: the proof does not hold, says what is wrong, and where."""
    damage(shop)
    verdict = shop.verdict()
    assert not verdict.holds
    assert wrong in {found.wrong for found in verdict.findings}
    assert all(found.key and found.evidence for found in verdict.findings)


def test_only_documents_written_since_may_differ_once_the_old_table_is_left(shop: Doctored) -> None:
    """After complete the old table is not kept equal any more; for everything written before, both must still agree."""
    shop.alone_since = 200.0
    shop.time = 250.0
    shop.put(document(NOTE, shop.journaled("replace", NOTE)), TARGET)
    verdict = shop.verdict()
    assert verdict.holds
    assert verdict.counts["in one table alone"] == 1
    shop.time = 150.0
    other = key_of(number_in("note", 0, 3))
    shop.put(document(other, shop.journaled("replace", other)), TARGET)
    assert [found.wrong for found in shop.verdict().findings] == [Wrong.DIFFERENT]
