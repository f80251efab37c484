"""A shell that types `crossfade` commands in a folder with a migration file, against a database with a small table."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from uuid import uuid4

import pytest
from click.testing import CliRunner, Result

from crossfade.cli.app import app
from crossfade.core.items import Item
from tests.cli.pasting import faults
from tests.conftest import Database
from tests.migrations import table_names

MAPPING = '[suffix("customer", count=4, by="order_id"), rename("total", "amount"), convert("amount", text_to_number)]'
ITEMS = 60
AWS_VARIABLES = ("AWS_PROFILE", "AWS_REGION", "AWS_DEFAULT_REGION", "AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY")


@dataclass
class Shell:
    """Types commands. `status` is the exit status that is wanted; what is written to either stream is in the result."""

    folder: Path
    client: Any
    environment: dict[str, str]
    mark: str

    @property
    def file(self) -> Path:
        return self.folder / "migration.py"

    @property
    def tables(self) -> dict[str, str]:
        return {name: f"{name}-{self.mark}" for name in ("source", "target", "control")}

    def __call__(self, *words: str, status: int = 0) -> Result:
        result = CliRunner().invoke(app, list(words), env=self.environment, prog_name="crossfade")
        assert result.exit_code == status, f"{words}: {result.exit_code}\n{result.output}\n{result.exception!r}"
        assert "Traceback" not in result.output
        assert faults(result.output) == []
        return result

    def json(self, *words: str, status: int = 0) -> Any:
        """The one document that a command writes."""
        return json.loads(self(*words, "--json", status=status).stdout)

    def lines(self, *words: str, status: int = 0) -> list[Any]:
        return [json.loads(line) for line in self(*words, "--json", status=status).stdout.splitlines()]

    def write(self, mapping: str = MAPPING, name: str | None = None, strategy: str = "dual-write") -> None:
        """The migration file."""
        names = self.tables
        key = '{"customer": "S", "order_id": "S"}'
        _ = self.file.write_text(
            "from crossfade import Migration, Table\n"
            "from crossfade.mapping import convert, identity, rename, suffix, text_to_number\n\n"
            f'migration = Migration("{name or self.mark}", Table("{names["source"]}", key={key}),\n'
            f'    Table("{names["target"]}", key={key}), control_table="{names["control"]}",\n'
            f'    mapping={mapping}, strategy="{strategy}")\n'
        )

    def create(self, name: str, items: int = 0) -> None:
        """One of the two tables, with `items` orders."""
        parts = ("customer", "order_id")
        _ = self.client.create_table(
            TableName=self.tables[name],
            BillingMode="PAY_PER_REQUEST",
            KeySchema=[{"AttributeName": p, "KeyType": r} for p, r in zip(parts, ("HASH", "RANGE"), strict=True)],
            AttributeDefinitions=[{"AttributeName": part, "AttributeType": "S"} for part in parts],
        )
        for number in range(items):
            _ = self.client.put_item(TableName=self.tables[name], Item=order(number))

    def everything(self) -> dict[str, list[str]]:
        """All that the database holds for this test: table by table, every item. What a plan must leave as it is."""
        names = [name for name in table_names(self.client) if name.endswith(self.mark)]
        return {name: sorted(json.dumps(i, sort_keys=True) for i in self.scan(name)) for name in names}

    def scan(self, table: str) -> list[Item]:
        items: list[Item] = self.client.scan(TableName=table, ConsistentRead=True)["Items"]
        return items


def order(number: int) -> Item:
    return {
        "customer": {"S": f"customer-{number % 3}"},
        "order_id": {"S": f"{number:04}"},
        "total": {"S": str(number * 10)},
    }


@pytest.fixture
def bare_shell(dynamodb: Database, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Shell:
    """A folder without a file, a database without tables."""
    monkeypatch.chdir(tmp_path)
    for name in (*AWS_VARIABLES, "CROSSFADE_MIGRATION", "AWS_ENDPOINT_URL", "AWS_ENDPOINT_URL_DYNAMODB"):
        monkeypatch.delenv(name, raising=False)
    options = dynamodb.client_options()
    environment = {
        "AWS_ENDPOINT_URL_DYNAMODB": options["endpoint_url"],
        "AWS_DEFAULT_REGION": options["region_name"],
        "AWS_ACCESS_KEY_ID": options["aws_access_key_id"],
        "AWS_SECRET_ACCESS_KEY": options["aws_secret_access_key"],
        "AWS_CONFIG_FILE": str(tmp_path / "no-config"),
        "AWS_SHARED_CREDENTIALS_FILE": str(tmp_path / "no-credentials"),
        "AWS_EC2_METADATA_DISABLED": "true",
    }
    return Shell(tmp_path, dynamodb.client(), environment, uuid4().hex[:10])


@pytest.fixture
def shell(bare_shell: Shell) -> Shell:
    """A source with a few items, an empty target, and a file that is right."""
    bare_shell.write()
    bare_shell.create("source", ITEMS)
    bare_shell.create("target")
    return bare_shell


@pytest.fixture
def started(shell: Shell) -> Shell:
    """The migration is started, in off."""
    _ = shell("start", "--execute")
    return shell


@pytest.fixture
def at_stage(started: Shell) -> Callable[[str], Shell]:
    """Brings the migration to a stage by commands."""

    def bring(stage: str) -> Shell:
        if stage in ("dualwrite", "shadow"):
            _ = started("advance", "--to", stage, "--execute")
            return started
        _ = started("advance", "--to", "shadow", "--execute")
        _ = started("backfill", "--segments", "1", "--workers", "1", "--execute")
        _ = started("verify", "--segments", "1", "--workers", "1")
        _ = started("advance", "--to", stage, "--execute")
        return started

    return bring


@pytest.fixture
def draining(bare_shell: Shell) -> Shell:
    """Tables as in `shell`, and a migration that copies on write, in off."""
    bare_shell.write(strategy="copy-on-write")
    bare_shell.create("source", ITEMS)
    bare_shell.create("target")
    _ = bare_shell("start", "--execute")
    return bare_shell
