"""`attach`: route what an application does through the migration, without a change to the application."""

from __future__ import annotations

from typing import Any

from crossfade.aws.aio_router import AioRouter
from crossfade.aws.clients import attached, landing_seconds_of
from crossfade.aws.router import Router, Settings
from crossfade.aws.sync_router import SyncRouter
from crossfade.control.agent import LEASE_SECONDS, POLL_SECONDS
from crossfade.core.rules import Rules
from crossfade.core.stages import Side
from crossfade.errors import ConfigurationError
from crossfade.migration import Migration
from crossfade.observe import Observer, Watch


def attach(
    thing: Any,
    migration: Migration,
    *,
    lease_seconds: float = LEASE_SECONDS,
    poll_seconds: float = POLL_SECONDS,
    landing_seconds: float | None = None,
    view: Side = "source",
    background: Any = None,
    observer: Observer | None = None,
    rules: Rules = Rules(),  # noqa: B008 - frozen
) -> Router:
    """Hook a client, and make this process a client of the migration.

    `thing`: a DynamoDB client, resource or Table of boto3; a session of boto3 or botocore (for the clients that it
    makes from now on); a client of aiobotocore; a PynamoDB model or connection.
    `lease_seconds`: how long this process may be silent before the fleet goes on without it.
    `landing_seconds`: how long after it was sent a request may still be carried out; by default one attempt's connect
    and read timeouts, as the client is configured.
    `view`: whose table name and key shape the application speaks: the source's, or already the target's. A key may then
    carry attributes of both.
    `background`: another client for crossfade's own calls; by default `thing`'s own.
    `observer`: called with the name and the facts of every event; what it raises is counted and goes no further.

    Raises NotStarted, ConfigurationError or DatabaseError, and then nothing was attached; with aiobotocore these come
    from `await router.ready()`, or from the first call.
    """
    if view == "source" and migration.compiled.held:
        names = ", ".join(name for name, _ in migration.compiled.held)
        raise ConfigurationError(
            f"migration {migration.name}: a key of {migration.source.name} does not tell {names}, by which"
            f" {migration.target.name} has the item",
            next_step="let the application speak of the new table, its keys with the attributes of both, and say"
            ' attach(..., view="target")',
        )
    found = attached(thing, background)
    landing = landing_seconds_of(found.client) if landing_seconds is None else landing_seconds
    settings = Settings(migration, landing, lease_seconds, poll_seconds, rules, view)
    watch = Watch(observer)
    if found.asynchronous:
        return AioRouter(found, settings, watch)
    return SyncRouter(found, settings, watch)
