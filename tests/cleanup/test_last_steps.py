"""Throughput, the quiet period, stamps and the deletion: what each refuses, and what it leaves."""

from __future__ import annotations

import time
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from botocore.exceptions import EndpointConnectionError
from botocore.stub import ANY

from crossfade.cleanup.connections import Patience
from crossfade.cleanup.steps import Step
from crossfade.cleanup.survey import look_at_cleanup
from crossfade.cleanup.table import throughput_of
from crossfade.cleanup.throughput import LEAST
from crossfade.cleanup.usage import CloudWatch, is_elsewhere, period_for, rounded_up
from crossfade.control.agent import Agent
from crossfade.control.record_items import to_item
from crossfade.control.records import Role
from crossfade.control.waiting import silent_clients
from crossfade.core.mapping import STAMP
from crossfade.core.stages import Stage
from crossfade.errors import ConfigurationError, GateClosed, NotPossibleInStage
from tests.backfill.setting import order
from tests.cleanup.retired import NOON, Retired, retired
from tests.cleanup.stubs import client_of, stubbed
from tests.cleanup.test_snapshot import rewrite_manifest
from tests.conftest import Database
from tests.migrations import make_anew, table_names

UNITS = {"ReadCapacityUnits": 5, "WriteCapacityUnits": 7}
OF_INDEX = {
    "GlobalSecondaryIndexUpdates": [{"Update": {"IndexName": "by-order", "ProvisionedThroughput": LEAST}}],
}


@pytest.fixture
def scene(dynamodb: Database, tmp_path: Path) -> Retired:
    return retired(dynamodb, tmp_path / "backups", items=20)


class Metrics:
    """CloudWatch behind botocore's Stubber: each answer is read and write units by moment."""

    def __init__(self) -> None:
        self.client = client_of("cloudwatch")
        self.stubber = stubbed(self.client)
        self.stubber.activate()

    def answer(self, reads: dict[datetime, float], writes: dict[datetime, float] | None = None) -> None:
        results = [
            {"Id": name, "Timestamps": list(values), "Values": list(values.values()), "StatusCode": "Complete"}
            for name, values in (("r0", reads), ("w0", writes or {}))
        ]
        expected = {"MetricDataQueries": ANY, "StartTime": ANY, "EndTime": ANY, "ScanBy": "TimestampAscending"}
        self.stubber.add_response("get_metric_data", {"MetricDataResults": results}, expected)

    def service(self, name: str) -> Any:
        assert name == "cloudwatch"
        return self.client


class Slept:
    """A sleep that takes no time."""

    def __init__(self) -> None:
        self.seconds: list[float] = []

    async def __call__(self, seconds: float) -> None:
        self.seconds.append(seconds)


class IndexUnits:
    """The throughput of the index, which the embedded engine takes and forgets: shown as it was asked for, or not."""

    def __init__(self, scene: Retired, *, shown: bool = True) -> None:
        self.requests: list[dict[str, Any]] = []
        self.shown = shown
        self._client = scene.setting.client
        scene.setting.jobs_client.before["update_table"] = self.requests.append
        scene.setting.jobs_client.instead["describe_table"] = self._describe

    def _describe(self, request: Any) -> Any:
        reply = self._client.describe_table(**request)
        if self.shown and self.requests:
            for index in reply["Table"].get("GlobalSecondaryIndexes", ()):
                index["ProvisionedThroughput"] |= LEAST
        return reply


def provisioned(database: Database, folder: Path) -> Retired:
    """With an index, both at 5 and 7 units."""
    scene = retired(database, folder / "backups", items=3)
    index = {
        "IndexName": "by-order",
        "KeySchema": [{"AttributeName": "order", "KeyType": "HASH"}],
        "Projection": {"ProjectionType": "KEYS_ONLY"},
        "ProvisionedThroughput": UNITS,
    }
    options = {"BillingMode": "PROVISIONED", "ProvisionedThroughput": UNITS, "GlobalSecondaryIndexes": [index]}
    make_anew(scene.setting.client, scene.source, {}, **options)
    return scene


def changing(scene: Retired, request: Any) -> Any:
    """DescribeTable while the service makes an index."""
    reply = scene.setting.client.describe_table(**request)
    reply["Table"] |= {
        "TableStatus": "UPDATING",
        "GlobalSecondaryIndexes": [{"IndexName": "by-order", "IndexStatus": "CREATING"}],
    }
    return reply


def test_throughput_goes_to_one_unit_or_on_demand(dynamodb: Database, tmp_path: Path) -> None:
    """The table and its index, in one request; a table that is on-demand stays so."""
    scene = provisioned(dynamodb, tmp_path)
    asked = IndexUnits(scene)
    scene.up_to(Step.THROUGHPUT)
    assert asked.requests == [{"TableName": scene.source, "ProvisionedThroughput": LEAST, **OF_INDEX}]
    table = scene.setting.client.describe_table(TableName=scene.source)["Table"]
    assert throughput_of(table) == LEAST
    assert scene.do(Step.THROUGHPUT, again=True, on_demand=True).said[1] == "now: on-demand"
    assert scene.do(Step.THROUGHPUT, again=True).said == ("before: on-demand", "now: on-demand")


def test_a_change_that_never_shows_ends_with_an_error(dynamodb: Database, tmp_path: Path) -> None:
    """As where auto scaling undoes it at once: the request is made once, and what is still shown is told."""
    scene = provisioned(dynamodb, tmp_path)
    asked = IndexUnits(scene, shown=False)
    slept = Slept()
    scene.up_to(Step.READ_BACK)
    scene.patience = Patience(showing=3, sleep=slept)
    with pytest.raises(ConfigurationError, match=r"goes on showing provisioned 1/1, by-order 5/7\n  next: .*auto scal"):
        _ = scene.do(Step.THROUGHPUT)
    assert len(asked.requests) == 1
    assert slept.seconds == [1.0] * 3
    asked.shown = True
    assert scene.do(Step.THROUGHPUT).said == (
        "before: provisioned 5/7, by-order 5/7",
        "now: provisioned 1/1, by-order 1/1",
    )


def test_a_table_that_never_becomes_active_ends_with_an_error(scene: Retired) -> None:
    """It says what is not active; nothing is asked of such a table."""
    scene.up_to(Step.READ_BACK)
    scene.patience = Patience(changing=4, sleep=Slept())
    way = scene.setting.jobs_client
    way.instead["describe_table"] = lambda request: changing(scene, request)
    with pytest.raises(
        ConfigurationError, match=r"the table is UPDATING, index by-order is CREATING\n  next: the same"
    ):
        _ = scene.do(Step.THROUGHPUT)


def test_a_deletion_that_never_ends_ends_with_an_error(scene: Retired) -> None:
    """The service goes on with it; the same command looks again."""
    scene.up_to(Step.THROUGHPUT)
    scene.clock.pass_(days=15)
    assert scene.do(Step.QUIET).status == "done"
    scene.patience = Patience(changing=4, sleep=Slept())
    way = scene.setting.jobs_client
    way.instead["delete_table"] = lambda _: {}
    with pytest.raises(ConfigurationError, match="is still being deleted"):
        _ = scene.do(Step.DELETE, confirm=scene.source)
    del way.instead["delete_table"]
    assert scene.do(Step.DELETE, confirm=scene.source).status == "done"


def test_the_quiet_period_is_waited_for(scene: Retired) -> None:
    """Not before its days have passed; without metrics it says plainly that reads cannot be seen."""
    scene.up_to(Step.THROUGHPUT)
    scene.clock.pass_(days=13, hours=12)
    waiting = scene.do(Step.QUIET)
    assert waiting.status == "waiting"
    assert "0.5 of 14 days are left" in waiting.said[0]
    assert "reads cannot be seen" in waiting.said[1]
    with pytest.raises(GateClosed, match="quiet: not done"):
        _ = scene.do(Step.DELETE, confirm=scene.source)
    scene.clock.pass_(hours=12)
    assert scene.do(Step.QUIET).status == "done"


def test_a_write_is_seen_without_metrics(scene: Retired) -> None:
    """At the end table and snapshot are compared: what was written since is named, and the step is not done."""
    scene.up_to(Step.THROUGHPUT)
    scene.setting.put_directly("source", order(500))
    scene.clock.pass_(days=15)
    found = scene.do(Step.QUIET)
    assert found.status == "failed"
    assert "only in the table: customer='c3' order='o00500'" in found.said
    assert "--step snapshot --again" in found.next_step


def test_a_read_begins_the_countdown_anew(scene: Retired) -> None:
    """CloudWatch shows one on the tenth day: fourteen days from there."""
    metrics = Metrics()
    scene.service = metrics.service
    scene.up_to(Step.THROUGHPUT)
    scene.clock.pass_(days=14, hours=1)
    metrics.answer({NOON: 9.5})  # our own read-back: CloudWatch sees this table
    metrics.answer({NOON + timedelta(days=10): 0.5})
    waiting = scene.do(Step.QUIET, metrics=True)
    assert waiting.status == "waiting"
    assert "it was read (0.5 units), last at 2026-05-14T12:0" in waiting.said[0]
    assert "10.0 of 14 days are left" in waiting.said[0]
    scene.clock.pass_(days=10)
    metrics.answer({NOON: 9.5})
    metrics.answer({})
    assert scene.do(Step.QUIET, metrics=True).status == "done"
    scene.clock.pass_(hours=1)
    metrics.answer({scene.clock.now: 3.0})
    with pytest.raises(NotPossibleInStage, match="it was read since the quiet period ended"):
        _ = scene.do(Step.DELETE, metrics=True, confirm=scene.source)
    metrics.answer({})
    assert scene.do(Step.DELETE, metrics=True, confirm=scene.source).status == "done"


def test_a_write_makes_the_snapshot_stale(scene: Retired) -> None:
    """CloudWatch shows a write: refused, with the way on; a new snapshot opens every step after it again."""
    metrics = Metrics()
    scene.service = metrics.service
    scene.up_to(Step.THROUGHPUT)
    scene.clock.pass_(days=15)
    metrics.answer({NOON: 9.5})
    metrics.answer({}, {NOON + timedelta(days=2): 1.0})
    with pytest.raises(NotPossibleInStage, match=r"was written to \(1 units\)"):
        _ = scene.do(Step.QUIET, metrics=True)
    assert scene.do(Step.SNAPSHOT, again=True).status == "done"
    by_step = {view.step: view.status for view in scene.view().steps}
    assert (by_step[Step.READ_BACK], by_step[Step.THROUGHPUT]) == ("to do again", "to do again")


def test_metrics_that_show_nothing_at_all_are_not_believed(scene: Retired) -> None:
    """Where not even our own reads are seen, silence means nothing."""
    metrics = Metrics()
    scene.service = metrics.service
    scene.up_to(Step.THROUGHPUT)
    scene.clock.pass_(days=15)
    metrics.answer({})
    with pytest.raises(ConfigurationError, match="shows none of crossfade's own reads") as caught:
        _ = scene.do(Step.QUIET, metrics=True)
    assert "--no-metrics" in caught.value.next_step


@pytest.mark.parametrize(
    ("endpoint", "first"),
    [
        ("http://127.0.0.1:8000", "--no-metrics"),
        ("https://dynamodb.eu-central-1.amazonaws.com", "give this user cloudwatch:GetMetricData"),
    ],
)
def test_what_cloudwatch_refuses_has_the_likelier_way_out_first(endpoint: str, first: str) -> None:
    """For tables that are at no address of AWS it is to do without CloudWatch, and else to be allowed to ask."""
    metrics = Metrics()
    metrics.stubber.add_client_error("get_metric_data", "AccessDenied")
    activity = CloudWatch(metrics.client, "orders", is_elsewhere=is_elsewhere(endpoint))
    with pytest.raises(ConfigurationError, match="could not be asked") as caught:
        _ = activity.between(NOON, NOON + timedelta(days=1), NOON + timedelta(days=1))
    assert caught.value.next_step.startswith(first)


def test_that_cloudwatch_does_not_answer_is_said_as_that(monkeypatch: pytest.MonkeyPatch) -> None:
    """Where no connection is had, no right is missing."""
    client = Metrics().client

    def refuse(**_: Any) -> None:
        raise EndpointConnectionError(endpoint_url="https://nowhere")

    monkeypatch.setattr(client, "get_metric_data", refuse)
    with pytest.raises(ConfigurationError, match="no answer from CloudWatch") as caught:
        _ = CloudWatch(client, "orders").between(NOON, NOON + timedelta(days=1), NOON + timedelta(days=1))
    assert "GetMetricData" not in caught.value.next_step


def test_cloudwatch_is_asked_for_the_table_and_each_index() -> None:
    """Sums by the minute, both directions, further pages; the period in which the countdown began is left out."""
    metrics = Metrics()
    dimension = {"Name": "TableName", "Value": "orders"}
    index = {"Name": "GlobalSecondaryIndexName", "Value": "by-day"}
    stubber = metrics.stubber
    begun = NOON + timedelta(seconds=20)

    def query(name: str, metric: str, *dimensions: dict[str, str]) -> dict[str, Any]:
        of = {"Namespace": "AWS/DynamoDB", "MetricName": metric, "Dimensions": list(dimensions)}
        return {"Id": name, "MetricStat": {"Metric": of, "Period": 60, "Stat": "Sum"}}

    reads, writes = "ConsumedReadCapacityUnits", "ConsumedWriteCapacityUnits"
    expected = {
        "MetricDataQueries": [
            query("r0", reads, dimension),
            query("w0", writes, dimension),
            query("r1", reads, dimension, index),
            query("w1", writes, dimension, index),
        ],
        "StartTime": NOON + timedelta(minutes=1),
        "EndTime": NOON + timedelta(days=1),
        "ScanBy": "TimestampAscending",
    }
    seen = {"Id": "r1", "Timestamps": [NOON + timedelta(hours=1)], "Values": [2.0]}
    zero = {"Id": "w0", "Timestamps": [NOON + timedelta(hours=2)], "Values": [0.0]}
    stubber.add_response("get_metric_data", {"MetricDataResults": [seen], "NextToken": "t"}, expected)
    stubber.add_response("get_metric_data", {"MetricDataResults": [zero]}, {**expected, "NextToken": "t"})
    now = NOON + timedelta(days=1)
    use = CloudWatch(metrics.client, "orders", ["by-day"]).between(begun, now, now)
    stubber.assert_no_pending_responses()
    assert (use.reads, use.writes, use.last) == (2.0, 0.0, NOON + timedelta(hours=1, minutes=1))
    assert [period_for(timedelta(days=days)) for days in (14, 15, 61)] == [60, 300, 3600]
    assert rounded_up(datetime(2026, 1, 1, 0, 0, 1, tzinfo=UTC), 300) == datetime(2026, 1, 1, 0, 5, tzinfo=UTC)


def test_stamps_are_removed_unless_somebody_writes_meanwhile(scene: Retired) -> None:
    """A write between the look at a stamp and its removal keeps what it wrote, stamp included."""
    _ = scene.do(Step.VERIFY)
    for n in range(10):
        scene.setting.put_directly("target", order(n, **{STAMP: {"S": f"s{n}"}}))
    newer = order(3, note={"S": "newer"}, **{STAMP: {"S": "fresh"}})

    def write_meanwhile(request: Any) -> None:
        if request["Key"]["order"] == newer["order"] and request["UpdateExpression"].startswith("REMOVE"):
            scene.setting.put_directly("target", newer)

    scene.setting.jobs_client.before["update_item"] = write_meanwhile
    said = scene.do(Step.STAMPS).said
    assert "9 stamps removed from 10 items" in said[0]
    assert "1 items were written meanwhile" in said[1]
    items = scene.setting.client.scan(TableName=scene.target, ConsistentRead=True)["Items"]
    assert [item for item in items if STAMP in item] == [newer]
    scene.setting.jobs_client.before.clear()
    assert "1 stamps removed" in scene.do(Step.STAMPS, again=True).said[0]


def application(scene: Retired, name: str, lease_seconds: float) -> Agent:
    """Attached, and silent from then on."""
    migration = scene.setting.migration
    agent = Agent(
        migration.name,
        name,
        lease_seconds=lease_seconds,
        landing_seconds=0.05,
        role=Role.APP,
        host="web-3",
        pid=7,
        fingerprint=migration.compiled.fingerprint,
        clock=time.monotonic,
        new_id=lambda: f"{name}-again",
        control_table=migration.control_table,
    )
    scene.setting.run(agent.join())
    return agent


def test_stamps_stay_while_applications_are_attached(scene: Retired) -> None:
    """They go on stamping, so the step is closed and names them; --while-attached is the operator's word."""
    _ = scene.do(Step.VERIFY)
    agent = application(scene, "app-1", lease_seconds=60)

    def renew(*_: object) -> None:
        scene.setting.run(agent.poll())

    with pytest.raises(GateClosed, match=r"1 application is attached, .*app-1 on web-3") as caught:
        _ = scene.do(Step.STAMPS, on_note=renew)
    assert "take crossfade out of the applications" in caught.value.next_step
    assert scene.do(Step.STAMPS, while_attached=True).status == "done"


def test_an_application_that_died_is_counted_out_before_the_stamps(scene: Retired) -> None:
    """A look says since when it is silent; the step waits for the end of its lease, as a move does."""
    _ = scene.do(Step.VERIFY)
    _ = application(scene, "app-1", lease_seconds=0.1)
    (silent,) = scene.setting.run(silent_clients(scene.setting.control))
    view = scene.setting.run(look_at_cleanup(scene.ledger, silent=(silent,)))
    (closed,) = [each for each in view.view(Step.STAMPS).conditions if not each.holds]
    assert "app-1 on web-3 (silent for 0 s, counted as gone in 0 s)" in closed.found
    assert "--execute waits until what is silent is counted as gone" in closed.next_step
    notes: list[str] = []
    assert scene.do(Step.STAMPS, on_note=lambda name, _: notes.append(name)).status == "done"
    assert "client_gone" in notes
    assert scene.view().attached == 0


def test_stamps_stay_while_another_migration_moves_the_table_on(scene: Retired) -> None:
    """It locks items by them; where it is begun while they are removed, the removal stops at the next page."""
    _ = scene.do(Step.VERIFY)
    setting = scene.setting
    later = replace(setting.run(setting.control.state()), source=scene.target, target="v3", stage=Stage.OFF)

    def enter(stage: Stage) -> None:
        setting.client.put_item(
            TableName=setting.migration.control_table, Item=to_item("later", replace(later, stage=stage))
        )

    setting.put_directly("target", order(1, **{STAMP: {"S": "s1"}}))
    setting.jobs_client.before["scan"] = lambda request: (
        enter(Stage.PREPARE) if request["TableName"] == scene.target else None
    )
    with pytest.raises(GateClosed, match=f"migration later, in stage prepare, moves {scene.target} on"):
        _ = scene.do(Step.STAMPS)
    setting.jobs_client.before.clear()
    with pytest.raises(GateClosed, match="CLOSED last: migration later"):
        _ = scene.do(Step.STAMPS)
    enter(Stage.COMPLETE)
    assert scene.do(Step.STAMPS).status == "done"


def test_a_client_in_an_earlier_stage_closes_every_step(scene: Retired) -> None:
    """Somebody who may still write to the old table is named; where its process has died, the step counts it out."""
    lease = {"migration": {"S": scene.setting.migration.name}, "record": {"S": "client#slow"}}
    _ = scene.do(Step.VERIFY)
    values = {"client": "slow", "role": "app", "host": "web-9", "fingerprint": "f", "lost_example": ""}
    numbers = {"pid": 1, "beat": 1, "epoch": 3, "lease_seconds": 0, "landing_seconds": 0, "lost_mirrors": 0}
    item = {**lease, **{n: {"S": v} for n, v in values.items()}, **{n: {"N": str(v)} for n, v in numbers.items()}}
    _ = scene.setting.client.put_item(TableName=scene.setting.migration.control_table, Item=item)
    (closed,) = [each for each in scene.view().view(Step.SNAPSHOT).conditions if not each.holds]
    assert "slow on web-9" in closed.found
    assert scene.do(Step.SNAPSHOT).status == "done"


def test_the_table_is_deleted_only_by_its_name_and_unprotected(scene: Retired) -> None:
    """Without the name, with another one, or protected: refused, with the command that helps; nothing goes."""
    scene.up_to(Step.QUIET, quiet_days=0)
    for name in ("", "orders"):
        with pytest.raises(ConfigurationError, match="its name must be given"):
            _ = scene.do(Step.DELETE, confirm=name)
    client = scene.setting.client
    _ = client.update_table(TableName=scene.source, DeletionProtectionEnabled=True)
    with pytest.raises(NotPossibleInStage, match="protected from deletion") as caught:
        _ = scene.do(Step.DELETE, confirm=scene.source)
    assert "--no-deletion-protection-enabled" in caught.value.next_step
    assert scene.source in table_names(client)


def test_the_snapshot_is_looked_at_once_more_before_the_table_goes(scene: Retired) -> None:
    """Damaged since, or another one in its place, though whole: nothing is deleted."""
    scene.up_to(Step.QUIET, quiet_days=0)
    victim = min((scene.export() / "data").iterdir())
    kept = victim.read_bytes()
    _ = victim.write_bytes(kept[:-9])
    found = scene.do(Step.DELETE, confirm=scene.source)
    assert found.status == "failed"
    assert victim.name in found.said[0]
    assert found.said[-1] == "nothing was deleted"
    renamed = victim.with_name("another.json.gz")
    _ = renamed.write_bytes(kept)
    manifest = "manifest-files"
    rewrite_manifest(scene.export(), manifest, lambda text: text.replace(victim.name, renamed.name))
    with pytest.raises(NotPossibleInStage, match="not the one that was verified"):
        _ = scene.do(Step.DELETE, confirm=scene.source)
    assert scene.source in table_names(scene.setting.client)


def test_another_table_of_the_same_name_is_not_deleted(scene: Retired) -> None:
    """A table that was made anew under the old name has another id."""
    scene.up_to(Step.QUIET, quiet_days=0)
    client = scene.setting.client
    found = client.describe_table(TableName=scene.source)["Table"]
    client.delete_table(TableName=scene.source)
    with pytest.raises(NotPossibleInStage, match="it was not crossfade that deleted it"):
        _ = scene.do(Step.DELETE, confirm=scene.source)
    client.create_table(
        TableName=scene.source,
        BillingMode="PAY_PER_REQUEST",
        KeySchema=found["KeySchema"],
        AttributeDefinitions=found["AttributeDefinitions"],
    )
    with pytest.raises(NotPossibleInStage, match="it was made anew since"):
        _ = scene.do(Step.DELETE, confirm=scene.source)
    assert scene.source in table_names(client)
