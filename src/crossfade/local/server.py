"""One DynamoDB Local: started, asked until it answers, stopped, and never left behind.

The Java process holds the read end of a pipe from us as its standard input and ends when that ends (`loopback.xml`), so
it goes with us even when we are killed by SIGKILL: no watcher process that could itself be killed, nothing particular
to one system. It runs in a session of its own, so Ctrl-C reaches us first and we decide when the database goes.
"""

from __future__ import annotations

import contextlib
import http.client
import os
import re
import subprocess
import tempfile
import threading
import weakref
from collections import deque
from pathlib import Path
from types import TracebackType
from typing import IO, Self, TypedDict
from urllib.parse import urlsplit

from crossfade.local.errors import LocalDatabaseError
from crossfade.local.fetch import Release, ensure_release
from crossfade.local.java import find_java

ENDPOINT_VARIABLE = "CROSSFADE_DYNAMODB_ENDPOINT"
HEAP_MB = 1024  # 165 MB are used when idle; the items of an in-memory database live in SQLite, outside this heap
START_TIMEOUT_SECONDS = 90.0  # 2 to 5 s on a quiet machine; others may be using this one
STOP_TIMEOUT_SECONDS = 10.0
ANSWER_TIMEOUT_SECONDS = 10.0
OUTPUT_LINES_KEPT = 40  # enough for a Java stack trace, shown when the start fails

_LISTENING = re.compile(r"crossfade: listening on port (\d+)")


class ClientOptions(TypedDict):
    """Keyword arguments for `boto3.client("dynamodb", ...)` and botocore's `create_client`."""

    endpoint_url: str
    region_name: str
    aws_access_key_id: str
    aws_secret_access_key: str


class DynamoDBLocal:
    """A DynamoDB Local that answers at `endpoint_url` until `stop()` or the end of the `with` block."""

    def __init__(self, endpoint_url: str, process: _JavaProcess | None = None) -> None:
        """Use `start`. Without a process the server is somebody else's, and `stop` leaves it alone."""
        self.endpoint_url = endpoint_url
        self._process = process

    @classmethod
    def start(cls, path: Path | None = None, *, heap_mb: int = HEAP_MB, port: int = 0) -> Self:
        """A server that answers: in memory, or with its files in the folder `path`.

        `port` 0 is any free port. Where the environment names an endpoint (CROSSFADE_DYNAMODB_ENDPOINT), that one is
        used and nothing is started. Raises LocalDatabaseError when there is no Java, the files cannot be had, or no
        answer comes.
        """
        endpoint_url = os.environ.get(ENDPOINT_VARIABLE)
        if endpoint_url:
            check_answers(endpoint_url)
            return cls(endpoint_url)
        process = _JavaProcess(_command(ensure_release(), find_java(), path, heap_mb, port))
        try:
            endpoint_url = f"http://127.0.0.1:{process.wait_for_port()}"
            check_answers(endpoint_url)
        except BaseException:
            process.stop()
            raise
        return cls(endpoint_url, process)

    @property
    def process_id(self) -> int | None:
        """Of the Java process; None when the server is not ours."""
        return self._process.process_id if self._process else None

    def client_options(self) -> ClientOptions:
        """What a client needs to reach this server; the credentials are dummies, DynamoDB Local checks none."""
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

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.stop()


def run_in_foreground(path: Path | None = None, port: int = 8000, *, heap_mb: int = HEAP_MB) -> int:
    """Start a server, say where it is, and stay until Ctrl-C (returns 0) or until it ends by itself (returns 1)."""
    with DynamoDBLocal.start(path, heap_mb=heap_mb, port=port) as server:
        print(f"DynamoDB Local answers at {server.endpoint_url} ({path or 'in memory'}); Ctrl-C ends it", flush=True)
        with contextlib.suppress(KeyboardInterrupt):
            server.wait()
            return 1
    return 0


def check_answers(endpoint_url: str) -> None:
    """Send a ListTables; raise LocalDatabaseError unless something that speaks HTTP answers within ten seconds.

    The request is not signed: DynamoDB Local does not look, and another endpoint's refusal is an answer too.
    """
    try:
        parts = urlsplit(endpoint_url)
        kind = http.client.HTTPSConnection if parts.scheme == "https" else http.client.HTTPConnection
        connection = kind(parts.hostname or "", parts.port, timeout=ANSWER_TIMEOUT_SECONDS)
        with contextlib.closing(connection):
            connection.request("POST", parts.path or "/", body=b"{}", headers=_LIST_TABLES_HEADERS)
            status = connection.getresponse().status
    except (OSError, ValueError, http.client.HTTPException) as error:
        raise LocalDatabaseError(
            f"no answer from DynamoDB at {endpoint_url}: {error}",
            next_step=f"start it, or unset {ENDPOINT_VARIABLE} to have one started",
        ) from error
    if status >= http.client.INTERNAL_SERVER_ERROR:
        raise LocalDatabaseError(f"DynamoDB at {endpoint_url} answers ListTables with HTTP {status}")


_LIST_TABLES_HEADERS = {
    "Content-Type": "application/x-amz-json-1.0",
    "X-Amz-Target": "DynamoDB_20120810.ListTables",
    "Authorization": "AWS4-HMAC-SHA256 Credential=crossfade/20120810/us-east-1/dynamodb/aws4_request, "
    "SignedHeaders=host, Signature=0",
}


def _command(release: Release, java: Path, path: Path | None, heap_mb: int, port: int) -> list[str]:
    if path is None:
        place = ["-Dcrossfade.inMemory=true"]
    else:
        path.mkdir(parents=True, exist_ok=True)
        place = ["-Dcrossfade.inMemory=false", f"-Dcrossfade.dbPath={path.resolve()}"]
    return [
        str(java),
        f"-Xmx{heap_mb}m",
        "-XX:-UsePerfData",  # leaves a file in the temporary folder otherwise
        f"-Djava.library.path={release.library_path()}",
        f"-Dcrossfade.port={port}",
        *place,
        "-cp",
        release.class_path(),
        "org.eclipse.jetty.xml.XmlConfiguration",
        str(Path(__file__).with_name("loopback.xml")),
    ]


class _JavaProcess:
    """The Java process, the pipe that keeps it alive and the last lines it said."""

    def __init__(self, command: list[str]) -> None:
        self._process = subprocess.Popen(  # noqa: S603  our own Java with our own arguments
            command,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            start_new_session=True,
            cwd=tempfile.gettempdir(),
            env={**os.environ, "DDB_LOCAL_TELEMETRY": "0"},
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
            target=self._read, args=(self._process.stdout,), name="dynamodb-local-output", daemon=True
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
        said = "\n".join(f"    {line}" for line in self._output) or "    (nothing)"
        raise LocalDatabaseError(
            f"DynamoDB Local {what}; the last it said:\n{said}",
            next_step=f"if this machine cannot run it, set {ENDPOINT_VARIABLE} to one that runs elsewhere",
        )

    def wait(self) -> None:
        _ = self._process.wait()

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
                found = _LISTENING.search(line)
                if found:
                    self._port = int(found[1])
                    self._spoke.set()
        self._spoke.set()


_living: weakref.WeakSet[_JavaProcess] = weakref.WeakSet()


def _cut_in_child() -> None:
    """A forked child must not hold the pipe, or the database would outlive the process that started it."""
    for process in _living:
        process.cut()


os.register_at_fork(after_in_child=_cut_in_child)
