"""Lines of CloudWatch's embedded metric format, judged by its published rules."""

from __future__ import annotations

import json
from dataclasses import replace
from typing import Any

import pytest

from crossfade.core.stages import Stage
from crossfade.observe.cloudwatch import CloudWatchObserver
from crossfade.observe.events import event_of
from tests.aws.conftest import World, wait_for
from tests.observe.emf import faults
from tests.observe.test_logs import ENDED
from tests.observe.test_metrics import EVENTS


class Clock:
    def __init__(self) -> None:
        self.now = 0.0

    def __call__(self) -> float:
        return self.now


def metrics_of(line: dict[str, Any]) -> dict[str, Any]:
    told = [each["Name"] for each in line["_aws"]["CloudWatchMetrics"][0]["Metrics"]]
    return {name: line[name] for name in told}


@pytest.mark.parametrize("seconds", [0.0, 10.0])
def test_every_line_keeps_the_rules_of_the_format(seconds: float) -> None:
    """For one event of each kind, written with each and together."""
    lines, clock = list[str](), Clock()
    observer = CloudWatchObserver(lines.append, seconds=seconds, clock=clock)
    for event in EVENTS:
        observer.on_event(event)
    observer.flush()
    assert lines
    assert [fault for line in lines for fault in faults(line)] == []


def test_the_rules_find_what_is_wrong() -> None:
    """A line without a dimension's value, with a text for a value, and with too many."""
    lines = list[str]()
    CloudWatchObserver(lines.append, seconds=0).on_event(ENDED)
    good = json.loads(next(line for line in lines if "CallDuration" in line))
    assert faults(json.dumps(good)) == []
    changes: list[dict[str, Any]] = [
        {"migration": ""},
        {"CallDuration": "0.1"},
        {"CallDuration": [0.1] * 101},
        {"_aws": {}},
    ]
    for change in changes:
        assert faults(json.dumps(good | change)), change


def test_counters_add_up_and_a_histogram_tells_a_hundred_values_evenly() -> None:
    """In the time between two lines; then both begin anew."""
    lines, clock = list[str](), Clock()
    observer = CloudWatchObserver(lines.append, clock=clock)
    for n in range(1000):
        observer.on_event(replace(ENDED, seconds=float(n)))
    assert lines == []
    clock.now = 10.0
    observer.on_event(event_of("orders", "joined", {"client": "a", "stage": "off"}))
    told = {name: value for line in lines for name, value in metrics_of(json.loads(line)).items()}
    assert told["Calls"] == 1000
    assert 50 <= len(told["CallDuration"]) <= 100
    assert 400 < sum(told["CallDuration"]) / len(told["CallDuration"]) < 600
    lines.clear()
    observer.on_event(ENDED)
    observer.flush()
    told = {name: value for line in lines for name, value in metrics_of(json.loads(line)).items()}
    assert (told["Calls"], told["CallDuration"]) == (1, [0.01])


def test_dimensions_are_those_of_the_table() -> None:
    """Each combination is a metric that is paid for: neither the stage nor the error is one."""
    lines = list[str]()
    CloudWatchObserver(lines.append, seconds=0).on_event(ENDED)
    by_metric = {name: json.loads(line) for line in lines for name in metrics_of(json.loads(line))}
    assert by_metric["Calls"]["_aws"]["CloudWatchMetrics"][0]["Dimensions"] == [["migration", "side"]]
    assert by_metric["CallDuration"]["operation"] == "GetItem"
    assert "stage" not in by_metric["CallDuration"]


def test_a_process_that_leaves_writes_the_rest(world: World, capsys: pytest.CaptureFixture[str]) -> None:
    """To stdout, which Lambda and ECS collect."""
    world.set_stage(Stage.DUALWRITE)
    client = world.boto3_client()
    router = world.attach(client, observer=CloudWatchObserver())
    client.put_item(TableName=world.migration.source.name, Item=world.key("c", "o"))
    wait_for(lambda: router.pending == 0, "the mirror")
    assert router.detach()
    lines = [line for line in capsys.readouterr().out.splitlines() if line]
    assert [fault for line in lines for fault in faults(line)] == []
    told = {name: value for line in lines for name, value in metrics_of(json.loads(line)).items()}
    assert (told["Calls"], told["Mirrors"]) == (1, 1)
