"""The commands between two tables that no transaction spans: two engines, as two accounts or Regions are."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import pytest

from crossfade.core.items import Item
from crossfade.local import LocalEngine
from crossfade.migration import load
from crossfade.switch import Switch, TableMirror, Write
from tests.cli.conftest import ITEMS, Shell, order
from tests.conftest import Database
from tests.migrations import make_table

FILE = """\
import os

import boto3

from crossfade import Migration, Table
from crossfade.mapping import convert, rename, suffix, text_to_number


def there():
    return boto3.client(
        "dynamodb", endpoint_url=os.environ["THERE"], region_name="{there}", aws_access_key_id="crossfade",
        aws_secret_access_key="crossfade",
    )


key = {{"customer": "S", "order_id": "S"}}
migration = Migration(
    "{mark}",
    Table("{source}", key=key),
    Table("{source}", key=key, region="eu-west-1", account="{account}", client=there),
    [suffix("customer", count=4, by="order_id"), rename("total", "amount"), convert("amount", text_to_number)],
    strategy="freeze",
    control_table="{control}",
)
"""
ACCOUNT = "000000000000"  # that of the embedded engine


@pytest.fixture(scope="module")
def elsewhere() -> Iterator[Database]:
    with LocalEngine.start() as server:
        yield Database(server)


@dataclass
class Two:
    shell: Shell
    there: Any

    @property
    def table(self) -> str:
        return self.shell.tables["source"]

    def write(self, *, there: str = "eu-west-1", account: str = ACCOUNT) -> None:
        names, mark = self.shell.tables, self.shell.mark
        text = FILE.format(there=there, account=account, mark=mark, source=names["source"], control=names["control"])
        _ = self.shell.file.write_text(text)

    def both(self) -> tuple[list[Item], list[Item]]:
        there: list[Item] = self.there.scan(TableName=self.table, ConsistentRead=True)["Items"]
        return self.shell.scan(self.table), there


@pytest.fixture
def two(bare_shell: Shell, elsewhere: Database, monkeypatch: pytest.MonkeyPatch) -> Two:
    """A source with a few items, and in another engine an empty target of the same name."""
    monkeypatch.setenv("THERE", elsewhere.endpoint_url)
    made = Two(bare_shell, elsewhere.client())
    made.write()
    bare_shell.create("source", ITEMS)
    make_table(made.there, load(bare_shell.file).target)
    return made


class Orders:
    """A repository of one of the two tables, whose customer is spread in the other."""

    def __init__(self, client: Any, table: str, total: str, kind: str, *, spread: Any = None) -> None:
        self._client = client
        self._table = table
        self._total = total
        self._kind = kind
        self._spread = spread

    def place(self, customer: str, order_id: str, total: int) -> None:
        key = {"customer": {"S": customer}, "order_id": {"S": order_id}}
        if self._spread is not None:
            key = self._spread(key)
        self._client.put_item(TableName=self._table, Item={**key, self._total: {self._kind: str(total)}})


def key_of(customer: str, order_id: str, total: int) -> tuple[str, str]:  # noqa: ARG001 - the arguments of `place`
    return customer, order_id


def switch_of(two: Two) -> Switch:
    migration = load(two.shell.file)
    old = Orders(two.shell.client, two.table, "total", "S")
    new = Orders(two.there, two.table, "amount", "N", spread=migration.compiled.forward_key)
    writes = {"place": Write(key=key_of)}
    mirror = TableMirror(migration, source=two.shell.client)
    return Switch(migration.name, old, new, writes, control=two.shell.client, mirror=mirror, poll_seconds=0.2)


def test_the_whole_way_between_two_engines(two: Two) -> None:
    """check, start, dualwrite, backfill, replicate, verify, up, back, up again, complete: equal in each place, and the
    target holds nothing of crossfade's."""
    shell = two.shell
    assert f"{two.table} (eu-west-1, {ACCOUNT})" in shell("check").output
    assert "Switch" in shell("start", "--execute").output
    with switch_of(two) as orders:
        _ = shell("advance", "--to", "dualwrite", "--execute")
        orders.place("customer-1", "by-hand-1", 1)
        assert "backfill complete" in shell("backfill", "--segments", "2", "--execute").output.lower()
        assert "both tables are equal" in shell("verify", "--segments", "2").output
        _ = shell("replicate", "--enable-streams", "--once", "--execute")
        _ = shell.client.put_item(TableName=two.table, Item=order(999))  # by somebody without the switch
        assert "1 keys synced" in shell("replicate", "--once", "--execute").output
        _ = shell("replicate", "--end", "--execute")
        for stage in ("live", "shadow", "rampdown"):
            command = "rollback" if stage == "shadow" else "advance"
            if stage != "live":
                assert "both tables are equal" in shell("verify", "--segments", "2").output
            assert shell.json(command, "--to", stage, "--execute")["stage"] == stage
            orders.place("customer-2", f"in-{stage}", 7)
        assert "both tables are equal" in shell("verify", "--segments", "2").output
        assert "is in stage complete" in shell("complete", "--execute", "--confirm", shell.mark).output
    source, target = two.both()
    names = {item["order_id"]["S"] for item in source}
    assert {"by-hand-1", "in-live", "in-shadow", "in-rampdown", "0999"} <= names
    assert sorted(item["total"]["S"] for item in source) == sorted(item["amount"]["N"] for item in target)
    assert {name for item in target for name in item} == {"customer", "order_id", "amount"}


def test_verify_finds_and_repairs_what_differs(two: Two) -> None:
    """Missing, extra and changed items of the other place; and the source decides."""
    shell = two.shell
    _ = shell("start", "--execute")
    _ = shell("advance", "--to", "dualwrite", "--execute")
    _ = shell("backfill", "--segments", "2", "--execute")
    _, target = two.both()
    key = [{name: item[name] for name in ("customer", "order_id")} for item in target]
    two.there.delete_item(TableName=two.table, Key=key[0])
    two.there.put_item(TableName=two.table, Item={**target[1], "amount": {"N": "12345"}})
    forward = load(shell.file).compiled.forward
    extra = forward({**order(777), "total": {"S": "1"}})
    two.there.put_item(TableName=two.table, Item=extra)
    found = shell.lines("verify", "--segments", "2", status=1)[-1]
    assert {kind: found[kind] for kind in ("missing", "extra", "mismatched")} == {
        "missing": 1, "extra": 1, "mismatched": 1,
    }  # fmt: skip
    assert "holds items, and nothing in them tells" in shell("check").output
    planned = shell("verify", "--repair").output
    assert f"{two.table} decides: items of {two.table} (eu-west-1" in " ".join(planned.split())
    assert "left alone" not in planned
    _ = shell("verify", "--segments", "2", "--repair", "--execute")
    assert "both tables are equal" in shell("verify", "--segments", "2").output


def test_watch_names_a_write_past_the_switch(two: Two) -> None:
    """In the other engine nobody has carried it over."""
    shell = two.shell
    _ = shell("start", "--execute")
    _ = shell("advance", "--to", "dualwrite", "--execute")
    _ = shell("backfill", "--segments", "2", "--execute")
    _ = shell("watch", "--enable-stream", "--once", "--execute")
    shell.client.put_item(TableName=two.table, Item=order(999))
    said = shell("watch", "--once", status=1).output
    assert "0999" in said


@pytest.mark.parametrize(
    ("given", "said"),
    [({"account": "111122223333"}, f"is in account {ACCOUNT}"), ({"there": "us-east-1"}, "is in us-east-1")],
)
def test_a_table_in_another_place_than_the_file_says_stops_every_command(
    two: Two, given: dict[str, str], said: str
) -> None:
    """Before anything is written: the wrong credentials, or the wrong Region."""
    _ = two.shell("start", "--execute")
    before = two.both(), two.shell.everything()
    two.write(**given)
    for words in (("check",), ("status",), ("advance", "--execute"), ("cleanup", "--step", "delete", "--execute")):
        refused = two.shell(*words, status=2)
        assert said in refused.stderr, words
        assert "correct region= and account=" in refused.stderr
    assert (two.both(), two.shell.everything()) == before


def test_one_table_on_both_sides_is_refused(two: Two, monkeypatch: pytest.MonkeyPatch) -> None:
    """By every command: the cleanup would delete it."""
    monkeypatch.setenv("THERE", two.shell.environment["AWS_ENDPOINT_URL_DYNAMODB"])
    for words in (("check",), ("start", "--execute"), ("cleanup",)):
        assert "one and the same table" in two.shell(*words, status=2).stderr, words


def test_a_client_that_cannot_be_made_is_told(two: Two, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("THERE")
    refused = two.shell("check", status=2).stderr
    assert "made none: KeyError" in refused
