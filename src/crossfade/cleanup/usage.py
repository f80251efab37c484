"""Whether anybody still uses the old table: a countdown that every read and every write begins anew.

Two things can tell. CloudWatch counts what reads and writes consume, of the table and of each of its indexes, minute by
minute. Without it (the embedded engine, or no right to ask) reads cannot be seen at all, and a write only by comparing
the table with its snapshot once more; whoever wants that has to say so.

crossfade's own reads do not count: the countdown begins after the last of them, and nothing reads the table meanwhile.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any, Final, Protocol
from urllib.parse import urlsplit

from botocore.exceptions import (
    BotoCoreError,
    ClientError,
    ConnectionError,  # noqa: A004 - botocore's own name
    HTTPClientError,
    NoRegionError,
)

from crossfade.errors import ConfigurationError

READS: Final = "ConsumedReadCapacityUnits"
WRITES: Final = "ConsumedWriteCapacityUnits"
# How fine CloudWatch keeps what how old is: https://docs.aws.amazon.com/AmazonCloudWatch/latest/APIReference/API_GetMetricData.html
PERIODS: Final = ((timedelta(days=14), 60), (timedelta(days=60), 300), (timedelta(days=400), 3600))
PAGES_MAX: Final = 1_000
HOSTS_OF_AWS: Final = (".amazonaws.com", ".amazonaws.com.cn", ".api.aws", ".amazonwebservices.com.cn")
NO_ANSWER: Final = (ConnectionError, HTTPClientError, NoRegionError)
WITHOUT: Final = "--no-metrics, which sees no reads"


@dataclass(frozen=True, slots=True)
class Use:
    """What was consumed; `last` is the end of the last period with any."""

    reads: float
    writes: float
    last: datetime | None

    @property
    def any(self) -> bool:
        return self.last is not None


class Activity(Protocol):
    """The source of this knowledge."""

    @property
    def name(self) -> str: ...

    @property
    def sees_reads(self) -> bool: ...

    def between(self, start: datetime, end: datetime, now: datetime) -> Use:
        """What was used after `start`. Blocks. Raises ConfigurationError when it cannot be asked."""
        ...


@dataclass(frozen=True, slots=True)
class NoMetrics:
    """Sees nothing; a write shows when table and snapshot are compared."""

    name: str = "none"
    sees_reads: bool = False

    def between(self, start: datetime, end: datetime, now: datetime) -> Use:
        del start, end, now
        return Use(0.0, 0.0, None)


@dataclass(frozen=True, slots=True)
class CloudWatch:
    """`client` is a botocore client of CloudWatch; `indexes` the names of the global secondary indexes."""

    client: Any
    table: str
    indexes: Sequence[str] = ()
    is_elsewhere: bool = False  # the table is at an endpoint of its own, and most likely unknown to CloudWatch
    name: str = "cloudwatch"
    sees_reads: bool = True

    def between(self, start: datetime, end: datetime, now: datetime) -> Use:
        period = period_for(now - start)
        first = rounded_up(start, period)
        if first >= end:
            return Use(0.0, 0.0, None)
        request: dict[str, Any] = {
            "MetricDataQueries": self._queries(period),
            "StartTime": first,
            "EndTime": end,
            "ScanBy": "TimestampAscending",
        }
        total = {READS: 0.0, WRITES: 0.0}
        last: datetime | None = None
        for _ in range(PAGES_MAX):
            reply = self._asked(request)
            for result in reply["MetricDataResults"]:
                metric = READS if result["Id"].startswith("r") else WRITES
                for moment, value in zip(result["Timestamps"], result["Values"], strict=True):
                    if value > 0:
                        total[metric] += value
                        last = max(last or moment, moment)
            if not reply.get("NextToken"):
                break
            request["NextToken"] = reply["NextToken"]
        ended = None if last is None else last.astimezone(UTC) + timedelta(seconds=period)
        return Use(total[READS], total[WRITES], ended)

    def _queries(self, period: int) -> list[dict[str, Any]]:
        table = {"Name": "TableName", "Value": self.table}
        places = [[table], *([table, {"Name": "GlobalSecondaryIndexName", "Value": index}] for index in self.indexes)]
        return [
            {
                "Id": f"{'r' if metric == READS else 'w'}{n}",
                "MetricStat": {
                    "Metric": {"Namespace": "AWS/DynamoDB", "MetricName": metric, "Dimensions": dimensions},
                    "Period": period,
                    "Stat": "Sum",
                },
            }
            for n, dimensions in enumerate(places)
            for metric in (READS, WRITES)
        ]

    def _asked(self, request: dict[str, Any]) -> dict[str, Any]:
        try:
            reply: dict[str, Any] = self.client.get_metric_data(**request)
        except NO_ANSWER as error:
            raise ConfigurationError(
                f"no answer from CloudWatch, which would tell who uses {self.table}: {error}",
                next_step=f"{WITHOUT}; or look at the network and the Region",
            ) from error
        except (BotoCoreError, ClientError) as error:
            allow = "give this user cloudwatch:GetMetricData"
            raise ConfigurationError(
                f"CloudWatch could not be asked who uses {self.table}: {error}",
                next_step=f"{WITHOUT}; or {allow}" if self.is_elsewhere else f"{allow}; or {WITHOUT}",
            ) from error
        return reply


def is_elsewhere(endpoint_url: str) -> bool:
    """Whether a DynamoDB is at no address of AWS: a local one, or behind something else."""
    host = urlsplit(endpoint_url).hostname or ""
    return not host.endswith(HOSTS_OF_AWS)


def period_for(age: timedelta) -> int:
    """Seconds: the finest that is still kept."""
    return next((period for limit, period in PERIODS if age <= limit), PERIODS[-1][1])


def rounded_up(moment: datetime, seconds: int) -> datetime:
    """Up, so that the period in which the countdown began, and in which we read ourselves, is left out."""
    whole = -(-moment.timestamp() // seconds) * seconds
    return datetime.fromtimestamp(whole, UTC)
