"""What is said of writes of the source where items are copied: by their stamps, and by what is there now."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime

import pytest

from crossfade.core.mapping import STAMP
from crossfade.core.stages import COPY_ON_WRITE, Stage
from crossfade.migration import Strategy
from crossfade.streams.changes import Change, change_of
from crossfade.streams.finding import view_type
from crossfade.streams.stamps import GONE, ONE_TABLE, SERVED, Seen, bring_over, seen
from tests.backfill.setting import Setting, order, order_key
from tests.conftest import Database
from tests.streams.setting import StreamSetting
from tests.streams.test_decisions import KEY

WRITE = Change("source", order_key(1), "MODIFY", 100.0, "", expired=False, stamped=False)
OURS = replace(WRITE, stamped=True)
WITHOUT_IMAGES = replace(WRITE, stamped=None)
REMOVED = replace(WRITE, event="REMOVE", stamped=None)
EXPIRED = replace(REMOVED, expired=True, who="dynamodb.amazonaws.com")


@pytest.fixture
def setting(dynamodb: Database) -> Setting:
    return Setting(dynamodb, stage=Stage.DRAIN, strategy="copy-on-write")


def said(setting: Setting, *changes: Change) -> Seen:
    found: Seen = setting.run(seen(setting.pair, changes))
    return found


def test_of_several_writes_of_a_key_the_stray_one_is_named(setting: Setting) -> None:
    """Whoever wrote before and after it; crossfade's own are not worth a look at the tables."""
    setting.put_directly("source", order(1))
    assert said(setting, OURS, WRITE, OURS) == Seen("stray", WRITE, "missing")
    assert said(setting, OURS) == Seen(None, OURS, "")
    setting.put_directly("target", setting.migration.compiled.forward(order(1, note={"S": "newer"})))
    assert said(setting, WRITE) == Seen("stray", WRITE, "mismatched")


def test_without_images_the_item_itself_must_tell(setting: Setting) -> None:
    """One without a stamp was written by a stranger; of one with a stamp nobody knows."""
    setting.put_directly("source", order(1))
    assert said(setting, WITHOUT_IMAGES).verdict == "stray"
    setting.put_directly("source", {**order(1), STAMP: {"S": "x"}})
    assert said(setting, WITHOUT_IMAGES).verdict is None


def test_a_deletion_is_told_only_where_the_targets_item_has_outlived_it(setting: Setting) -> None:
    """An expiry by its name; of any other nobody knows whose it is."""
    assert said(setting, REMOVED).verdict is None
    assert said(setting, EXPIRED).verdict is None
    setting.put_directly("target", setting.migration.compiled.forward(order(1)))
    assert said(setting, REMOVED) == Seen("untold", REMOVED, "extra")
    assert said(setting, EXPIRED) == Seen("expired", EXPIRED, "extra")
    assert said(setting, WRITE, REMOVED) == Seen("stray", WRITE, "extra")


def brought(setting: Setting, stage: Stage) -> str:
    outcome: str = setting.run(bring_over(setting.pair, COPY_ON_WRITE[stage], order_key(1)))
    return outcome


def test_what_is_brought_over_obeys_the_stage(setting: Setting) -> None:
    """In prepare nothing is copied; in rampdown nothing any more once the fleet has gone on; what is gone stays so."""
    assert brought(setting, Stage.DRAIN) == GONE
    setting.put_directly("source", order(1))
    assert brought(setting, Stage.PREPARE) == SERVED
    assert brought(setting, Stage.RAMPDOWN) == ONE_TABLE  # the fleet is in drain
    assert setting.held("target") == {}


@pytest.mark.parametrize(
    ("old", "new", "stamped"),
    [(None, "1", True), ("1", "2", True), ("1", "1", False), ("1", None, False), (None, None, False)],
)
def test_a_stamp_is_fresh_where_it_was_not_there_before(old: str | None, new: str | None, stamped: bool) -> None:
    """By both images of the record."""
    images = {
        name: {**KEY, **({} if stamp is None else {STAMP: {"S": stamp}})}
        for name, stamp in (("OldImage", old), ("NewImage", new))
    }
    told = {"Keys": KEY, "ApproximateCreationDateTime": datetime(2026, 1, 1, tzinfo=UTC)}
    assert change_of("source", {"eventName": "MODIFY", "dynamodb": told | images}).stamped is stamped
    del images["OldImage"]
    assert change_of("source", {"eventName": "MODIFY", "dynamodb": told | images}).stamped is (None if new else False)


def test_the_stream_is_switched_on_with_images_where_stamps_are_to_tell(dynamodb: Database) -> None:
    """And with keys alone where they are not."""
    cases: dict[Strategy, str] = {"copy-on-write": "NEW_AND_OLD_IMAGES", "dual-write": "KEYS_ONLY"}
    for strategy, wanted in cases.items():
        setting = StreamSetting(dynamodb, Stage.OFF, backfilled=False, strategy=strategy)
        assert setting.run(view_type("source", setting.migration.source.name)) == wanted
