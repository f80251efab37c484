"""A difference that is but an expiry: what the shadow comparison tells of it, and what a repair leaves alone."""

from __future__ import annotations

from typing import Any

import pytest

from crossfade.core.items import AttributeValue, Item
from crossfade.core.stages import LADDERS, Side, Stage
from crossfade.core.sync.compare import shadow_compare
from crossfade.core.sync.expiring import EXPIRY_UNKNOWN
from crossfade.core.tables.expiry import AGE_SECONDS_MAX, GRACE_SECONDS, expiry_attribute, overdue_seconds
from crossfade.core.tables.pair import Pair
from crossfade.errors import ServiceRejected
from crossfade.jobs.repair import Repair, repair_key
from crossfade.mapping import convert, number_to_text, rename
from crossfade.migration import Migration, Table
from crossfade.observe import Watch
from tests.core.conftest import Bench

TODAY = 2_000_000_000  # later than the engine's own clock, which so expires nothing of what is written here
HOUR = 3600
KEY: Item = {"id": {"S": "a"}}


@pytest.fixture(autouse=True)
def at_a_time(monkeypatch: pytest.MonkeyPatch) -> None:
    """What `Today` answers."""
    monkeypatch.setattr("time.time", lambda: float(TODAY))


class Sessions:
    """Two tables that expire items, by `expires` and by `gone_at`; `text` is told as another type in the target."""

    def __init__(self, bench: Bench, expire: tuple[Side, ...] = ("source", "target"), target: str = "gone_at") -> None:
        self.bench = bench
        source, target_name = (bench.make_table(name, id="S") for name in ("sessions", "sessions2"))
        pieces = [rename("expires", "gone_at"), convert("text", number_to_text)]
        tables = Table(source, {"id": "S"}), Table(target_name, {"id": "S"})
        self.pair = Pair(*tables, Migration("t", *tables, pieces).compiled)
        for side, attribute in (("source", "expires"), ("target", target)):
            if side in expire:
                bench.client.update_time_to_live(
                    TableName=self.pair.table(side).name,
                    TimeToLiveSpecification={"Enabled": True, "AttributeName": attribute},
                )

    def only(self, side: Side, value: AttributeValue, **more: AttributeValue) -> None:
        """One side alone has the item."""
        item: Item = {**KEY, "expires": value, **more}
        if side == "target":
            item = {**self.pair.mapping.forward(item), "_crossfade": {"S": "one"}}
        self.bench.client.put_item(TableName=self.pair.table(side).name, Item=item)

    def compared(self) -> str:
        self.bench.run(shadow_compare(self.pair, KEY))
        return str(self.bench.notes[-1].facts["outcome"])

    def repaired(self, stage: Stage) -> Repair:
        return self.bench.run(repair_key(self.pair, LADDERS["dual-write"][stage], KEY, backfilled=True))

    def holds(self, side: Side) -> bool:
        request: dict[str, Any] = {"TableName": self.pair.table(side).name, "Key": KEY, "ConsistentRead": True}
        return "Item" in self.bench.client.get_item(**request)


def number(value: float) -> AttributeValue:
    return {"N": str(int(value))}


@pytest.mark.parametrize("side", ["source", "target"])
def test_an_item_past_its_time_on_one_side_is_compared_as_expiring(bench: Bench, side: Side) -> None:
    """At the first look, whichever side has it; no time is spent on further looks."""
    sessions = Sessions(bench)
    sessions.only(side, number(TODAY - HOUR))
    assert sessions.compared() == "expiring"
    assert bench.now == 0


@pytest.mark.parametrize(
    ("value", "told"),
    [
        (number(TODAY + 1), "missing"),
        (number(TODAY), "expiring"),
        (number((TODAY - HOUR) * 1000), "missing"),
        ({"S": str(TODAY - HOUR)}, "missing"),
        ({"M": {"N": number(TODAY - HOUR)}}, "missing"),
        (number(TODAY - GRACE_SECONDS), "expiring"),
        (number(TODAY - GRACE_SECONDS - 1), "missing"),
        (number(TODAY - AGE_SECONDS_MAX), "missing"),
    ],
)
def test_only_a_number_of_seconds_that_is_over_makes_it_so(bench: Bench, value: AttributeValue, told: str) -> None:
    """And not for longer than the grace, nor of more than five years ago, which TTL does not take."""
    sessions = Sessions(bench)
    sessions.only("source", value)
    assert sessions.compared() == told


def test_the_table_that_lacks_the_item_must_be_one_that_expires_it(bench: Bench) -> None:
    """By its own attribute: without TTL there, or by another one, the item was lost."""
    for sessions in (Sessions(bench, expire=("source",)), Sessions(bench, target="expires")):
        sessions.only("source", number(TODAY - HOUR))
        assert sessions.compared() == "missing"


def test_an_attribute_that_arrives_in_another_form_expires_nothing(bench: Bench) -> None:
    """What the mapping makes of it is what counts: a text is no time."""
    sessions = Sessions(bench, target="text")
    sessions.only("source", number(TODAY + HOUR), text=number(TODAY - HOUR))
    assert sessions.compared() == "missing"


@pytest.mark.parametrize("stage", [Stage.DUALWRITE, Stage.LIVE])
@pytest.mark.parametrize("side", ["source", "target"])
def test_a_repair_neither_deletes_nor_puts_back_what_has_expired(bench: Bench, stage: Stage, side: Side) -> None:
    """Also after the grace, and whichever side decides."""
    sessions = Sessions(bench)
    for age in (HOUR, GRACE_SECONDS + HOUR):
        sessions.only(side, number(TODAY - age))
        assert sessions.repaired(stage) is Repair.EXPIRED
        assert (sessions.holds(side), sessions.holds("target" if side == "source" else "source")) == (True, False)


def test_a_repair_makes_equal_what_expires_later(bench: Bench) -> None:
    """Its time is to come, so the other side has lost it."""
    sessions = Sessions(bench)
    sessions.only("target", number(TODAY + HOUR))
    assert sessions.repaired(Stage.LIVE) is Repair.REPAIRED
    assert sessions.holds("source")


def test_ttl_is_asked_for_once_and_only_where_an_item_is_missing(bench: Bench) -> None:
    """A client of equal tables sends nothing that it did not send before."""
    sessions = Sessions(bench)
    sessions.only("source", number(TODAY + HOUR))
    bench.run(shadow_compare(sessions.pair, {"id": {"S": "nobody"}}))
    assert "DescribeTimeToLive" not in {each.operation for each in bench.calls}
    for _ in range(2):
        assert sessions.compared() == "missing"
    assert [each.operation for each in bench.calls].count("DescribeTimeToLive") == 1


def test_a_right_that_is_missing_is_told_and_an_unknown_operation_is_not(bench: Bench) -> None:
    """Both count as no TTL; in front of something that stands in for DynamoDB there is none."""
    told: dict[str, list[str]] = {}
    for code in ("AccessDeniedException", "UnknownOperationException"):
        sessions = Sessions(bench)
        sessions.only("source", number(TODAY - HOUR))

        def refuse(code: str = code) -> None:
            raise ServiceRejected(code, "no")

        bench.before["DescribeTimeToLive", sessions.pair.target.name] = refuse
        bench.notes.clear()
        assert sessions.compared() == "missing"
        told[code] = [note.name for note in bench.notes]
    assert told == {"AccessDeniedException": [EXPIRY_UNKNOWN, "compare"], "UnknownOperationException": ["compare"]}


def test_what_is_expiring_is_counted_and_warned_of_nowhere(caplog: pytest.LogCaptureFixture) -> None:
    """A router counts it apart from what is missing; a right that is missing is a warning."""
    watch = Watch()
    watch.note("compare", {"outcome": "expiring"})
    assert (watch.counts(), caplog.messages) == ({"compare.expiring": 1}, [])
    watch.note(EXPIRY_UNKNOWN, {"key": "sessions", "error": "no"})
    assert "allow dynamodb:DescribeTimeToLive" in caplog.messages[0]


def test_a_table_that_does_not_expire_has_no_attribute() -> None:
    """One that is just being switched on has."""
    for status, attribute in (("ENABLED", "t"), ("ENABLING", "t"), ("DISABLING", ""), ("DISABLED", "")):
        told = {"TimeToLiveDescription": {"TimeToLiveStatus": status, "AttributeName": "t"}}
        assert expiry_attribute(told) == attribute
    assert overdue_seconds({"": number(1)}, "", TODAY) is None
