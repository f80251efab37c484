"""The whole way by commands, with a Switch in the service: up, back, up again, and the end."""

from __future__ import annotations

from typing import Any

import pymysql

from crossfade import Mirror, Read, Switch, Write
from crossfade.core.items import Item
from crossfade.core.mapping import STAMP
from tests.cdc.etl.setting import wait_for
from tests.cli.rows.background import running
from tests.cli.rows.conftest import RowShell
from tests.cli.rows.test_carrying import at_dualwrite


class InMySQL:
    """Customers by their names."""

    def __init__(self, shell: RowShell) -> None:
        self._shell = shell

    def name(self, number: int) -> str | None:
        rows = self._ask("SELECT name FROM customers WHERE id = %s", number)
        return rows[0][0] if rows else None

    def rename(self, number: int, name: str) -> None:
        self._ask("REPLACE INTO customers VALUES (%s, %s)", number, name)

    def store(self, number: int, image: str | None) -> None:
        if image is None:
            self._ask("DELETE FROM customers WHERE id = %s", number)
        else:
            self.rename(number, image)

    image = name

    def _ask(self, statement: str, *values: object) -> Any:
        source = self._shell.source
        with (
            pymysql.connect(
                host=source.host,
                port=source.port,
                user=source.user,
                password=source.password,
                database=self._shell.schema,
                autocommit=True,
            ) as connection,
            connection.cursor() as cursor,
        ):
            _ = cursor.execute(statement, values)
            return cursor.fetchall()


class InDynamoDB:
    """The same."""

    def __init__(self, shell: RowShell) -> None:
        self._shell = shell

    def name(self, number: int) -> str | None:
        reply = self._shell.client.get_item(
            TableName=self._shell.tables["target"], Key=self._key(number), ConsistentRead=True
        )
        found: Item = reply.get("Item", {})
        return found["name"]["S"] if "name" in found else None

    def rename(self, number: int, name: str) -> None:
        item = {**self._key(number), "name": {"S": name}}
        self._shell.client.put_item(TableName=self._shell.tables["target"], Item=item)

    def store(self, number: int, image: str | None) -> None:
        if image is None:
            self._shell.client.delete_item(TableName=self._shell.tables["target"], Key=self._key(number))
        else:
            self.rename(number, image)

    image = name

    def _key(self, number: int) -> Item:
        return {"pk": {"S": f"customer#{number}"}, "sk": {"S": "profile"}}


def switch_of(shell: RowShell) -> Switch:
    return Switch(
        shell.mark,
        InMySQL(shell),
        InDynamoDB(shell),
        {"name": Read(key="number"), "rename": Write(key="number")},
        control=shell.client,
        control_table=shell.tables["control"],
        mirror=Mirror(load="image", save="store", carried="log"),
        poll_seconds=0.2,
    )


def verified(shell: RowShell) -> None:
    """Every row and every item, by the command: it opens the gate."""
    result = shell.lines("verify", "--segments", "2")[-1]
    assert (result["status"], result["in_motion"]) == ("clean", 0), result


def test_the_whole_way_without_kafka(direct: RowShell) -> None:
    """Up through a real fence, where what comes back is passed over; back, where the log carries on; and to the end."""
    shell = at_dualwrite(direct)
    _ = shell("backfill", "--execute")
    closed = shell("advance", "--to", "live", "--execute", status=1).output
    assert "nothing carries the source's log now" in shell.json("status")["next_remark"] + closed
    with switch_of(shell) as customers, running(shell, "replicate", "--execute") as log:
        customers.rename(1, "written in dualwrite")
        log.wait_for(lambda line: line.get("counts", {}).get("changes", 0) >= 1)
        log.wait_for(lambda line: 0 <= line.get("lag_seconds", -1) < 10)
        verified(shell)
        _ = shell("advance", "--to", "live", "--execute")
        assert customers.name(1) == "written in dualwrite"
        carriage = shell.json("status")["carriage"]
        assert carriage["fence"]["token"] == carriage["carrier"]["passed"]
        customers.rename(1, "written in live")
        log.wait_for(lambda line: line.get("counts", {}).get("passed", 0) >= 1)
        assert InMySQL(shell).name(1) == InDynamoDB(shell).name(1) == "written in live"
        verified(shell)
        _ = shell("rollback", "--to", "shadow", "--execute")
        before = max(line.get("counts", {}).get("written", 0) for line in log.lines)
        customers.rename(1, "written in shadow")
        log.wait_for(lambda line: line.get("counts", {}).get("written", 0) > before)
        assert InDynamoDB(shell).name(1) == "written in shadow"
        log.wait_for(lambda line: 0 <= line.get("lag_seconds", -1) < 10)
        verified(shell)
        _ = shell("advance", "--to", "rampdown", "--execute")
        assert "the log is carried still" not in shell("cleanup", status=1).output
        _ = shell("complete", "--execute", "--confirm", shell.mark)
        log.wait_for(lambda line: line.get("status") == "over")
    steps = [step["step"] for step in shell.json("cleanup")["steps"]]
    assert steps == ["tombstones", "marks", "parts", "stamps"]
    items = shell.items()
    refused = shell("cleanup", "--step", "stamps", "--execute", status=1).output
    assert "the step tombstones is not done" in refused
    for _ in steps:
        _ = shell("cleanup", "--execute")
    assert "No item has the attribute _crossfade any more" in shell("cleanup").output.replace("\n", " ")
    assert shell.items() == items
    assert not [item for item in shell.scan(shell.tables["target"]) if STAMP in item]
    again = shell.lines("cleanup", "--step", "stamps", "--rate", "100", "--execute")[-1]
    assert (again["status"], again["removed"], again["next_step"]) == ("done", 0, "")
    assert "every step after the end is done" in shell.json("status")["next_remark"]
    with shell.source.connect() as connection:
        assert not connection.rows(f"SHOW TABLES IN {shell.schema} LIKE 'crossfade%'")
    assert shell.parts not in shell.client.list_tables()["TableNames"]


def test_without_a_worker_no_write_is_held(through_kafka: RowShell) -> None:
    """The log is carried into topics, and nobody takes it out: refused before the freeze, with the command."""
    shell = at_dualwrite(through_kafka)
    _ = shell("backfill", "--execute")
    _ = shell("advance", "--to", "shadow", "--execute")
    with running(shell, "replicate", "--execute"):
        with running(shell, "etl", "--execute"):
            verified(shell)
            wait_for(lambda: shell.json("status")["next_command"].endswith("--to live --execute"))
        refused = shell.json("advance", "--to", "live", "--execute", status=1)
        look = shell.json("status")
        assert look["next_command"].startswith("crossfade etl")
        assert not [entry for entry in look["journal"] if "freeze" in entry["what"]]
        gates = {each["gate"]: each["found"] for each in refused["error"]["gates"] if not each["is_open"]}
        assert gates == {"replicated": "no worker applies what is in the topics"}
        with running(shell, "etl", "--execute"):
            wait_for(lambda: shell.json("status")["next_command"].endswith("--to live --execute"))
            _ = shell("advance", "--to", "live", "--execute")
