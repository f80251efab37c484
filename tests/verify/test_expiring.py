"""Verify and repair of tables with TTL: the service deletes items of each table at a time of its own."""

from __future__ import annotations

import time
from collections.abc import Iterator
from typing import Any, cast

import pytest

from crossfade.control.evidence import Evidence
from crossfade.control.gates import findings
from crossfade.core.items import AttributeValue
from crossfade.core.stages import Gate, Side, Stage
from crossfade.core.sync.expiring import EXPIRY_UNKNOWN
from crossfade.core.tables.expiry import AGE_SECONDS_MAX, DAY_SECONDS, GRACE_SECONDS
from crossfade.mapping import rename, suffix
from crossfade.verify.result import VerifyOptions
from tests.backfill.setting import Setting, order, order_key
from tests.conftest import Database
from tests.service import FakeService

HOUR = 3600
ATTRIBUTE: dict[Side, str] = {"source": "expires", "target": "gone_at"}


class Expiring(Setting):
    """Two tables that expire items behind a service of their own; the mapping renames the attribute."""

    def __init__(self, service: FakeService, **more: Any) -> None:
        self.service = service
        mapping = [suffix("customer", count=4), rename("expires", "gone_at")]
        super().__init__(Database(cast("Any", service)), mapping=mapping, **more)

    def expire_by(self, **attributes: str) -> None:
        """TTL on, by these attributes of these sides."""
        for side, attribute in attributes.items():
            self.client.update_time_to_live(
                TableName=self.name(side), TimeToLiveSpecification={"Enabled": True, "AttributeName": attribute}
            )

    def name(self, side: Any) -> str:
        return self.migration.table(side).name

    def sweep(self, side: Side) -> int:
        return self.service.sweep(self.name(side))

    def put_both(self, number: int, expires: AttributeValue) -> None:
        """As if an application had written it and its mirror had done its work."""
        self.app("PutItem", Item=order(number, expires=expires))

    def is_verified(self) -> bool:
        state = self.run(self.control.state())
        (finding,) = findings((Gate.VERIFIED,), state, self.run(Evidence.read(self.control)))
        return finding.is_open


@pytest.fixture
def service(dynamodb: Database) -> Iterator[FakeService]:
    with FakeService.start(dynamodb.endpoint_url, seed=3) as started:
        yield started


def seconds_ago(seconds: float) -> AttributeValue:
    return {"N": str(int(time.time() - seconds))}


def sessions(service: FakeService, stage: Stage = Stage.DUALWRITE, **more: Any) -> Expiring:
    """Twenty equal items on both sides, the first eleven an hour past their time."""
    setting = Expiring(service, **more)
    for number in range(20):
        setting.put_both(number, seconds_ago(HOUR if number < 11 else -HOUR))
    assert setting.backfill().status == "complete"
    setting.move(stage)
    return setting


@pytest.mark.parametrize("stage", [Stage.SHADOW, Stage.LIVE])
@pytest.mark.parametrize("first", ["source", "target"])
def test_what_one_table_expired_and_the_other_not_yet_opens_the_gate(
    service: FakeService, stage: Stage, first: Side
) -> None:
    """Whichever side decides, and whichever deletes first: counted apart, and no difference."""
    setting = sessions(service, stage)
    setting.expire_by(**ATTRIBUTE)
    assert setting.sweep(first) == 11
    result = setting.verify()
    assert (result.status, result.differences, result.expiring, result.matching) == ("clean", 0, 11, 9)
    assert result.as_json()["expiring"] == 11
    assert setting.is_verified()
    other: Side = "target" if first == "source" else "source"
    assert setting.sweep(other) == 11
    assert (setting.verify().expiring, len(setting.held(other))) == (0, 9)


@pytest.mark.parametrize("stage", [Stage.SHADOW, Stage.LIVE])
def test_a_repair_carries_no_expiry_over(service: FakeService, stage: Stage) -> None:
    """With TTL on the target alone the source's items are the last: none is deleted, and none is put back."""
    setting = sessions(service, stage)
    setting.expire_by(target="gone_at")
    assert setting.sweep("target") == 11
    result = setting.verify(VerifyOptions(repair=True))
    assert (result.expiring, result.differences, result.repaired) == (11, 0, 0)
    assert (len(setting.held("source")), len(setting.held("target"))) == (20, 9)


@pytest.mark.parametrize(
    ("said", "value"),
    [
        ("milliseconds", {"N": str(int(time.time() - HOUR) * 1000)}),
        ("a text", {"S": str(int(time.time() - HOUR))}),
        ("more than five years ago", {"N": str(int(time.time() - AGE_SECONDS_MAX - HOUR))}),
        ("a time to come", {"N": str(int(time.time() + HOUR))}),
        ("none at all", {"NULL": True}),
    ],
)
@pytest.mark.parametrize("lost_in", ["source", "target"])
def test_an_item_that_never_expires_is_missed(
    service: FakeService, said: str, value: AttributeValue, lost_in: Side
) -> None:
    """TTL does not take such a value, so the item was lost in another way; a repair makes it equal."""
    setting = sessions(service, Stage.SHADOW)
    setting.expire_by(**ATTRIBUTE)
    setting.put_both(30, value)
    assert setting.service.sweep() == 22, said
    key = order_key(30) if lost_in == "source" else setting.migration.compiled.forward_key(order_key(30))
    setting.client.delete_item(TableName=setting.name(lost_in), Key=key)
    result = setting.verify(VerifyOptions(repair=True))
    assert (result.missing + result.extra, result.expiring, result.repaired) == (1, 0, 1)
    setting.assert_equal()


@pytest.mark.parametrize(("stage", "authority"), [(Stage.SHADOW, "source"), (Stage.LIVE, "target")])
def test_an_item_whose_time_was_put_off_on_the_side_that_decides_is_missed(
    service: FakeService, stage: Stage, authority: Side
) -> None:
    """The other side has expired it by its old time, since the mirror was lost: that is damage, and is repaired."""
    setting = sessions(service, stage)
    setting.expire_by(**ATTRIBUTE)
    later = order(3, expires=seconds_ago(-HOUR))
    setting.put_directly(authority, later if authority == "source" else setting.migration.compiled.forward(later))
    assert setting.service.sweep() == 21
    found = setting.verify(VerifyOptions(repair=True))
    assert (found.differences, found.repaired, found.expiring) == (1, 1, 0)
    setting.assert_equal()


def test_an_item_written_anew_is_compared_with_what_the_other_side_still_has(service: FakeService) -> None:
    """Its old form, past its time, is no excuse: the mirror was lost."""
    setting = sessions(service, Stage.SHADOW)
    setting.expire_by(**ATTRIBUTE)
    assert setting.sweep("source") == 11
    setting.put_directly("source", order(3, expires=seconds_ago(-HOUR)))
    result = setting.verify()
    assert (result.mismatched, result.expiring, result.differences) == (1, 10, 1)


def test_what_outlives_the_grace_is_a_difference_that_a_repair_leaves_alone(service: FakeService) -> None:
    """A table whose TTL is off never deletes it; that is said, and what is left is nobody's to delete."""
    setting = sessions(service, Stage.LIVE)
    setting.put_both(30, seconds_ago(GRACE_SECONDS + DAY_SECONDS))
    setting.expire_by(target="gone_at")
    assert setting.sweep("target") == 12
    result = setting.verify(VerifyOptions(repair=True))
    assert (result.status, result.missing, result.expiring, result.left_alone) == ("differences", 1, 11, 1)
    assert "gone in the target, past its time for 8 days in the source" in result.samples[0].text()
    assert not setting.is_verified()


def test_where_ttl_may_not_be_asked_for_an_expiry_counts_and_is_told(service: FakeService) -> None:
    """Nothing is guessed: the differences stand, with the right that is missing."""
    setting = sessions(service, Stage.SHADOW)
    setting.expire_by(**ATTRIBUTE)
    assert setting.sweep("target") == 11
    setting.service.deny("crossfade", "DescribeTimeToLive")
    notes: list[tuple[str, dict[str, Any]]] = []

    def keep(name: str, facts: dict[str, Any]) -> None:
        notes.append((name, facts))

    result = setting.verify(VerifyOptions(workers=1), on_note=keep)
    assert (result.missing, result.expiring) == (11, 0)
    (told,) = [facts for name, facts in notes if name == EXPIRY_UNKNOWN]
    assert (told["key"], "DescribeTimeToLive" in told["error"]) == (setting.name("target"), True)


def test_equal_tables_are_not_asked_about_ttl(service: FakeService) -> None:
    """It is asked for where an item is missing, once a table."""
    setting = sessions(service, Stage.SHADOW)
    setting.expire_by(**ATTRIBUTE)
    assert setting.verify().status == "clean"
    assert not [each for each in service.log if each.operation == "DescribeTimeToLive"]
    assert setting.sweep("target") == 11
    assert setting.verify(VerifyOptions(workers=1)).expiring == 11
    assert len([each for each in service.log if each.operation == "DescribeTimeToLive"]) == 1


def test_a_copying_repair_does_not_copy_what_the_target_has_expired(service: FakeService) -> None:
    """It would be expired again, and copied again. What is missing for another reason is copied."""
    setting = Expiring(service, stage=Stage.DRAIN, strategy="copy-on-write")
    for number in range(20):
        setting.put_directly("source", order(number, expires=seconds_ago(HOUR if number < 11 else -HOUR)))
    assert setting.backfill().items == 20
    setting.expire_by(target="gone_at")
    assert setting.sweep("target") == 11
    setting.client.delete_item(
        TableName=setting.name("target"), Key=setting.migration.compiled.forward_key(order_key(15))
    )
    result = setting.verify(VerifyOptions(repair=True))
    assert (result.missing, result.repaired, result.expiring, result.matching) == (1, 1, 11, 8)
    assert len(setting.held("target")) == 9
