"""Traffic from logs, reports, sketches and samples: what is read, and what is wrong with a line that is not."""

from __future__ import annotations

import random
from typing import Any

import pytest

from crossfade.advice.designs import AS_IT_IS, Design, DesignKind
from crossfade.advice.heats import of_insights, of_sample, of_sketch
from crossfade.advice.logs import read_log
from crossfade.advice.querying import DEFAULT, query_cost, read_latencies
from crossfade.advice.workloads import generated
from crossfade.errors import ConfigurationError
from crossfade.partitions import KeyHeat


def rng() -> random.Random:
    return random.Random(1)


@pytest.mark.parametrize("times", [("1764547200", "1764547201.5"), ("1764547200000", "1764547201500"),
                                   ("2025-12-01T00:00:00Z", "2025-12-01T00:00:01.5+00:00")])  # fmt: skip
def test_a_log_is_read_with_any_form_of_time(times: tuple[str, str]) -> None:
    """Without a head and in any order; a Scan, which is of no one key, is left out and counted."""
    late, early = f"{times[1]},Query,acme,9000", f"{times[0]},PutItem,acme,512"
    trace = read_log([late, "", early, f"{times[1]},Scan,,9000"], "a log")
    assert [(access.at, access.kind, access.size_bytes) for access in trace.accesses] == [
        (0.0, "write", 512),
        (1.5, "query", 9000),
    ]
    assert trace.seconds == 3.0  # two accesses, each as far from the next
    assert "1 line " in trace.notes[0]


def test_a_head_may_name_more() -> None:
    """Columns in any order, the table's sort key, and attributes."""
    trace = read_log(
        ["key,bytes,time,operation,order_id,colour", "a,1,1,get,7,red", "a,1,2,put,8,"], "a log", "order_id"
    )
    first, second = trace.accesses
    assert (first.sort_key, dict(first.others)) == ("7", {"colour": "red"})
    assert (second.sort_key, dict(second.others)) == ("8", {})
    assert trace.attributes == ("colour",)


@pytest.mark.parametrize(
    ("lines", "said"),
    [
        ([], "no access"),
        (["1,get,a,1"], "one time"),
        (["1,get,a"], "line 1: 3 columns"),
        (["1,get,a,1", "2,get,a"], "line 2: 3 columns"),
        (["1,get,a,1", "soon,get,a,1"], "line 2: 'soon' is no time"),
        (["nan,get,a,1"], "no time"),
        (["1,fly,a,1"], "'fly' is no operation"),
        (["1,get,a,-1"], "no size"),
        (["1,put,a,500000"], "no size"),
        (["1,get,,1"], "the key is empty"),
        (["time,operation,bytes", "1,get,1"], "no column key"),
        (["time,operation,key,bytes,key", "1,get,a,1,b"], "twice"),
        (["1,Scan,,1", "2,Scan,,1"], "no access"),
    ],
)
def test_a_line_that_is_wrong_is_named(lines: list[str], said: str) -> None:
    """With its number, and with a line that is right as the next step."""
    with pytest.raises(ConfigurationError, match=said) as caught:
        _ = read_log(lines, "a log")
    assert caught.value.next_step


REPORT = {
    "KeyLabels": ["partitionKey"],
    "AggregationStatistic": "Sum",
    "AggregateValue": 120_000.0,
    "ApproximateUniqueCount": 500,
    "Contributors": [
        {"Keys": ["acme"], "ApproximateAggregateValue": 60_000.0, "Datapoints": []},
        {"Keys": ["other"], "ApproximateAggregateValue": 12_000.0, "Datapoints": []},
    ],
    "MetricDatapoints": [{"Timestamp": "2026-01-01T00:00:00+00:00"}, {"Timestamp": "2026-01-01T00:01:00+00:00"}],
}


def test_a_report_of_contributor_insights_is_read() -> None:
    """The hottest has half of all units, and the report is of two minutes."""
    trace, rate = of_insights(REPORT, "report.json", 1.0, 1_024, rng())
    share = sum(access.partition_key == "acme" for access in trace.accesses) / len(trace.accesses)
    assert abs(share - 0.5) < 0.02
    assert round(rate, 6) == 1_000.0
    assert len({access.partition_key for access in trace.accesses}) == 500
    assert of_insights({**REPORT, "MetricDatapoints": []}, "report.json", 1.0, 1_024, rng())[1] == 0.0


NO_REPORTS: list[Any] = [[], {}, {"Contributors": [{}]}, {"Contributors": []}, "text"]


@pytest.mark.parametrize("report", NO_REPORTS)
def test_what_is_no_report_is_refused(report: object) -> None:
    """With what to save instead."""
    with pytest.raises(ConfigurationError) as caught:
        _ = of_insights(report, "report.json", 0.8, 1_024, rng())
    assert caught.value.next_step


def test_a_sketch_is_a_trace_with_its_shares() -> None:
    """What the sketch counted of no key is cold."""
    sketch = KeyHeat(2)
    for number in range(1_000):
        sketch.write("hot", 2.0)
        sketch.read(f"key-{number}", 0.5)
    trace = of_sketch(sketch, "sketch.json", rng())
    hot = [access for access in trace.accesses if access.partition_key == "hot"]
    assert abs(len(hot) / len(trace.accesses) - 0.5) < 0.02
    assert {(access.kind, access.units) for access in hot} == {("write", 2.0)}
    with pytest.raises(ConfigurationError, match="nothing was counted"):
        _ = of_sketch(KeyHeat(), "sketch.json", rng())


def test_a_sample_tells_where_the_items_are() -> None:
    """The size of the largest item collection is that of its sampled items, as many times as there are items."""
    items = [
        {"pk": {"S": "big" if n % 2 else f"key-{n}"}, "sk": {"N": str(n)}, "c": {"S": "x" * 100}} for n in range(200)
    ]
    trace = of_sample(items, "orders", ("pk", "sk"), 2_000_000, 0.5, rng())
    assert abs(trace.collection_bytes["big"] / (1_000_000 * 112) - 1) < 0.05
    assert trace.attributes == ("c",)
    with pytest.raises(ConfigurationError, match="holds no items"):
        _ = of_sample([], "orders", ("pk",), 0, 0.5, rng())


@pytest.mark.parametrize("name", ["zipf", "hot-tenant", "time-series"])
def test_a_workload_is_its_seed(name: str) -> None:
    """The same seed makes the same traffic, another one another."""
    first, same, other = (generated(name, seed, write_share=0.5, skew=1.0) for seed in (1, 1, 2))
    assert first == same
    assert first != other


def test_the_slowest_of_many_requests_decides() -> None:
    """Of measured times: with 64 suffixes half of the Queries meet the slowest hundredth."""
    times = read_latencies(["# ms", *["1"] * 98, "50", "100"], "times")
    alone = query_cost(AS_IT_IS, 40_960, 1_024, 10, times)
    spread = query_cost(Design(DesignKind.COMPUTED, 64), 40_960, 1_024, 10, times)
    assert (alone.requests, alone.read_units, alone.p50_ms) == (1, 5.0, 1.0)
    assert (spread.requests, spread.read_units) == (64, 32.0)
    assert spread.p50_ms > 20.0
    assert spread.p99_ms > 95.0
    pages = query_cost(AS_IT_IS, 10 * 1024**2, 1_024, 10, times)
    assert (pages.round_trips, pages.first_page_requests) == (10, 1)
    assert 9.0 < pages.p50_ms < 60.0
    assert DEFAULT.at(0.5) == 4.0


@pytest.mark.parametrize("lines", [[], ["soon"], ["1", "-1"], ["inf"]])
def test_times_that_are_none_are_refused(lines: list[str]) -> None:
    """With the line."""
    with pytest.raises(ConfigurationError):
        _ = read_latencies(lines, "times")
