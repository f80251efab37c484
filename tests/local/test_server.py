"""The embedded engine starts, answers, stays on this machine and goes when we go."""

from __future__ import annotations

import os
import signal
import socket
import subprocess
import sys
import time
from pathlib import Path

import pytest

from crossfade.local import ENDPOINT_VARIABLE, LocalDatabaseError, LocalEngine
from crossfade.local.server import check_answers
from tests.conftest import Database, client_for
from tests.migrations import table_names

TABLE = {
    "TableName": "kept",
    "AttributeDefinitions": [{"AttributeName": "pk", "AttributeType": "S"}],
    "KeySchema": [{"AttributeName": "pk", "KeyType": "HASH"}],
    "BillingMode": "PAY_PER_REQUEST",
}

END_SECONDS_MAX = 60.0  # only a failing test waits so long
STARTER = """
import sys
from crossfade.local import LocalEngine
server = LocalEngine.start()
print(server.process_id, server.endpoint_url, flush=True)
sys.stdin.read()
"""


def port_of(endpoint_url: str) -> int:
    return int(endpoint_url.rsplit(":", 1)[1])


def wait_until_refused(endpoint_url: str) -> None:
    """Return when nobody listens there any more: while a server lives, reading from it blocks until it ends."""
    for _ in range(100):
        try:
            with socket.create_connection(("127.0.0.1", port_of(endpoint_url)), timeout=20) as connection:
                _ = connection.recv(1)
        except ConnectionError:
            return
    raise AssertionError(f"{endpoint_url} still listens")


def wait_until_gone(process_id: int) -> None:
    """Return when there is no such process any more. Its port may be another server's by then."""
    end = time.monotonic() + END_SECONDS_MAX
    while is_alive(process_id):
        assert time.monotonic() < end, f"process {process_id} is still there"
        time.sleep(0.02)


def is_alive(process_id: int) -> bool:
    try:
        os.kill(process_id, 0)
    except ProcessLookupError:
        return False
    stat = Path(f"/proc/{process_id}/stat")  # of one that has ended and is not waited for yet, Linux says so
    return not stat.exists() or stat.read_text().rpartition(")")[2].split()[0] != "Z"


def test_answers_and_stops() -> None:
    """A server started in memory holds a table, and after stop() nothing listens on its port."""
    with LocalEngine.start() as server:
        client = client_for(server)
        client.create_table(**TABLE)
        assert table_names(client) == ["kept"]
    wait_until_refused(server.endpoint_url)
    server.stop()


def test_files_survive_a_restart(tmp_path: Path) -> None:
    """With a path the tables are in its folder, which is made if need be, and are there after a restart."""
    folder = tmp_path / "new" / "database"
    with LocalEngine.start(folder) as server:
        client = client_for(server)
        client.create_table(**TABLE)
        client.put_item(TableName="kept", Item={"pk": {"S": "a"}})
    with LocalEngine.start(folder) as server:
        client = client_for(server)
        assert client.get_item(TableName="kept", Key={"pk": {"S": "a"}})["Item"] == {"pk": {"S": "a"}}


def test_listens_on_loopback_only(dynamodb: Database) -> None:
    """Another loopback address of this machine, which a wildcard socket would answer, is refused."""
    if sys.platform != "linux":
        pytest.skip("only Linux answers on all of 127.0.0.0/8")
    if os.environ.get(ENDPOINT_VARIABLE):
        pytest.skip("the endpoint is not ours")
    with pytest.raises(ConnectionRefusedError):
        _ = socket.create_connection(("127.0.0.2", port_of(dynamodb.endpoint_url)), timeout=5)


def test_ends_when_its_starter_is_killed(monkeypatch: pytest.MonkeyPatch) -> None:
    """SIGKILL leaves the starter no chance to tidy up, and the server ends all the same."""
    monkeypatch.delenv(ENDPOINT_VARIABLE, raising=False)
    with subprocess.Popen(
        [sys.executable, "-c", STARTER], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    ) as starter:
        assert starter.stdout is not None
        process_id, endpoint_url = starter.stdout.readline().split()
        check_answers(endpoint_url)
        starter.send_signal(signal.SIGKILL)
        assert starter.wait() == -signal.SIGKILL
        wait_until_gone(int(process_id))


def test_ends_although_a_forked_child_lives_on(monkeypatch: pytest.MonkeyPatch) -> None:
    """A child forked from the starter does not hold the pipe that keeps the server alive."""
    monkeypatch.delenv(ENDPOINT_VARIABLE, raising=False)
    forking = STARTER.replace("sys.stdin.read()", "import os; os.fork(); sys.stdin.read()")
    with subprocess.Popen(
        [sys.executable, "-c", forking], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    ) as starter:
        assert starter.stdout is not None
        process_id = int(starter.stdout.readline().split()[0])
        starter.kill()
        _ = starter.wait()
        wait_until_gone(process_id)


@pytest.mark.parametrize("first_seen", [True, False], ids=["once it answers", "while it still speaks"])
def test_in_the_foreground_until_ctrl_c(first_seen: bool, monkeypatch: pytest.MonkeyPatch) -> None:
    """`crossfade local` says where it is, and Ctrl-C ends it with status 130 from its first word on."""
    monkeypatch.delenv(ENDPOINT_VARIABLE, raising=False)
    command = [sys.executable, "-m", "crossfade.cli", "local", "--port", "0"]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as foreground:
        assert foreground.stdout is not None
        endpoint_url = next(word for word in foreground.stdout.readline().split() if word.startswith("http://"))
        if first_seen:
            check_answers(endpoint_url)
        foreground.send_signal(signal.SIGINT)
        assert "Stopped." in foreground.stdout.read()
        assert foreground.wait(timeout=30) == 130
    wait_until_refused(endpoint_url)


def test_the_environment_names_a_running_endpoint(dynamodb: Database, monkeypatch: pytest.MonkeyPatch) -> None:
    """With CROSSFADE_DYNAMODB_ENDPOINT nothing is started, and stop() leaves the other server running."""
    monkeypatch.setenv(ENDPOINT_VARIABLE, dynamodb.endpoint_url)
    with LocalEngine.start() as server:
        assert server.endpoint_url == dynamodb.endpoint_url
        assert server.process_id is None
    check_answers(dynamodb.endpoint_url)


def test_a_named_endpoint_that_is_silent_is_an_error(monkeypatch: pytest.MonkeyPatch) -> None:
    """The message names the endpoint and the variable."""
    with socket.socket() as unused:
        unused.bind(("127.0.0.1", 0))
        monkeypatch.setenv(ENDPOINT_VARIABLE, f"http://127.0.0.1:{unused.getsockname()[1]}")
        with pytest.raises(LocalDatabaseError, match=ENDPOINT_VARIABLE):
            _ = LocalEngine.start()


def test_a_taken_port_is_an_error_with_the_output(monkeypatch: pytest.MonkeyPatch) -> None:
    """When the asked-for port is taken, the error shows what the engine said about it."""
    monkeypatch.delenv(ENDPOINT_VARIABLE, raising=False)
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        with pytest.raises(LocalDatabaseError, match="Address already in use"):
            _ = LocalEngine.start(port=taken.getsockname()[1])


def test_a_folder_that_cannot_be_made_is_an_error(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """It names the folder and says what to do."""
    monkeypatch.delenv(ENDPOINT_VARIABLE, raising=False)
    _ = (tmp_path / "file").write_text("", encoding="ascii")
    with pytest.raises(LocalDatabaseError, match="cannot be made") as refused:
        _ = LocalEngine.start(tmp_path / "file" / "tables")
    assert refused.value.next_step


def test_a_file_that_is_no_database_is_an_error(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """With what the engine said of it."""
    monkeypatch.delenv(ENDPOINT_VARIABLE, raising=False)
    _ = (tmp_path / "crossfade.sqlite").write_bytes(b"something else" * 1000)
    with pytest.raises(LocalDatabaseError, match="cannot open") as refused:
        _ = LocalEngine.start(tmp_path)
    assert "another folder" in refused.value.next_step


def test_a_named_endpoint_keeps_no_tables_for_us(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """A path beside it is refused, and not passed over."""
    monkeypatch.setenv(ENDPOINT_VARIABLE, "http://127.0.0.1:9")
    with pytest.raises(LocalDatabaseError, match="keeps its tables where it likes"):
        _ = LocalEngine.start(tmp_path)
