"""One engine: started, asked until it answers, stopped, and never left behind.

The engine holds the read end of a pipe from us as its standard input and ends when that ends, so it goes with us even
when we are killed by SIGKILL: no watcher process that could itself be killed, nothing particular to one system. It runs
in a session of its own, so Ctrl-C reaches us first and we decide when the database goes.
"""

from __future__ import annotations

import contextlib
import http.client
import importlib.metadata
import logging
import os
import re
import subprocess
import tempfile
import threading
import weakref
from collections import deque
from pathlib import Path
from typing import IO, Self, TypedDict
from urllib.parse import urlsplit

from crossfade.local.errors import LocalDatabaseError
from crossfade.local.stopping import Stoppable

ENDPOINT_VARIABLE = "CROSSFADE_DYNAMODB_ENDPOINT"
DISTRIBUTION = PROGRAM = "crossfade-engine"
DATABASE_FILE = "crossfade.sqlite"
START_TIMEOUT_SECONDS = 60.0  # milliseconds on a quiet machine; a large file is migrated when a newer engine opens it
STOP_TIMEOUT_SECONDS = 10.0
ANSWER_TIMEOUT_SECONDS = 10.0
OUTPUT_LINES_KEPT = 40  # enough for a panic with its trace, shown when the start fails

# By what the engine says when it cannot start.
NEXT_STEPS = {
    "Address already in use": "crossfade local --port 0 takes a free one; what answers there may be an engine already",
    "disk is full": "make room there, or keep the tables in another folder",
    "cannot open": "keep the tables in another folder; is this one's file an engine's, and may it be written?",
}

_LOG = logging.getLogger(__name__)
_LISTENING = re.compile(r"crossfade: listening on port (\d+)")


class ClientOptions(TypedDict):
    """Keyword arguments for `boto3.client("dynamodb", ...)` and botocore's `create_client`."""

    endpoint_url: str
    region_name: str
    aws_access_key_id: str
    aws_secret_access_key: str


class LocalEngine(Stoppable):
    """A DynamoDB that answers at `endpoint_url` until `stop()` or the end of the `with` block."""

    def __init__(self, endpoint_url: str, process: _EngineProcess | None = None) -> None:
        """Use `start`. Without a process the server is somebody else's, and `stop` leaves it alone."""
        self.endpoint_url = endpoint_url
        self._process = process

    @classmethod
    def start(cls, path: Path | None = None, *, port: int = 0) -> Self:
        """Start an engine that answers: in memory, or with its tables in a file in the folder `path`.

        `port` 0 is any free port. Where the environment names an endpoint (CROSSFADE_DYNAMODB_ENDPOINT), that one is
        used and nothing is started. Raises LocalDatabaseError when the engine is not installed, does not start, or
        gives no answer.
        """
        endpoint_url = os.environ.get(ENDPOINT_VARIABLE)
        if endpoint_url:
            if path is not None:
                raise LocalDatabaseError(
                    f"{ENDPOINT_VARIABLE} names {endpoint_url}, which keeps its tables where it likes, not in {path}",
                    next_step=f"unset {ENDPOINT_VARIABLE}, or leave the path out",
                )
            check_answers(endpoint_url)
            return cls(endpoint_url)
        process = _EngineProcess(_command(find_program(), path, port))
        try:
            endpoint_url = f"http://127.0.0.1:{process.wait_for_port()}"
            check_answers(endpoint_url)
        except BaseException:
            process.stop()
            raise
        return cls(endpoint_url, process)

    @property
    def process_id(self) -> int | None:
        """The engine's process id; None when the server is not ours."""
        return self._process.process_id if self._process else None

    @property
    def said(self) -> str:
        """The last lines of the engine's output, which tell why it ended; empty when the server is not ours."""
        return self._process.said if self._process else ""

    def client_options(self) -> ClientOptions:
        """What a client needs to reach this server; the credentials are dummies, the engine checks none."""
        return ClientOptions(
            endpoint_url=self.endpoint_url,
            region_name="us-east-1",
            aws_access_key_id="crossfade",
            aws_secret_access_key="crossfade",  # noqa: S106  not a secret
        )

    def wait(self) -> None:
        """Return when the process has ended by itself; a server that is somebody else's is waited for without end."""
        if self._process:
            self._process.wait()
        else:
            _ = threading.Event().wait()

    def stop(self) -> None:
        """End the process if it is ours; calling it twice is fine."""
        if self._process:
            self._process.stop()


def find_program() -> Path:
    """The engine's program, wherever its wheel was installed. Raises LocalDatabaseError when it is not."""
    try:
        files = importlib.metadata.files(DISTRIBUTION) or []
    except importlib.metadata.PackageNotFoundError:
        files = []
    for file in files:
        if file.stem == PROGRAM:
            return Path(str(file.locate())).resolve()
    raise LocalDatabaseError(
        f"the embedded database ({DISTRIBUTION}) is not installed",
        next_step=f"python -m pip install 'crossfade[local]', or set {ENDPOINT_VARIABLE} to a DynamoDB that runs",
    )


def check_answers(endpoint_url: str) -> None:
    """Send a ListTables; raise LocalDatabaseError unless something that speaks HTTP answers within ten seconds.

    The request is not signed: the engine does not look, and another endpoint's refusal is an answer too.
    """
    try:
        parts = urlsplit(endpoint_url)
        kind = http.client.HTTPSConnection if parts.scheme == "https" else http.client.HTTPConnection
        connection = kind(parts.hostname or "", parts.port, timeout=ANSWER_TIMEOUT_SECONDS)
        with contextlib.closing(connection):
            connection.request("POST", parts.path or "/", body=b"{}", headers=LIST_TABLES_HEADERS)
            status = connection.getresponse().status
    except (OSError, ValueError, http.client.HTTPException) as error:
        raise LocalDatabaseError(
            f"no answer from DynamoDB at {endpoint_url}: {error}",
            next_step=f"start it, or unset {ENDPOINT_VARIABLE} to have one started",
        ) from error
    if status >= http.client.INTERNAL_SERVER_ERROR:
        raise LocalDatabaseError(
            f"DynamoDB at {endpoint_url} answers ListTables with HTTP {status}",
            next_step=f"see what answers there, or unset {ENDPOINT_VARIABLE} to have one started",
        )


LIST_TABLES_HEADERS = {
    "Content-Type": "application/x-amz-json-1.0",
    "X-Amz-Target": "DynamoDB_20120810.ListTables",
    "X-Amz-Date": "20120810T000000Z",
    "Authorization": "AWS4-HMAC-SHA256 Credential=crossfade/20120810/us-east-1/dynamodb/aws4_request, "
    "SignedHeaders=host, Signature=0",
}


def _command(program: Path, path: Path | None, port: int) -> list[str]:
    command = [str(program), "--port", str(port), "--sweep-seconds", "1"]
    if path is not None:
        try:
            path.mkdir(parents=True, exist_ok=True)
        except OSError as error:
            raise LocalDatabaseError(
                f"the folder {path} cannot be made: {error}", next_step="name another folder, or make room there"
            ) from None
        command += ["--db-path", str(path.resolve() / DATABASE_FILE)]
    return command


class _EngineProcess:
    """The engine's process, the pipe that keeps it alive and the last lines it said."""

    def __init__(self, command: list[str]) -> None:
        self._process = subprocess.Popen(  # noqa: S603  our own program with our own arguments
            command,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            start_new_session=True,
            cwd=tempfile.gettempdir(),
            text=True,
            errors="replace",
        )
        assert self._process.stdin  # noqa: S101  asked for above
        assert self._process.stdout  # noqa: S101
        self._lifeline: IO[str] = self._process.stdin
        self._output: deque[str] = deque(maxlen=OUTPUT_LINES_KEPT)
        self._port: int | None = None
        self._spoke = threading.Event()  # the port is known, or the output has ended
        self._reader = threading.Thread(
            target=self._read, args=(self._process.stdout,), name="crossfade-engine-output", daemon=True
        )
        self._reader.start()
        _living.add(self)

    @property
    def process_id(self) -> int:
        return self._process.pid

    def wait_for_port(self) -> int:
        """The port it listens on. Raises LocalDatabaseError with what it said when it ends or stays silent instead."""
        spoke = self._spoke.wait(START_TIMEOUT_SECONDS)
        if self._port is not None:
            return self._port
        what = "ended" if spoke else f"was not ready after {START_TIMEOUT_SECONDS:.0f} s"
        said = self.said
        steps = (step for words, step in NEXT_STEPS.items() if words in said)
        raise LocalDatabaseError(
            f"the embedded database {what}; the last it said:\n{said}",
            next_step=next(steps, f"set {ENDPOINT_VARIABLE} to a DynamoDB that runs elsewhere"),
        )

    @property
    def said(self) -> str:
        """Return the engine's last lines, indented."""
        return "\n".join(f"    {line}" for line in self._output) or "    (nothing)"

    def wait(self) -> None:
        _ = self._process.wait()
        self._reader.join(STOP_TIMEOUT_SECONDS)

    def stop(self) -> None:
        """Cut the pipe, which ends it; if it has not gone after ten seconds, kill this process, by its id."""
        self.cut()
        try:
            _ = self._process.wait(STOP_TIMEOUT_SECONDS)
        except subprocess.TimeoutExpired:
            self._process.kill()
            _ = self._process.wait()
        self._reader.join(STOP_TIMEOUT_SECONDS)
        _living.discard(self)

    def cut(self) -> None:
        """Close our end of the pipe; the process ends once no other process holds it."""
        with contextlib.suppress(BrokenPipeError):
            self._lifeline.close()

    def _read(self, output: IO[str]) -> None:
        with output:
            for line in output:
                self._output.append(line.rstrip())
                if self._port is not None:
                    _LOG.warning("the embedded database says: %s", line.rstrip())
                found = _LISTENING.search(line)
                if found:
                    self._port = int(found[1])
                    self._spoke.set()
        self._spoke.set()


_living: weakref.WeakSet[_EngineProcess] = weakref.WeakSet()


def _cut_in_child() -> None:
    """A forked child must not hold the pipe, or the database would outlive the process that started it."""
    for process in _living:
        process.cut()


os.register_at_fork(after_in_child=_cut_in_child)
