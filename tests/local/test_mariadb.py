"""The MariaDB of the tests: up, killed, up again with its data, and never left behind."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from crossfade.cdc.mysql.source import Source
from crossfade.local.errors import LocalServerError
from crossfade.local.mariadb import MariaDbServer, unpacked

ENDS_SECONDS = 30.0
CHILD = """
import time
from crossfade.local.mariadb import MariaDbServer
server = MariaDbServer.start()
print(server.process_id, server.folder, flush=True)
time.sleep(600)
"""


def _ask(server: MariaDbServer, statement: str) -> list[tuple[str, ...]]:
    with Source(server.host, server.port, server.user, server.password).connect() as connection:
        return connection.texts(statement)


def _alive(process_id: int) -> bool:
    try:
        os.kill(process_id, 0)
    except ProcessLookupError:
        return False
    return True


def test_it_logs_rows_as_crossfade_wants_them_and_survives_a_crash() -> None:
    """Killed and started again, it answers on the same port with what was committed, and its folder goes at the end."""
    with MariaDbServer.start() as server:
        (settings,) = _ask(
            server, "SELECT @@binlog_format, @@binlog_row_metadata, @@binlog_row_image, @@gtid_strict_mode"
        )
        assert settings == ("ROW", "FULL", "FULL", "1")
        assert _ask(server, "SHOW MASTER STATUS")[0][3] == ""
        _ = _ask(server, "CREATE DATABASE shop")
        port, folder = server.port, server.folder
        server.kill()
        server.restart()
        assert server.port == port
        assert ("shop",) in _ask(server, "SHOW DATABASES")
    assert not folder.exists()
    assert not _alive(server.process_id)


def test_it_keeps_its_data_in_a_folder_that_is_named(tmp_path: Path) -> None:
    """Another start in the same folder finds what the first left."""
    with MariaDbServer.start(tmp_path / "kept") as server:
        _ = _ask(server, "CREATE DATABASE kept")
    with MariaDbServer.start(tmp_path / "kept") as server:
        assert ("kept",) in _ask(server, "SHOW DATABASES")


def test_it_says_why_it_does_not_start() -> None:
    """The server's own last words are in the error."""
    _ = unpacked()
    with pytest.raises(LocalServerError, match="unknown option '--no-such-thing'"):
        _ = MariaDbServer.start(options=["--no-such-thing"])


def test_it_ends_with_its_parent_even_by_sigkill() -> None:
    """Neither the process nor its folder is left behind."""
    _ = unpacked()
    child = subprocess.Popen([sys.executable, "-c", CHILD], stdout=subprocess.PIPE, text=True)
    assert child.stdout
    process_id, folder = child.stdout.readline().split(maxsplit=1)
    assert _alive(int(process_id))
    child.send_signal(signal.SIGKILL)
    _ = child.wait()
    until = time.monotonic() + ENDS_SECONDS
    while (_alive(int(process_id)) or Path(folder.strip()).exists()) and time.monotonic() < until:
        time.sleep(0.05)
    assert not _alive(int(process_id))
    assert not Path(folder.strip()).exists()
