"""What is taken from botocore's client, once.

`attempts_max` counts the first one too. Botocore's defaults: 10 for DynamoDB in its legacy mode, else 3.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Final

from botocore import UNSIGNED  # pyright: ignore[reportUnknownVariableType]

from crossfade.aws.botocore_private import user_agent_of
from crossfade.errors import ConfigurationError

ATTEMPTS: Final = {"legacy": 10, "standard": 3, "adaptive": 3}
SERVICES: Final = frozenset({"dynamodb", "dynamodbstreams"})


@dataclass(frozen=True, slots=True)
class LeanSettings:
    user_agent: str
    signed: bool
    retry_mode: str
    attempts_max: int
    connect_timeout_seconds: float
    read_timeout_seconds: float
    client_certificate: str | tuple[str, str] | None
    keepalive: bool
    connections_max: int
    queue_max: int


def settings_of(client: Any, connections_max: int, queue_max: int, attempts_max: int | None) -> LeanSettings:
    """Raises ConfigurationError for a client of another service, or for a limit below what works."""
    service = client.meta.service_model.service_name
    if service not in SERVICES:
        raise ConfigurationError(f"a client of {service}, not of dynamodb")
    if connections_max < 1 or queue_max < 0:
        raise ConfigurationError(f"connections_max={connections_max}, queue_max={queue_max}: at least 1 and 0")
    config = client.meta.config
    retries: dict[str, Any] = config.retries or {}
    mode = str(retries.get("mode") or "legacy")
    if mode not in ATTEMPTS:
        raise ConfigurationError(f"retry mode {mode!r} is none of {', '.join(ATTEMPTS)}")
    attempts = attempts_max or retries.get("total_max_attempts") or ATTEMPTS[mode]
    return LeanSettings(
        user_agent=user_agent_of(client),
        signed=config.signature_version is not UNSIGNED,
        retry_mode=mode,
        attempts_max=int(attempts),
        connect_timeout_seconds=_seconds(config.connect_timeout),
        read_timeout_seconds=_seconds(config.read_timeout),
        client_certificate=config.client_cert,
        keepalive=bool(config.tcp_keepalive),
        connections_max=connections_max,
        queue_max=queue_max,
    )


def _seconds(given: float | None) -> float:
    """None is for ever to botocore."""
    return float("inf") if given is None else float(given)
