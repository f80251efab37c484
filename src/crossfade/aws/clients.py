"""What may be attached, and the client beneath it.

boto3 client, botocore client          itself
aiobotocore client                     itself, on asyncio
boto3 resource, Table                  .meta.client
PynamoDB model, connection             the botocore client beneath
boto3 or botocore session              every client that it makes from now on; our own calls go through one more

"""

from __future__ import annotations

import sys
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Final, cast
from urllib.parse import urlsplit

import botocore.session

from crossfade.aws.botocore_private import pynamodb_connection
from crossfade.errors import ConfigurationError

SERVICE: Final = "dynamodb"


@dataclass(frozen=True, slots=True)
class Attached:
    """The emitter that gets the hooks, and the client for our own calls."""

    events: Any
    client: Any
    asynchronous: bool
    is_session: bool


def attached(client_or_session: Any, own_client: Any = None) -> Attached:
    """Raises ConfigurationError for what is not built on botocore, or is a client of another service."""
    if is_session(client_or_session):
        return of_session(client_or_session, own_client)
    client = client_of(client_or_session)
    if client.meta.service_model.service_name != SERVICE:
        raise ConfigurationError(
            f"a client of {client.meta.service_model.service_name} cannot be attached, only of dynamodb"
        )
    own = client if own_client is None else client_of(own_client)
    if is_asynchronous(own) != is_asynchronous(client):
        raise ConfigurationError("own_client= must be a client of the same kind (blocking, or of aiobotocore)")
    return Attached(client.meta.events, own, is_asynchronous(client), is_session=False)


def of_session(session: Any, own_client: Any) -> Attached:
    asynchronous = any(kind.__module__.startswith("aiobotocore.") for kind in type(session).__mro__)
    if own_client is not None:
        return Attached(emitter_of(session), client_of(own_client), asynchronous, is_session=True)
    if asynchronous:
        raise ConfigurationError(
            "a session of aiobotocore needs a client for crossfade's own calls",
            next_step="async with session.create_client('dynamodb') as own: attach(session, migration, own_client=own)",
        )
    make: Callable[[str], Any] = getattr(session, "client", None) or session.create_client
    return Attached(emitter_of(session), make(SERVICE), asynchronous, is_session=True)


def is_session(thing: Any) -> bool:
    if isinstance(thing, botocore.session.Session):
        return True
    boto3_session: Any = sys.modules.get("boto3.session")
    return boto3_session is not None and isinstance(thing, boto3_session.Session)


def emitter_of(session: Any) -> Any:
    if isinstance(session, botocore.session.Session):
        return cast("Any", session).get_component("event_emitter")
    return session.events


def client_of(thing: Any) -> Any:
    """The botocore client beneath a client, a resource, a Table, or what PynamoDB has."""
    if hasattr(thing, "_get_connection"):
        thing = pynamodb_connection(thing)
    if type(thing).__module__.startswith("pynamodb."):
        connection = getattr(thing, "connection", thing)
        thing = connection.client
    meta = getattr(thing, "meta", None)
    client = getattr(meta, "client", thing)
    if not hasattr(getattr(client, "meta", None), "events"):
        raise ConfigurationError(
            f"{type(thing).__module__}.{type(thing).__qualname__} cannot be attached",
            next_step="give a DynamoDB client, resource or Table of boto3, a session, an aiobotocore client or a"
            " PynamoDB model",
        )
    return client


def is_asynchronous(client: Any) -> bool:
    return any(kind.__module__.startswith("aiobotocore.") for kind in type(client).__mro__)


def landing_seconds_of(client: Any) -> float:
    """How long one attempt can take: until it is connected, and then until an answer that does not come."""
    config = client.meta.config
    return float(config.connect_timeout) + float(config.read_timeout)


def same_place(client: Any, url: str) -> bool:
    """Whether a request to `url` goes where this client's go. AWS has several host names for one endpoint."""
    ours, theirs = urlsplit(str(client.meta.endpoint_url)), urlsplit(url)
    return ours.netloc == theirs.netloc or (is_of_aws(ours.hostname) and is_of_aws(theirs.hostname))


def endpoint_and_region(client: Any) -> str:
    """The endpoint and the Region, for messages."""
    return f"{client.meta.endpoint_url} ({client.meta.region_name})"


def is_of_aws(host: str | None) -> bool:
    return host is not None and host.endswith((".amazonaws.com", ".amazonaws.com.cn", ".api.aws", ".on.aws"))
