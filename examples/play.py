"""What the examples are played with: a DynamoDB of their own, the real commands, processes, and findings at the end.

Reading the examples does not need this file.
"""

from __future__ import annotations

import argparse
import json
import os
import signal
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Callable, Generator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from decimal import Decimal
from pathlib import Path
from types import TracebackType
from typing import IO, Any, Self

import boto3
from click.testing import CliRunner

from crossfade.cli.app import app
from crossfade.demo.console import Console
from crossfade.errors import in_full
from crossfade.local import LocalDatabaseError, LocalEngine
from crossfade.local.errors import JarsUnavailable, LocalServerError

ROOT = Path(__file__).resolve().parent.parent
COMMAND_SECONDS = 120.0  # no command of an example takes that long on a machine that does anything else
END_SECONDS = 45.0  # longer than a router waits for what is under way
PROGRESS = ("waiting for ", "app ", "etl ", "replication ", "copying:", "comparing:", "reading:", "writing:")
FAILED, COULD_NOT_RUN, SKIPPED, INTERRUPTED = 1, 2, 77, 130


class PlayError(Exception):
    """The example could not be carried out. That is no verdict."""


@dataclass
class Play:
    """One example under way. `with open_play(...) as play`; at the end `play.verdict()` is the exit status."""

    console: Console
    folder: Path  # for what the example leaves while it runs
    environment: dict[str, str]
    processes: dict[str, subprocess.Popen[str]] = field(default_factory=dict[str, "subprocess.Popen[str]"])
    failures: list[str] = field(default_factory=list[str])

    @property
    def dynamodb(self) -> Any:
        """boto3's resource."""
        return boto3.resource("dynamodb")

    # --- what happens

    def crossfade(self, *words: str, status: int = 0) -> str:
        """A command as a user types it; what it prints is shown, and returned. Raises PlayError for another exit status
        than this.

        The very command, but in this process: starting a new one for each of them would take longer than they do.
        """
        typed = " ".join(["crossfade", *(word.replace(f"{self.folder}/", "") for word in words)])
        self.console.command(typed)
        done = CliRunner().invoke(app, words)
        if done.exit_code == INTERRUPTED:
            raise KeyboardInterrupt  # the command has taken it for itself
        if done.exit_code != status:
            said = "\n".join(done.output.splitlines()[-25:])
            raise PlayError(f"{typed}: exit status {done.exit_code}, not {status}\n{said}") from done.exception
        for line in done.stdout.splitlines():
            if line.strip() and not line.lstrip().startswith(PROGRESS):
                self.console.output(line.replace(f"{self.folder}/", ""))
        return done.stdout

    def start(self, name: str, module: str, *arguments: object) -> None:
        """A process of its own, which ends when it is told to."""
        command = [sys.executable, "-m", module, *map(str, arguments)]
        process = subprocess.Popen(
            command, cwd=ROOT, env=self.environment, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True,
            start_new_session=True,
        )  # fmt: skip
        self.processes[name] = process
        self.console.say(f"{name}: process {process.pid}")

    def wait_for(self, *paths: Path) -> None:
        """Until processes have written to these files: then they are at work."""
        for _ in range(600):
            if all(path.exists() and path.stat().st_size for path in paths):
                return
            self.look_after()
            time.sleep(0.1)
        raise PlayError("the processes have written nothing within a minute")

    def look_after(self) -> None:
        """Raises PlayError when a process has ended by itself."""
        for name, process in tuple(self.processes.items()):
            if process.poll() is not None and self.processes.get(name) is process:  # nobody has taken it away
                raise PlayError(f"{name} ended by itself, with status {process.returncode}\n{self._said(process)}")

    def stop(self, *names: str) -> None:
        """Tell them to end, and show their last line. What they found wrong is a failure."""
        stopped = [(name, self.processes.pop(name)) for name in names or tuple(self.processes)]
        for _, process in stopped:
            process.terminate()
        for name, process in stopped:
            try:
                status = process.wait(END_SECONDS)
            except subprocess.TimeoutExpired:
                process.kill()
                status = process.wait()
            said = self._said(process)
            self.check(f"{name}: {said.splitlines()[-1] if said else 'ended'}", not status, said)

    def finish(self, name: str) -> None:
        """Wait until a process has ended by itself, and show its last line."""
        process = self.processes.pop(name)
        try:
            status = process.wait(COMMAND_SECONDS)
        finally:
            process.kill()
        said = self._said(process)
        if status:
            raise PlayError(f"{name} ended with status {status}\n{said}")
        self.console.say(f"{name}: {said.splitlines()[-1] if said else 'ended'}")

    def _said(self, process: subprocess.Popen[str]) -> str:
        stdout: IO[str] | None = process.stdout
        return stdout.read().strip() if stdout is not None else ""

    # --- what is found

    def check(self, what: str, holds: bool, *evidence: object) -> None:
        """One thing that must hold at the end, and what there is to be seen where it does not."""
        self.console.say(f"{'ok   ' if holds else 'FAIL '}{what}")
        if not holds:
            self.failures.append(what)
            for line in evidence[:5]:
                self.console.block(f"     {line}")

    def verdict(self, held: str) -> int:
        """The last line, and the exit status."""
        if self.failures:
            self.console.verdict(f"IT DOES NOT HOLD: {'; '.join(self.failures)}", good=False)
            return FAILED
        self.console.verdict(held, good=True)
        return 0


@contextmanager
def open_play(
    folder: Path, migration: str = "migration.py", console: Console | None = None
) -> Generator[Play, None, None]:
    """An embedded engine with no tables, and an environment in which every process and command finds it."""
    with tempfile.TemporaryDirectory(prefix="crossfade-example-") as made, LocalEngine.start() as server:
        options = server.client_options()
        os.environ |= {
            "AWS_ENDPOINT_URL_DYNAMODB": options["endpoint_url"],
            "AWS_DEFAULT_REGION": options["region_name"],
            "AWS_ACCESS_KEY_ID": options["aws_access_key_id"],
            "AWS_SECRET_ACCESS_KEY": options["aws_secret_access_key"],
            "CROSSFADE_MIGRATION": str(folder / migration),
        }
        play = Play(console or Console(), Path(made), dict(os.environ))
        try:
            yield play
        finally:
            for process in play.processes.values():
                process.kill()
                process.wait()


def run(play: Callable[..., int], description: str, **flags: str) -> int:
    """The command line of an example: `play(items, flag=...)`; its exit status."""
    parser = argparse.ArgumentParser(description=description)
    parser.add_argument("--items", type=int, default=2_000, help="how many items the old table holds")
    for name, meaning in flags.items():
        parser.add_argument(f"--{name}", action="store_true", help=meaning)
    options = parser.parse_args()
    try:
        status = play(**vars(options))
    except JarsUnavailable as error:
        print(f"skipped: the servers that it needs cannot be had here: {in_full(error)}", file=sys.stderr)
        return SKIPPED
    except (PlayError, LocalDatabaseError, LocalServerError) as error:
        print(f"could not be carried out: {in_full(error)}", file=sys.stderr)
        return COULD_NOT_RUN
    return status


# --- for the processes


class Stop:
    """Told by SIGTERM, as an orchestrator does."""

    def __init__(self) -> None:
        self._event = threading.Event()
        signal.signal(signal.SIGTERM, lambda *_: self._event.set())
        signal.signal(signal.SIGINT, signal.SIG_IGN)  # Ctrl-C is for who started us

    def wait(self, seconds: float) -> bool:
        """Whether it is time to end."""
        return self._event.wait(seconds)

    def until_wrong(self, work: Callable[[], str]) -> bool:
        """Work until it is time to end. Whether something was wrong before, as the work says and is shown."""
        while not self.wait(0.05):
            if wrong := work():
                print(f"wrong: {wrong}")
                return True
        return False


class Journal:
    """What was acknowledged, in the order in which it was: a key, and the item as it then is, or None."""

    def __init__(self, path: str | Path) -> None:
        self._file = Path(path).open("a", encoding="utf-8")  # noqa: SIM115 - closed in __exit__

    def write(self, key: str, item: Any) -> None:
        line = json.dumps([key, plain(item)])
        self._file.write(line + "\n")
        self._file.flush()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._file.close()


def last_written(*paths: Path) -> dict[str, Any]:
    """The last value of each key; None where it was removed. Every key has one writer."""
    found: dict[str, Any] = {}
    for path in paths:
        for line in path.read_text(encoding="utf-8").splitlines():
            key, item = json.loads(line)
            found[key] = item
    return found


def without_stamp(item: dict[str, Any]) -> dict[str, Any]:
    """crossfade marks its writes with one attribute, which `crossfade cleanup` removes at the end."""
    return {name: value for name, value in item.items() if name != "_crossfade"}


def plain(value: Any) -> Any:
    """A value as JSON has it, so that two can be compared: numbers as numbers, sets in order."""
    if isinstance(value, Decimal):
        return int(value) if value == int(value) else float(value)
    if isinstance(value, dict):
        return {name: plain(inner) for name, inner in value.items()}
    if isinstance(value, set):
        return sorted(plain(inner) for inner in value)
    if isinstance(value, list):
        return [plain(inner) for inner in value]
    return value


# --- for the tables


def create_table(
    dynamodb: Any, name: str, key: dict[str, str], *, index: tuple[str, dict[str, str]] | None = None, units: int = 0
) -> Any:
    """boto3's Table, made. `index`: a global secondary index with all attributes; `units`: of reads and of writes."""
    described: dict[str, Any] = {"AttributeDefinitions": dict(key)}
    request: dict[str, Any] = {"TableName": name, "KeySchema": schema(key), "BillingMode": "PAY_PER_REQUEST"}
    if units:
        request["BillingMode"] = "PROVISIONED"
        request["ProvisionedThroughput"] = {"ReadCapacityUnits": units, "WriteCapacityUnits": units}
    if index is not None:
        described["AttributeDefinitions"] |= index[1]
        request["GlobalSecondaryIndexes"] = [
            {"IndexName": index[0], "KeySchema": schema(index[1]), "Projection": {"ProjectionType": "ALL"}}
        ]
    definitions = described["AttributeDefinitions"].items()
    request["AttributeDefinitions"] = [{"AttributeName": n, "AttributeType": kind} for n, kind in definitions]
    return dynamodb.create_table(**request)


def schema(key: dict[str, str]) -> list[dict[str, str]]:
    return [{"AttributeName": n, "KeyType": role} for n, role in zip(key, ("HASH", "RANGE"), strict=False)]


def every(table: Any, operation: str = "scan", **request: Any) -> list[dict[str, Any]]:
    """All items of a Scan or Query, page by page."""
    found: list[dict[str, Any]] = []
    while True:
        page = getattr(table, operation)(**request)
        found += page["Items"]
        if "LastEvaluatedKey" not in page:
            return found
        request["ExclusiveStartKey"] = page["LastEvaluatedKey"]


def differences(expected: dict[str, Any], found: dict[str, Any]) -> Sequence[str]:
    """A line for each key that is missing, too much or different."""
    wrong = sorted(key for key in expected.keys() | found.keys() if expected.get(key) != found.get(key))
    return [f"{key}: expected {expected.get(key)}, found {found.get(key)}" for key in wrong]
