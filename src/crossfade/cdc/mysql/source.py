"""Where the source is and who asks: passwords from the environment or an option file, never from a command line."""

from __future__ import annotations

import configparser
import os
import ssl
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final, Self
from urllib.parse import parse_qsl, unquote, urlsplit

import pymysql

from crossfade.cdc.mysql.errors import SourceError, SourceGone
from crossfade.errors import ConfigurationError

PASSWORD_VARIABLE: Final = "CROSSFADE_MYSQL_PASSWORD"  # noqa: S105  a variable's name
OPTION_FILE_VARIABLE: Final = "CROSSFADE_MYSQL_OPTION_FILE"
CONNECT_SECONDS: Final = 10.0
ANSWER_SECONDS: Final = 300.0  # a chunk of a cold table on a slow disk
ACCESS_DENIED: Final = frozenset({1044, 1045, 1142, 1227})
STRANGER: Final = 1045
CONNECTION_LOST: Final = frozenset({1053, 1927, 2003, 2006, 2013, 2055})


@dataclass(frozen=True, slots=True)
class Source:
    """A server, an account on it and the schema that is meant where none is named."""

    host: str
    port: int = 3306
    user: str = ""
    password: str = field(default="", repr=False)
    schema: str = ""
    certificate_authority: str = ""

    @classmethod
    def of_url(cls, url: str, environment: Mapping[str, str] = os.environ) -> Self:
        """Parse mysql://user@host:port/schema?ca=FILE; the password comes from the environment or an option file.

        Raises ConfigurationError, for a password in the URL too: it would stand in the shell's history and in `ps`.
        """
        try:
            parts = urlsplit(url)
            port = parts.port or 3306
        except ValueError as error:
            raise ConfigurationError(f"the source's URL cannot be read: {error}") from None
        if parts.scheme not in {"mysql", "mariadb"} or not parts.hostname:
            raise ConfigurationError("the source's URL is not of the form mysql://user@host:port/schema")
        if parts.password is not None:
            raise ConfigurationError(
                "the source's URL has a password in it",
                next_step=f"leave it out and set {PASSWORD_VARIABLE}, or name an option file in {OPTION_FILE_VARIABLE}",
            )
        options = parse_qsl(parts.query, keep_blank_values=True)
        if any(name != "ca" or not file for name, file in options):
            raise ConfigurationError(
                "the source's URL has an option that is not known, or is empty",
                next_step="the only one is ?ca=FILE, for TLS with a certificate authority of your own",
            )
        user, password = _account(environment)
        return cls(
            host=parts.hostname,
            port=port,
            user=unquote(parts.username or "") or user,
            password=password,
            schema=unquote(parts.path.strip("/")),
            certificate_authority=dict(options).get("ca", ""),
        )

    def connect(self, *, answer_seconds: float = ANSWER_SECONDS) -> Connection:
        """A connection whose answers are bytes as the server sent them. Raises SourceError, ConfigurationError."""
        encrypted = _encryption(self.certificate_authority) if self.certificate_authority else None
        try:
            return Connection(
                pymysql.connect(
                    host=self.host,
                    port=self.port,
                    user=self.user,
                    password=self.password,
                    database=self.schema or None,
                    charset="utf8mb4",
                    use_unicode=False,
                    conv={},
                    autocommit=True,
                    connect_timeout=CONNECT_SECONDS,
                    read_timeout=answer_seconds,
                    write_timeout=answer_seconds,
                    ssl=encrypted,
                )
            )
        except pymysql.MySQLError as error:
            raise refusal(error, f"{self.host}:{self.port}") from error


Row = tuple[bytes | None, ...]


class Connection:
    """PyMySQL's, with rows as bytes, and its errors as ours. For one thread."""

    def __init__(self, raw: Any) -> None:
        self.raw = raw

    def rows(self, statement: str) -> list[Row]:
        """What the statement answers; nothing for one that answers no rows. Raises SourceError."""
        try:
            with self.raw.cursor() as cursor:
                _ = cursor.execute(statement)
                return list(cursor.fetchall())
        except (pymysql.MySQLError, OSError) as error:
            raise refusal(error, statement) from error

    def texts(self, statement: str) -> list[tuple[str, ...]]:
        """Return rows of texts; "" for NULL."""
        return [tuple((value or b"").decode() for value in row) for row in self.rows(statement)]

    def texts_or_none(self, statement: str) -> list[tuple[str, ...]] | None:
        """Return rows of texts, or None where the server does not know the statement or what it names."""
        try:
            return self.texts(statement)
        except SourceError as error:
            if isinstance(error.__cause__, pymysql.ProgrammingError | pymysql.OperationalError) and not isinstance(
                error, SourceGone
            ):
                return None
            raise

    @property
    def mariadb(self) -> bool:
        return "MariaDB" in self.texts("SELECT VERSION()")[0][0]

    def server_name(self) -> str:
        """What tells this server from others of its group."""
        return self.texts("SELECT @@server_id" if self.mariadb else "SELECT @@server_uuid")[0][0]

    def close(self) -> None:
        self.raw.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()


def text_literal(text: str) -> str:
    """A text as a literal, whatever is in it and whatever the session's SQL mode is."""
    return f"_utf8mb4 X'{text.encode().hex()}'"


def refusal(error: Exception, what: str) -> SourceError:
    """Our error for one of PyMySQL's."""
    code = error.args[0] if error.args and isinstance(error.args[0], int) else 0
    words = f"{what[:200]}: {error}"
    if code in CONNECTION_LOST or isinstance(error, OSError):
        return SourceGone(words, next_step="see whether the source answers; the same can be tried again")
    if code == STRANGER:
        return SourceError(
            words, next_step=f"set {PASSWORD_VARIABLE}, or user and password in the file of {OPTION_FILE_VARIABLE}"
        )
    if code in ACCESS_DENIED:
        return SourceError(words, next_step="see `crossfade check`: it names the right that is missing")
    return SourceError(words)


def _encryption(authority: str) -> ssl.SSLContext:
    """TLS with a server whose certificate this authority has given, whatever name it was reached by."""
    try:
        found = ssl.create_default_context(cafile=authority)
    except OSError as error:  # that of a file, and that of ssl
        raise ConfigurationError(
            f"{authority} cannot be read as certificates: {error.strerror or error}",
            next_step="name a file of PEM certificates: mysql://user@host:port/schema?ca=FILE",
        ) from None
    found.check_hostname = False
    return found


def _account(environment: Mapping[str, str]) -> tuple[str, str]:
    """User and password: the variable's password first, then the [client] part of an option file."""
    user = password = ""
    file = environment.get(OPTION_FILE_VARIABLE)
    if file:
        options = configparser.ConfigParser(allow_no_value=True, interpolation=None, strict=False)
        try:
            options.read_string(Path(file).read_text(encoding="utf-8"))
        except (OSError, configparser.Error) as error:
            raise ConfigurationError(f"the option file {file} cannot be read: {error}") from None
        user = _unquoted(options.get("client", "user", fallback=""))
        password = _unquoted(options.get("client", "password", fallback=""))
    return user, environment.get(PASSWORD_VARIABLE, password)


def _unquoted(value: str | None) -> str:
    value = value or ""
    return value[1:-1] if len(value) > 1 and value[0] == value[-1] and value[0] in "'\"" else value
