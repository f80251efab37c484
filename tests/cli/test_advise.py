"""`crossfade advise`: what it recommends, from which traffic, and what it says to wrong input."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from crossfade.cli import advise_sources
from crossfade.partitions import KeyHeat
from tests.cli.conftest import Shell


def log(folder: Path, *, hot: int, seconds: int = 12) -> str:
    """A file with so many writes a second of one key, among 200 of others."""
    lines = ["time,operation,key,bytes,sort"]
    for second in range(seconds):
        for number in range(hot + 200):
            key = "acme" if number < hot else f"key-{number}"
            lines.append(f"{1_000 + second + number / (hot + 200):.4f},PutItem,{key},700,{second}-{number}")
    file = folder / "requests.csv"
    _ = file.write_text("\n".join(lines))
    return str(file)


def designs(said: Any) -> dict[tuple[str, int], Any]:
    return {(each["kind"], each["count"]): each for each in said["designs"]}


def test_a_log_with_a_hot_key_gets_suffixes_and_reasons(bare_shell: Shell) -> None:
    """The fewest that carry it; half as many do not; every rule with its source; no service is asked."""
    file = log(bare_shell.folder, hot=1_800)
    said = bare_shell.json("advise", "--log", file, "--picture", "advice.svg")
    assert (said["verdict"], said["recommended"]) == ("change it", {"kind": "computed", "count": 4, "attribute": None})
    tried = designs(said)
    assert tried["none", 1]["throttled_share_at_target"] > 0.3
    assert tried["computed", 4]["throttled_share"] < 0.001
    assert tried["computed", 2]["throttled_share"] > 0.05
    assert said["keys"][0]["name"] == "acme"
    assert 0.85 < said["keys"][0]["share"] < 0.95
    assert all(rule["source"].startswith("https://") for rule in said["rules"])
    assert said["not_known"]
    assert (bare_shell.folder / "advice.svg").read_text().startswith("<svg ")
    text = bare_shell("advise", "--log", file).output
    assert "Advice: 4 computed suffixes" in text
    assert "Half as many, 2, would still have" in text


def test_a_log_without_a_hot_key_is_left(bare_shell: Shell) -> None:
    """200 keys that are written alike."""
    said = bare_shell.json("advise", "--log", log(bare_shell.folder, hot=0), "--target", "3000")
    assert (said["verdict"], said["advice"]) == ("leave it", "leave it")
    assert "Advice: leave it" in bare_shell("advise", "--log", log(bare_shell.folder, hot=0)).output


def test_what_nothing_carries_ends_with_status_1(bare_shell: Shell) -> None:
    """Reads of one item, far beyond what a partition gives."""
    lines = [f"{1_000 + n / 8_000:.5f},GetItem,acme,4000" for n in range(96_000)]
    _ = (bare_shell.folder / "reads.csv").write_text(
        "time,operation,key,bytes,sort\n" + "".join(f"{x},1\n" for x in lines)
    )
    said = bare_shell.json("advise", "--log", "reads.csv", status=1)
    assert (said["verdict"], said["recommended"]) == ("nothing carries it", None)


def test_a_table_is_sampled(shell: Shell) -> None:
    """By its name or by the migration file; with the size of its item collections; nothing is changed."""
    before = shell.everything()
    for subject in (shell.tables["source"], "migration.py"):
        said = shell.json("advise", subject, "--target", "9000")
        assert said["key_count"] == 3
        assert said["collection_bytes_max"] > 100
        assert said["recommended"]["kind"] == "computed"
    assert shell.everything() == before
    refused = shell("advise", "migration.py", status=2).output
    assert "give --target" in refused


def test_a_sketch_and_a_report_are_read(bare_shell: Shell) -> None:
    """A sketch with its seconds needs no target; a report without data points does."""
    sketch = KeyHeat()
    for number in range(2_000):
        sketch.write("acme", 1.0)
        sketch.write(f"key-{number}", 1.0)
    record = {**sketch.record(), "seconds": 1.0}
    _ = (bare_shell.folder / "sketch.json").write_text(json.dumps([record, record]))
    said = bare_shell.json("advise", "--sketch", "sketch.json")
    assert (said["keys"][0]["name"], said["target_requests_per_second"]) == ("acme", 8_000.0)
    report = {"Contributors": [{"Keys": ["acme"], "ApproximateAggregateValue": 9.0}], "AggregateValue": 10.0,
              "ApproximateUniqueCount": 50}  # fmt: skip
    _ = (bare_shell.folder / "report.json").write_text(json.dumps(report))
    assert "give --target" in bare_shell("advise", "--insights", "report.json", status=2).output
    said = bare_shell.json("advise", "--insights", "report.json", "--target", "2000")
    assert said["recommended"]["kind"] == "computed"


class Insights:
    """Answers for the two services."""

    def __init__(self, rules: list[str]) -> None:
        self.rules = rules
        self.asked: dict[str, Any] = {}
        self.meta = type("Meta", (), {"region_name": "eu-central-1"})

    def describe_contributor_insights(self, **request: Any) -> dict[str, Any]:
        assert request == {"TableName": "orders"}
        return {"ContributorInsightsRuleList": self.rules}

    def get_insight_rule_report(self, **request: Any) -> dict[str, Any]:
        self.asked = request
        return {"Contributors": [{"Keys": ["acme"], "ApproximateAggregateValue": 9.0}], "AggregateValue": 10.0,
                "ApproximateUniqueCount": 50}  # fmt: skip


def test_contributor_insights_are_asked(bare_shell: Shell, monkeypatch: pytest.MonkeyPatch) -> None:
    """For the rule of the most accessed keys; where it is not switched on, how to do that is said."""
    rule = "DynamoDBContributorInsights-PKC-orders-1"
    service = Insights(["DynamoDBContributorInsights-PKT-orders-1", rule])

    def asked(*_: Any) -> tuple[Any, dict[str, Any]]:
        return service, {}

    def made(*_: Any) -> Any:
        return service

    monkeypatch.setattr(advise_sources, "_asked", asked)
    monkeypatch.setattr(advise_sources, "service_client", made)
    said = bare_shell.json("advise", "orders", "--insights-api", "--target", "2000")
    assert said["keys"][0]["name"] == "acme"
    assert service.asked["RuleName"] == rule
    service.rules = []
    assert "update-contributor-insights" in bare_shell("advise", "orders", "--insights-api", status=2).output


@pytest.mark.parametrize(
    ("words", "said"),
    [
        ((), "give a migration file or a table, or traffic"),
        (("--log", "nowhere.csv"), "cannot be read"),
        (("--log", "wrong.csv"), "wrong.csv, line 2"),
        (("--insights", "wrong.csv"), "no JSON"),
        (("--sketch", "wrong.json"), "no sketch of traffic"),
        (("--insights", "wrong.json"), "no report of Contributor Insights"),
        (("--log", "a", "--sketch", "b"), "give one source of traffic"),
        (("--workload", "zipf", "--target", "0"), "cannot be tried"),
        (("--workload", "zipf", "--target", "nan"), "cannot be tried"),
        (("--workload", "zipf", "--attribute", "colour"), "no access names the attribute colour"),
        (("--workload", "zipf", "--latencies", "wrong.csv"), "wrong.csv, line 1"),
        (("--workload", "zipf", "--picture", "a.png"), "a.svg"),
        (("--workload", "zipf", "--picture", "nowhere/a.svg"), "cannot be written there"),
        (("nowhere.py",), "no such file"),
        (("a b",), "a table name is"),
        (("no-such-table", "--target", "1"), "there is no table no-such-table"),
    ],
)
def test_wrong_input_is_told_before_anything_is_done(bare_shell: Shell, words: tuple[str, ...], said: str) -> None:
    """One line and a next step, exit status 2."""
    _ = (bare_shell.folder / "wrong.csv").write_text("1,get,a,1\n1,get\n")
    _ = (bare_shell.folder / "wrong.json").write_text('{"a": [1]}')
    output = bare_shell("advise", *words, status=2).output
    assert said in output
    assert not list(bare_shell.folder.glob("*.svg"))
