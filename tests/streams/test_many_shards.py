"""A stream with a thousand open shards, on a service that keeps to its quotas: all of it is read, within them."""

from __future__ import annotations

import threading
import time
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any, Final

import pytest

from crossfade.control.records import Reader
from crossfade.core.stages import Stage
from crossfade.jobs.connecting import job_config
from crossfade.streams.result import SeenWrite, WatchOptions, WatchResult
from crossfade.streams.watch import run_watch
from tests.backfill.setting import order, order_key
from tests.conftest import Database, new_botocore_session
from tests.service import FakeService
from tests.streams.setting import Beside, StreamSetting

SHARDS: Final = 1_000
WRITES: Final = 60
SOON_SECONDS: Final = 30.0  # against a hang; nothing is measured
REFUSED: Final = ("ThrottlingException", "LimitExceededException")


@dataclass
class Followed:
    """A table whose stream a service has; in `off` each write is told, so what is told is what was read."""

    service: FakeService
    setting: StreamSetting
    client: Any  # of the service
    told: list[str]

    @property
    def table(self) -> str:
        return self.setting.migration.source.name

    def watch(self, options: WatchOptions | None = None, stop: threading.Event | None = None) -> WatchResult:
        given = options or WatchOptions(once=True)
        clients = dict.fromkeys(self.setting.clients, self.client)
        return run_watch(self.setting.migration, clients, given, self._on_write, stop, caller=self.setting.caller)

    def _on_write(self, seen: SeenWrite) -> None:
        self.told += [seen.source_key["order"]["S"]] * seen.writes

    def write(self, *numbers: int) -> None:
        for number in numbers:
            self.setting.put_directly("source", order(number))

    def asked(self) -> Counter[str]:
        return Counter(entry.operation for entry in self.service.log)

    def refused(self) -> list[str]:
        return [entry.operation for entry in self.service.log if entry.code in REFUSED]


@pytest.fixture
def followed(dynamodb: Database) -> Iterator[Followed]:
    """A stream of one shard, and a service in front of the engine with DescribeStream 10/s and GetRecords 5/s."""
    with FakeService.start(dynamodb.endpoint_url) as service:
        setting = StreamSetting(dynamodb, Stage.OFF, backfilled=False)
        options = service.client_options()
        client: Any = new_botocore_session().create_client("dynamodb", config=job_config(20), **options)
        service.quotas()
        yield Followed(service, setting, client, [])


def orders(*numbers: int) -> list[str]:
    return [order_key(number)["order"]["S"] for number in numbers]


def test_a_thousand_open_shards_are_read_within_the_quotas(followed: Followed) -> None:
    """Eleven pages of shards, each shard to its present end, no request too many, and each position by itself."""
    followed.write(*range(3))
    _ = followed.service.split(followed.table, SHARDS)
    followed.write(*range(3, WRITES))
    result = followed.watch()
    assert (result.ended, result.counts["writes"]) == ("present end", WRITES)
    assert sorted(followed.told) == orders(*range(WRITES))
    assert followed.refused() == []
    assert followed.asked()["DescribeStream"] == 11
    positions = followed.setting.run(followed.setting.control.positions(Reader.WATCH))
    assert len(positions) == SHARDS + 1
    assert sum(position.finished for position in positions) == 1


def test_children_are_found_without_listing_everything(followed: Followed) -> None:
    """Two shards of three hundred split, and split again: a request for the children of each, and one for all."""
    _ = followed.service.split(followed.table, 300)
    with Beside(lambda stop: followed.watch(WatchOptions(), stop)) as beside:
        beside.until(lambda: followed.asked()["GetRecords"] > 301)
        listed = followed.asked()["DescribeStream"]
        for turn in range(2):
            _ = followed.service.split(followed.table, 2, shards=2)
            followed.write(*range(turn * WRITES, (turn + 1) * WRITES))
            beside.until(lambda turn=turn: len(followed.told) >= (turn + 1) * WRITES)  # type: ignore[misc]
        deadline = time.monotonic() + SOON_SECONDS
        while followed.asked()["DescribeStream"] < listed + 4:
            assert time.monotonic() < deadline
            time.sleep(0.1)
    assert sorted(followed.told) == orders(*range(2 * WRITES))
    assert followed.asked()["DescribeStream"] == listed + 4
    assert followed.refused() == []
