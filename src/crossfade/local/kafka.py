"""A real Apache Kafka of one node, for tests and examples: no ZooKeeper, no container, nothing outside its folder."""

from __future__ import annotations

import contextlib
import shutil
import tempfile
import uuid
from base64 import urlsafe_b64encode
from collections.abc import Mapping
from importlib import import_module
from pathlib import Path
from typing import Any, Final, Self

from crossfade.local.errors import JarsUnavailable
from crossfade.local.jars import INSTALL, class_path, java_command
from crossfade.local.watched import Watched, WatchedServer, listens, with_free_ports

VERSION: Final = "4.4.0"
ARTIFACT: Final = f"org.apache.kafka:kafka_2.13:{VERSION}"
MEMORY: Final = "-Xmx512m"  # what a test asks of it fits into half
ANSWER_SECONDS: Final = 5.0

SETTINGS: Final[Mapping[str, str]] = {
    "process.roles": "broker,controller",
    "node.id": "1",
    "controller.listener.names": "CONTROLLER",
    "listener.security.protocol.map": "PLAINTEXT:PLAINTEXT,CONTROLLER:PLAINTEXT",
    # One node can keep one copy.
    "default.replication.factor": "1",
    "offsets.topic.replication.factor": "1",
    "share.coordinator.state.topic.replication.factor": "1",
    "share.coordinator.state.topic.min.isr": "1",
    "transaction.state.log.replication.factor": "1",
    "transaction.state.log.min.isr": "1",
    # Fifty partitions are for clusters; each costs files and a fraction of the start.
    "offsets.topic.num.partitions": "4",
    "transaction.state.log.num.partitions": "4",
    "share.coordinator.state.topic.num.partitions": "4",
    "group.initial.rebalance.delay.ms": "0",  # the first member of a group gets its partitions without a wait for more
}


class KafkaServer(WatchedServer):
    """A broker that answers at `bootstrap_servers` until `stop()` or the end of the `with` block."""

    def __init__(self, folder: Path, port: int, process: Watched, *, private: bool) -> None:
        """Use `start`."""
        super().__init__(process)
        self.folder = folder
        self.bootstrap_servers = f"127.0.0.1:{port}"
        self._private = private

    @classmethod
    def start(cls, folder: Path | None = None, settings: Mapping[str, str] | None = None) -> Self:
        """Start one that answers, with its log in `folder`, else in a private one that goes when it is stopped.

        `settings` are added to the broker's own. Raises LocalServerError.
        """
        kept = folder or Path(tempfile.mkdtemp(prefix="crossfade-kafka-"))
        kept.mkdir(parents=True, exist_ok=True)

        def start(ports: list[int]) -> tuple[int, Watched]:
            _prepare(kept, ports, settings or {})
            return ports[0], _run(kept, ports[0], private=folder is None)

        try:
            port, process = with_free_ports(2, start)
            return cls(kept, port, process, private=folder is None)
        except BaseException:
            if folder is None:
                shutil.rmtree(kept, ignore_errors=True)
            raise

    def _run(self) -> Watched:
        return _run(self.folder, int(self.bootstrap_servers.rpartition(":")[2]), private=self._private)


def confluent_kafka(module: str = "confluent_kafka") -> Any:
    """The client library, or a module of it. Raises JarsUnavailable when the extra is not installed."""
    try:
        return import_module(module)
    except ImportError as error:
        raise JarsUnavailable(f"{module} is not installed", next_step=INSTALL) from error


def _settings_file(folder: Path) -> Path:
    return folder / "server.properties"


def _prepare(folder: Path, ports: list[int], more: Mapping[str, str]) -> None:
    """Write its settings and give its folder the identity without which it does not start."""
    listeners = [f"{name}://127.0.0.1:{port}" for name, port in zip(("PLAINTEXT", "CONTROLLER"), ports, strict=True)]
    settings = {
        **SETTINGS,
        "listeners": ",".join(listeners),
        "advertised.listeners": listeners[0],
        "controller.quorum.voters": f"1@127.0.0.1:{ports[1]}",
        "log.dirs": str(folder / "log"),
        **more,
    }
    _ = _settings_file(folder).write_text("".join(f"{name}={value}\n" for name, value in settings.items()))
    if (folder / "log" / "meta.properties").exists():
        return
    identity = urlsafe_b64encode(uuid.uuid4().bytes).rstrip(b"=").decode()
    identity = "A" + identity[1:]  # one in 64 would begin with a minus, which the program takes for an option
    command: list[str | Path] = [
        *java_command("kafka.tools.StorageTool", class_path(ARTIFACT), MEMORY),
        *("format", "--cluster-id", identity, "--config", _settings_file(folder)),
    ]
    with Watched("Kafka's formatting", command) as process:
        process.wait_for_end()


def _run(folder: Path, port: int, *, private: bool) -> Watched:
    command: list[str | Path] = [*java_command("kafka.Kafka", class_path(ARTIFACT), MEMORY), _settings_file(folder)]
    process = Watched("Kafka", command, remove=folder if private else None)
    try:
        process.wait_until(lambda: listens(port))
        process.wait_until(lambda: _answers(port))
    except BaseException:
        process.kill()
        raise
    return process


def _answers(port: int) -> bool:
    """True if the broker tells of itself, which is later than that it listens."""
    # The client is kept in a name until the answer is there: without one it is taken down while it waits.
    client = confluent_kafka("confluent_kafka.admin").AdminClient(
        {"bootstrap.servers": f"127.0.0.1:{port}", "log_level": 0}
    )
    with contextlib.suppress(confluent_kafka().KafkaException):
        return bool(client.list_topics(timeout=ANSWER_SECONDS).brokers)
    return False
