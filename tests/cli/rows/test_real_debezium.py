"""The whole way by commands through the topics of the real Debezium on a real Kafka Connect: a topic a table.

With EVERY=1 only: two minutes or so, and 400 MB on first use.
"""

from __future__ import annotations

from typing import Final

import pytest
from click.testing import CliRunner

from crossfade.cdc import Debezium
from crossfade.cdc.topics import MARKS
from crossfade.cli.app import app
from crossfade.local.connect import CONNECTOR_CLASS, SETTINGS, ConnectServer
from crossfade.local.errors import JarsUnavailable
from tests.cdc.etl.setting import wait_for
from tests.cdc.inputs.test_real_connector import LOSES_NOTHING
from tests.cli.rows.conftest import SERVER_IDS, RowShell
from tests.cli.rows.test_carrying import ROWS
from tests.cli.rows.test_theirs import brokers, gone_all_the_way
from tests.sampling import ALL

PREFIX: Final = "real"


@pytest.mark.skipif(not ALL, reason="with EVERY=1 only: it takes minutes")
def test_the_whole_way_with_the_real_debezium(through_kafka: RowShell) -> None:
    """The first check says that the table of marks is not followed yet; once a mark has come, all goes its way."""
    shell = through_kafka
    declared = Debezium(PREFIX, offsets=SETTINGS["offset.storage.topic"])
    shell.theirs = repr(declared)
    shell.write_rows()
    shell.sql(*ROWS)
    try:
        with ConnectServer.start(brokers(shell)["bootstrap.servers"]) as connect:
            connect.put(PREFIX, settings_of(shell))
            assert not_followed(shell) in shell("check", status=1).output
            wait_for(lambda: not_followed(shell) not in checked(shell))
            gone_all_the_way(shell, declared)
    except JarsUnavailable as error:
        pytest.skip(str(error))


def not_followed(shell: RowShell) -> str:
    return f"topic {PREFIX}.{shell.schema}.{MARKS}: there is none"


def checked(shell: RowShell) -> str:
    """What a check finds, whatever its exit status."""
    return CliRunner().invoke(app, ["check"], env=shell.environment).output


def settings_of(shell: RowShell) -> dict[str, str]:
    source = shell.source
    return {
        **{name: value for name, value in LOSES_NOTHING.items() if not name.startswith(("signal", "incremental"))},
        "connector.class": CONNECTOR_CLASS,
        "tasks.max": "1",
        "topic.prefix": PREFIX,
        "database.hostname": source.host,
        "database.port": str(source.port),
        "database.user": source.user,
        "database.password": source.password,
        "database.ssl.mode": "disable",
        "database.server.id": str(next(SERVER_IDS)),
        "database.include.list": shell.schema,
        "schema.history.internal.kafka.bootstrap.servers": brokers(shell)["bootstrap.servers"],
        "schema.history.internal.kafka.topic": f"history-{PREFIX}",
    }
