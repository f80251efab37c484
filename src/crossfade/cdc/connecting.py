"""Where the servers are and who asks, from the environment: never from a migration file or a command line.

CROSSFADE_MYSQL_URL          mysql://user@host:3306/schema?ca=FILE
CROSSFADE_MYSQL_PASSWORD     or
CROSSFADE_MYSQL_OPTION_FILE  a file like ~/.my.cnf, with user and password under [client]
CROSSFADE_KAFKA_BOOTSTRAP    host:9092,host:9092
CROSSFADE_KAFKA_CONFIG       a file of librdkafka's own settings, `name=value` a line: what logs in, and TLS
"""

from __future__ import annotations

import os
from collections.abc import Mapping
from importlib import import_module
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

from crossfade.errors import ConfigurationError

if TYPE_CHECKING:
    from crossfade.cdc.mysql.source import Source

MYSQL_URL_VARIABLE: Final = "CROSSFADE_MYSQL_URL"
BOOTSTRAP_VARIABLE: Final = "CROSSFADE_KAFKA_BOOTSTRAP"
CONFIG_VARIABLE: Final = "CROSSFADE_KAFKA_CONFIG"
LOG_LEVEL: Final = 3  # errors: that a broker is away for the moment is told where it matters
BOOTSTRAP: Final = "bootstrap.servers"


class KafkaSettings(dict[str, Any]):
    """Settings of librdkafka. What is shown of them is where the brokers are, and nothing else."""

    def __repr__(self) -> str:
        return f"KafkaSettings({self.get(BOOTSTRAP, '')!r}, and {max(0, len(self) - 1)} more)"

    __str__ = __repr__


def source_of(url: str, environment: Mapping[str, str] = os.environ) -> Source:
    """The source that a URL names. Raises ConfigurationError."""
    try:
        module: Any = import_module("crossfade.cdc.mysql.source")
    except ModuleNotFoundError as error:
        if not (error.name or "").startswith("pymysql"):
            raise
        raise ConfigurationError("PyMySQL is not installed", next_step="pip install 'crossfade[mysql]'") from None
    found: Source = module.Source.of_url(url, environment)
    return found


def source_of_environment(environment: Mapping[str, str] = os.environ) -> Source:
    """Raises ConfigurationError."""
    url = environment.get(MYSQL_URL_VARIABLE)
    if not url:
        raise ConfigurationError(
            f"{MYSQL_URL_VARIABLE} is not set, so nobody knows where the source is",
            next_step=f"export {MYSQL_URL_VARIABLE}=mysql://user@host:3306/schema",
        )
    return source_of(url, environment)


def kafka_of_environment(environment: Mapping[str, str] = os.environ) -> KafkaSettings:
    """Raises ConfigurationError."""
    settings = KafkaSettings({"log_level": LOG_LEVEL})
    file = environment.get(CONFIG_VARIABLE)
    if file:
        settings.update(_properties(Path(file)))
    if environment.get(BOOTSTRAP_VARIABLE):
        settings[BOOTSTRAP] = environment[BOOTSTRAP_VARIABLE]
    if BOOTSTRAP not in settings:
        raise ConfigurationError(
            f"{BOOTSTRAP_VARIABLE} is not set, so nobody knows where Kafka is",
            next_step=f"export {BOOTSTRAP_VARIABLE}=host:9092",
        )
    return settings


def _properties(file: Path) -> dict[str, str]:
    """No line of it is shown, since any of them may be a secret."""
    found: dict[str, str] = {}
    try:
        lines = file.read_text(encoding="utf-8").splitlines()
    except (OSError, UnicodeDecodeError) as error:
        why = error.strerror if isinstance(error, OSError) else "it is no text"
        raise ConfigurationError(f"{CONFIG_VARIABLE}: {file} cannot be read: {why}") from None
    for number, line in enumerate(lines, 1):
        name, equals, value = line.strip().partition("=")
        if not name or name.startswith("#"):
            continue
        if not equals:
            raise ConfigurationError(
                f"{CONFIG_VARIABLE}: {file}, line {number} is not of the form name=value",
                next_step="write librdkafka's own settings, such as security.protocol=SASL_SSL",
            )
        found[name.strip()] = value.strip()
    return found
