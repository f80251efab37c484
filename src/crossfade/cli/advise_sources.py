"""Where `crossfade advise` has the traffic from: files, the table itself, CloudWatch, or a generated workload."""

from __future__ import annotations

import json
import random
import time
from collections.abc import Generator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import IO, Any, Final

from botocore.exceptions import BotoCoreError, ClientError

from crossfade.advice.heats import of_insights, of_sample, of_sketch
from crossfade.advice.logs import read_log
from crossfade.advice.trace import Trace
from crossfade.advice.workloads import generated
from crossfade.check.sampling import sample
from crossfade.cli.connect import connect, connect_to, described, service_client
from crossfade.cli.options import Where
from crossfade.core.tables.descriptions import description_key
from crossfade.errors import ConfigurationError
from crossfade.migration import Migration, Table, check_table_name, load
from crossfade.partitions.heat import KeyHeat

JSON_BYTES_MAX: Final = 50_000_000
REPORT_SECONDS: Final = 3_600  # of Contributor Insights: the last hour
PERIOD_SECONDS: Final = 60
CONTRIBUTORS_MAX: Final = 100  # the most that the API gives
ACCESSED_RULE: Final = "DynamoDBContributorInsights-PKC-"
WORKLOAD_TARGET: Final = 5_000.0


@dataclass(frozen=True, slots=True)
class Assumed:
    """What is taken for true where the source does not say it."""

    write_share: float
    item_bytes: int
    seed: int
    skew: float


@dataclass(frozen=True, slots=True)
class Given:
    """The traffic, how many requests a second it has by itself (0: not known), and whether the table is known to have a
    local secondary index."""

    trace: Trace
    requests_per_second: float
    local_index: bool = False


@dataclass(frozen=True, slots=True)
class Subject:
    """The table that advice is asked for, and its key where that is known without asking."""

    table: str
    declared: Table | None

    @property
    def sort_key(self) -> str | None:
        return None if self.declared is None else self.declared.sort_key


def subject_of(word: str | None) -> Subject | None:
    """Return the table that a migration file or a name stands for. Raises ConfigurationError."""
    if word is None:
        return None
    if word.endswith(".py"):
        source = load(Path(word), Migration).source
        return Subject(source.name, source)
    check_table_name(word, "table")
    return Subject(word, None)


def of_log(path: Path, subject: Subject | None) -> Given:
    with _opened(path) as file:
        trace = read_log(file, str(path), None if subject is None else subject.sort_key)
    return Given(trace, trace.requests_per_second)


def of_report(path: Path, assumed: Assumed) -> Given:
    return Given(*of_insights(_json(path), str(path), assumed.write_share, assumed.item_bytes, _rng(assumed)))


def of_sketches(path: Path, assumed: Assumed) -> Given:
    """Return the traffic of a sketch, or of a list of them, each with the `seconds` that it is of."""
    held = _json(path)
    records: list[Any] = [*held] if isinstance(held, list) else [held]
    merged, seconds = KeyHeat(), 0.0
    try:
        for record in records:
            merged.merge(KeyHeat.from_record(record))
            seconds = max(seconds, float(record.get("seconds", 0.0)))
    except (AttributeError, KeyError, TypeError, ValueError) as error:
        raise ConfigurationError(
            f"{path}: no sketch of traffic ({type(error).__name__}: {error})",
            next_step='it is JSON: {"size": 256, "seconds": 60, "total": {...}, "keys": {...}}, or a list of such',
        ) from None
    counted = merged.total.reads + merged.total.writes
    return Given(of_sketch(merged, str(path), _rng(assumed)), counted / seconds if seconds > 0 else 0.0)


def of_workload(name: str, assumed: Assumed) -> Given:
    trace = generated(name, assumed.seed, write_share=assumed.write_share, skew=assumed.skew)
    return Given(trace, WORKLOAD_TARGET)


def of_table(where: Where, subject: Subject, items: int, assumed: Assumed) -> Given:
    """Return what a sample of the table tells. Raises ConfigurationError."""
    client, description = _asked(where, subject)
    key = tuple(description_key(description))
    try:
        taken = sample(client, subject.table, items)
    except (BotoCoreError, ClientError) as error:
        raise ConfigurationError(
            f"table {subject.table} cannot be sampled: {error}", next_step="advise needs dynamodb:Scan on it"
        ) from error
    count = len(taken.items) if taken.whole_table else int(description.get("ItemCount", 0))
    trace = of_sample(taken.items, subject.table, key, count, assumed.write_share, _rng(assumed))
    return Given(trace, 0.0, bool(description.get("LocalSecondaryIndexes")))


def of_api(where: Where, subject: Subject, assumed: Assumed) -> Given:
    """Return what Contributor Insights reports of the last hour. Raises ConfigurationError."""
    client, description = _asked(where, subject)
    try:
        rules: list[str] = client.describe_contributor_insights(TableName=subject.table).get(
            "ContributorInsightsRuleList", []
        )
        rule = next((name for name in rules if name.startswith(ACCESSED_RULE)), None)
        if rule is None:
            raise ConfigurationError(
                f"table {subject.table}: Contributor Insights are not switched on for the most accessed keys",
                next_step=f"aws dynamodb update-contributor-insights --table-name {subject.table}"
                " --contributor-insights-action ENABLE, and wait for some traffic; AWS charges for it",
            )
        now = time.time()
        report = service_client(where, "cloudwatch", client.meta.region_name).get_insight_rule_report(
            RuleName=rule,
            StartTime=now - REPORT_SECONDS,
            EndTime=now,
            Period=PERIOD_SECONDS,
            MaxContributorCount=CONTRIBUTORS_MAX,
            Metrics=["UniqueContributors"],
        )
    except (BotoCoreError, ClientError) as error:
        raise ConfigurationError(
            f"Contributor Insights of {subject.table} cannot be asked: {error}",
            next_step="it takes dynamodb:DescribeContributorInsights and cloudwatch:GetInsightRuleReport; or save the"
            " report and give --insights FILE",
        ) from error
    trace, rate = of_insights(report, rule, assumed.write_share, assumed.item_bytes, _rng(assumed))
    return Given(trace, rate, bool(description.get("LocalSecondaryIndexes")))


def _asked(where: Where, subject: Subject) -> tuple[Any, dict[str, Any]]:
    if subject.declared is None:
        client = connect(where, subject.table, patient=True)
    else:
        client = connect_to(where, subject.declared, patient=True)
    description = described(client, subject.table)
    if description is None:
        raise ConfigurationError(
            f"there is no table {subject.table}", next_step="look at its name, at --region and at --endpoint-url"
        )
    return client, description


@contextmanager
def _opened(path: Path) -> Generator[IO[str]]:
    try:
        with path.open(encoding="utf-8-sig", newline="") as file:
            yield file
    except (OSError, UnicodeDecodeError) as error:
        raise ConfigurationError(f"{path}: cannot be read: {error}", next_step="look at the name of the file") from None


def _json(path: Path) -> Any:
    with _opened(path) as file:
        try:
            return json.loads(file.read(JSON_BYTES_MAX))
        except ValueError as error:
            raise ConfigurationError(f"{path}: no JSON: {error}", next_step="give the file as it was saved") from None


def read_lines(path: Path) -> list[str]:
    """Return the lines of a text file. Raises ConfigurationError."""
    with _opened(path) as file:
        return file.readlines()


def _rng(assumed: Assumed) -> random.Random:
    return random.Random(assumed.seed)  # noqa: S311 - no secret
