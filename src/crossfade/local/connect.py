"""A real Kafka Connect with Debezium's MariaDB connector, for tests and examples: one worker, asked over HTTP."""

from __future__ import annotations

import contextlib
import http.client
import json
import shutil
import tempfile
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Final, Self
from urllib.parse import quote

from crossfade.local.errors import LocalServerError
from crossfade.local.jars import class_path, jars_of, java_command
from crossfade.local.kafka import VERSION
from crossfade.local.watched import Watched, WatchedServer, with_free_ports

WORKER: Final = (f"org.apache.kafka:connect-runtime:{VERSION}", f"org.apache.kafka:connect-json:{VERSION}")
DEBEZIUM_VERSION: Final = "3.5.0.Final"
DEBEZIUM: Final = f"io.debezium:debezium-connector-mariadb:{DEBEZIUM_VERSION}"
CONNECTOR_CLASS: Final = "io.debezium.connector.mariadb.MariaDbConnector"
MEMORY: Final = "-Xmx768m"  # the connector keeps up to 8,192 rows in its queue
START_SECONDS: Final = 180.0  # ten on a quiet machine
ANSWER_SECONDS: Final = 30.0  # the worker answers once its group has agreed
RUNNING: Final = "RUNNING"
FAILED: Final = "FAILED"

SETTINGS: Final[Mapping[str, str]] = {
    "group.id": "crossfade-connect",
    "config.storage.topic": "connect-configs",
    "offset.storage.topic": "connect-offsets",
    "status.storage.topic": "connect-status",
    "config.storage.replication.factor": "1",
    "offset.storage.replication.factor": "1",
    "status.storage.replication.factor": "1",
    "offset.storage.partitions": "1",
    "status.storage.partitions": "1",
    "offset.flush.interval.ms": "1000",
    "key.converter": "org.apache.kafka.connect.json.JsonConverter",
    "value.converter": "org.apache.kafka.connect.json.JsonConverter",
    "plugin.discovery": "service_load",  # what the connector says of itself, without a look into every class
    "scheduled.rebalance.max.delay.ms": "0",  # a worker that was killed is not waited for
}


class ConnectServer(WatchedServer):
    """A worker whose REST interface answers at `url` until `stop()` or the end of the `with` block."""

    def __init__(self, folder: Path, port: int, process: Watched) -> None:
        """Use `start`."""
        super().__init__(process)
        self.url = f"http://127.0.0.1:{port}"
        self._folder = folder
        self._port = port

    @classmethod
    def start(cls, bootstrap_servers: str, settings: Mapping[str, str] | None = None) -> Self:
        """Start one that answers and keeps its state in topics of that Kafka; `settings` are added to the worker's.

        Raises LocalServerError.
        """
        folder = Path(tempfile.mkdtemp(prefix="crossfade-connect-"))

        def start(ports: list[int]) -> tuple[int, Watched]:
            _prepare(folder, bootstrap_servers, ports[0], settings or {})
            return ports[0], _run(folder, ports[0])

        try:
            port, process = with_free_ports(1, start)
            return cls(folder, port, process)
        except BaseException:
            shutil.rmtree(folder, ignore_errors=True)
            raise

    def put(self, name: str, settings: Mapping[str, str]) -> None:
        """Make a connector, or give it other settings, and return when it and its task run.

        Raises LocalServerError with the connector's own words when it fails. It may still fail later: see `runs`.
        """
        _ = self._asked("PUT", f"/connectors/{quote(name)}/config", settings)
        self._process.wait_until(lambda: self.runs(name))

    def runs(self, name: str) -> bool:
        """True if a connector and its task run now. Raises LocalServerError with its own words when it has failed."""
        status = self.status(name)
        if status is None:
            return False
        parts = [status["connector"], *status["tasks"]]
        for part in parts:
            if part["state"] == FAILED:
                raise LocalServerError(f"the connector {name} failed: {part.get('trace', 'it does not say why')}")
        return len(parts) > 1 and all(part["state"] == RUNNING for part in parts)

    def status(self, name: str) -> Any:
        """What the worker tells of a connector, in its own words; None when it knows none of that name yet."""
        return self._asked("GET", f"/connectors/{quote(name)}/status", may_be_missing=True)

    def remove(self, name: str) -> None:
        """End a connector; what it has written stays."""
        _ = self._asked("DELETE", f"/connectors/{quote(name)}")

    def _run(self) -> Watched:
        return _run(self._folder, self._port)

    def _asked(self, method: str, path: str, body: Any = None, *, may_be_missing: bool = False) -> Any:
        try:
            status, answer = _request(self._port, method, path, body)
        except (OSError, http.client.HTTPException) as error:
            raise LocalServerError(f"Kafka Connect does not answer: {error}; it said:\n{self.said}") from error
        if may_be_missing and status == http.client.NOT_FOUND:
            return None
        if status >= http.client.BAD_REQUEST:
            raise LocalServerError(f"Kafka Connect refuses {method} {path} ({status}): {answer.decode()}")
        return json.loads(answer) if answer else None


def _settings_file(folder: Path) -> Path:
    return folder / "worker.properties"


def _prepare(folder: Path, bootstrap_servers: str, port: int, more: Mapping[str, str]) -> None:
    """Write its settings, and lay the connector's files into a folder of their own, as `plugin.path` wants them."""
    plugin = folder / "plugins" / "debezium-connector-mariadb"
    plugin.mkdir(parents=True, exist_ok=True)
    for jar in jars_of(DEBEZIUM):
        with contextlib.suppress(FileExistsError):
            (plugin / jar.name).symlink_to(jar)
    settings = {
        **SETTINGS,
        "bootstrap.servers": bootstrap_servers,
        "listeners": f"http://127.0.0.1:{port}",
        "plugin.path": str(folder / "plugins"),
        **more,
    }
    _ = _settings_file(folder).write_text("".join(f"{name}={value}\n" for name, value in settings.items()))


def _run(folder: Path, port: int) -> Watched:
    command: list[str | Path] = [
        *java_command("org.apache.kafka.connect.cli.ConnectDistributed", class_path(*WORKER), MEMORY),
        _settings_file(folder),
    ]
    process = Watched("Kafka Connect", command, remove=folder)
    try:
        process.wait_until(lambda: _answers(port), START_SECONDS)
    except BaseException:
        process.kill()
        raise
    return process


def _answers(port: int) -> bool:
    """True if the worker tells its connectors, which it can only once it has joined its group."""
    with contextlib.suppress(OSError, http.client.HTTPException):
        return _request(port, "GET", "/connectors", None)[0] == http.client.OK
    return False


def _request(port: int, method: str, path: str, body: Any) -> tuple[int, bytes]:
    with contextlib.closing(http.client.HTTPConnection("127.0.0.1", port, timeout=ANSWER_SECONDS)) as connection:
        sent = None if body is None else json.dumps(body)
        connection.request(method, path, sent, {"Content-Type": "application/json"})
        answer = connection.getresponse()
        return answer.status, answer.read()
