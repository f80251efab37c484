"""Libraries that keep data in DynamoDB through clients of their own, amid a migration (docs/libraries.md)."""

from __future__ import annotations

import re
import uuid
from collections.abc import Iterator
from pathlib import Path
from typing import Any, Final

import boto3
import pytest

from crossfade import Migration, Table, attach
from crossfade.control.records import PARTITION_KEY, SORT_KEY
from crossfade.core.items import Item, canonical
from crossfade.core.mapping import STAMP
from crossfade.core.stages import Stage
from crossfade.mapping import rename
from tests.aws.conftest import wait_for
from tests.conftest import Database, new_botocore_session
from tests.migrations import make_table, put_in_stage

PAGE: Final = Path(__file__).parents[2] / "docs" / "libraries.md"
STAGES: Final = [Stage.DUALWRITE, Stage.LOCKSTEP_SOURCE, Stage.LIVE]
BOTO3: Final[Any] = boto3


class Setting:
    """A table as a library wants it, and one in which its attribute has another name."""

    def __init__(self, database: Database, key: str, attribute: str, stage: Stage) -> None:
        unique = uuid.uuid4().hex[:8]
        self.client = database.client()
        self.migration = Migration(
            f"library-{unique}",
            Table(f"library-{unique}", key={key: "S"}),
            Table(f"library-v2-{unique}", key={key: "S"}),
            rename(attribute, f"{attribute}_2"),
            control_table=f"control-{unique}",
        )
        control = Table(self.migration.control_table, key={PARTITION_KEY: "S", SORT_KEY: "S"})
        for table in (self.migration.source, self.migration.target, control):
            make_table(self.client, table)
        put_in_stage(self.client, self.migration, stage)

    def source(self) -> list[Item]:
        return [self.migration.compiled.forward(item) for item in self._scan("source")]

    def target(self) -> list[Item]:
        return [{name: value for name, value in i.items() if name != STAMP} for i in self._scan("target")]

    def _scan(self, side: str) -> list[Item]:
        name = getattr(self.migration, side).name
        items: list[Item] = self.client.scan(TableName=name, ConsistentRead=True)["Items"]
        return items

    def assert_both_have(self, count: int) -> None:
        """As many items are in both tables, as soon as the mirrors are through."""
        wait_for(lambda: len(self.source()) == len(self.target()) == count, "mirrors")
        assert {canonical(item) for item in self.source()} == {canonical(item) for item in self.target()}


@pytest.fixture
def default_session(dynamodb: Database, monkeypatch: pytest.MonkeyPatch) -> Iterator[Any]:
    """As an application's first lines make it; credentials and endpoint come from the environment."""
    options = dynamodb.client_options()
    for name, value in {
        "AWS_ENDPOINT_URL_DYNAMODB": options["endpoint_url"],
        "AWS_DEFAULT_REGION": options["region_name"],
        "AWS_ACCESS_KEY_ID": options["aws_access_key_id"],
        "AWS_SECRET_ACCESS_KEY": options["aws_secret_access_key"],
    }.items():
        monkeypatch.setenv(name, value)
    former = BOTO3.DEFAULT_SESSION
    BOTO3.setup_default_session(botocore_session=new_botocore_session())
    yield BOTO3.DEFAULT_SESSION
    BOTO3.DEFAULT_SESSION = former


@pytest.mark.parametrize("stage", STAGES)
def test_cachelib(dynamodb: Database, default_session: Any, stage: Stage) -> None:
    """It makes a resource of the default session."""
    setting = Setting(dynamodb, "cache_key", "response", stage)
    library: Any = pytest.importorskip("cachelib.dynamodb")
    with attach(default_session, setting.migration, poll_seconds=0.05):
        cache = library.DynamoDbCache(setting.migration.source.name)
        assert cache.set("a", {"x": 1})
        assert cache.add("b", 2)
        assert not cache.add("b", 3)
        assert cache.set_many({"c": 1, "d": 2})
        assert cache.delete("c")
        assert cache.inc("d") == 3
        assert [cache.get(key) for key in "abcd"] == [{"x": 1}, 2, None, 3]
        setting.assert_both_have(3)


@pytest.mark.parametrize("stage", STAGES)
def test_the_result_backend_of_celery(dynamodb: Database, default_session: Any, stage: Stage) -> None:
    """It makes a client of the default session, at its first use."""
    setting = Setting(dynamodb, "id", "result", stage)
    celery: Any = pytest.importorskip("celery")
    with attach(default_session, setting.migration, poll_seconds=0.05):
        url = f"dynamodb://@{default_session.region_name}/{setting.migration.source.name}"
        backend = celery.Celery("tasks", broker="memory://", backend=url).backend
        backend.store_result("one", 42, "SUCCESS")
        backend.store_result("two", [1, 2], "SUCCESS")
        backend.store_result("three", None, "SUCCESS")
        backend.forget("three")
        assert [backend.get_result(name) for name in ("one", "two")] == [42, [1, 2]]
        setting.assert_both_have(2)


class TwoClients:
    """What dyntastic does: a Table for single items, and a client of its own for transactions."""

    def __init__(self, table: str) -> None:
        self.name = table
        self.table: Any = BOTO3.resource("dynamodb").Table(table)
        self.client: Any = None

    def save(self, key: str) -> None:
        self.table.put_item(Item={"id": key, "name": "n"})

    def save_both(self, *keys: str) -> None:
        self.client = self.client or BOTO3.client("dynamodb")
        puts = [{"Put": {"TableName": self.name, "Item": {"id": {"S": key}, "name": {"S": "n"}}}} for key in keys]
        self.client.transact_write_items(TransactItems=puts)


def test_a_second_client_is_reached_by_the_session_alone(dynamodb: Database, default_session: Any) -> None:
    """Attached by its Table, a library writes its transactions past the mirrors; by its session, it does not."""
    setting = Setting(dynamodb, "id", "name", Stage.DUALWRITE)
    library = TwoClients(setting.migration.source.name)
    with attach(library.table, setting.migration, poll_seconds=0.05) as router:
        library.save("1")
        library.save_both("2", "3")
        wait_for(lambda: not router.pending, "mirrors")
        assert (len(setting.source()), len(setting.target())) == (3, 1)
    with attach(default_session, setting.migration, poll_seconds=0.05):
        library = TwoClients(setting.migration.source.name)
        library.save("1")
        library.save_both("2", "3")
        setting.assert_both_have(3)


def test_timeouts_of_the_session_are_those_of_its_clients(dynamodb: Database, default_session: Any) -> None:
    """As the page sets them: they are what `landing_seconds` is told by."""
    setting = Setting(dynamodb, "id", "name", Stage.OFF)
    blocks = re.findall(r"^ *```python\n(.*?)^ *```", PAGE.read_text(encoding="utf-8"), re.MULTILINE | re.DOTALL)
    (block,) = [block for block in blocks if "set_default_client_config" in block]
    exec("\n".join(line.removeprefix("  ") for line in block.splitlines()), {})  # noqa: S102 - it is the page's
    with attach(BOTO3.DEFAULT_SESSION, setting.migration) as router:
        assert router.agent.landing_seconds == 6.0
    assert default_session is not BOTO3.DEFAULT_SESSION
