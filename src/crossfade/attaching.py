"""`attach`: route what an application does through the migration, without a change to the application."""

from __future__ import annotations

from typing import Any, get_args

from crossfade.aws.beside import tell_of_clients_beside
from crossfade.aws.clients import attached, landing_seconds_of
from crossfade.aws.router import AttachSettings, Background, Router
from crossfade.aws.sync_router import SyncRouter
from crossfade.control.agent import LEASE_SECONDS, POLL_SECONDS
from crossfade.core.stages import FREEZE_STRATEGY, Side
from crossfade.errors import ConfigurationError
from crossfade.migration import Migration
from crossfade.observe import Observer, Watch


def attach(
    client_or_session: Any,
    migration: Migration,
    *,
    lease_seconds: float = LEASE_SECONDS,
    poll_seconds: float = POLL_SECONDS,
    landing_seconds: float | None = None,
    view: Side = "source",
    own_client: Any = None,
    fast_signing: bool = False,
    compare_percent: float = 100,
    background: Background = "beside",
    observer: Observer | None = None,
) -> Router:
    """Hook a client, and make this process a client of the migration.

    `client_or_session`: a DynamoDB client, resource or Table of boto3; a session of boto3 or botocore (for the clients
    that it makes from now on); a client of aiobotocore; a PynamoDB model or connection.
    `lease_seconds`: how long this process may be silent before the fleet goes on without it.
    `landing_seconds`: how long after it was sent a request may still be carried out; by default one attempt's connect
    and read timeouts, as the client is configured.
    `view`: whose table name and key shape the application speaks: the source's, or already the target's. A key may then
    carry attributes of both.
    `own_client`: another client for crossfade's own requests; by default they are made like those of the attached one.
    `fast_signing`: sign the client's requests by crossfade's signer, which takes a fifth of the time of botocore's; the
    signature is the same.
    `compare_percent`: how many in a hundred of the reads that a stage compares are compared, drawn for each read.
    `background`: where mirrors and comparisons are made and the lease is kept: "beside" the application, on a thread
    or as tasks; or "inline", within its calls, for a process that is frozen between them (AWS Lambda).
    `observer`: one of `crossfade.observe`, a function called with the name and the facts of every event, or a list of
    these; what it raises is counted and goes no further.

    Raises NotStarted, ConfigurationError or DatabaseError, and then nothing was attached; with aiobotocore these come
    from `await router.ready()`, or from the first call.
    """
    _check_arguments(migration, view, background, lease_seconds, poll_seconds)
    if view == "source" and migration.compiled.target_key_extras:
        names = ", ".join(name for name, _ in migration.compiled.target_key_extras)
        raise ConfigurationError(
            f"migration {migration.name}: a key of {migration.source.name} does not tell {names}, by which"
            f" {migration.target.name} has the item",
            next_step="let the application speak of the new table, its keys with the attributes of both, and say"
            ' attach(..., view="target")',
        )
    if not 0 <= compare_percent <= 100:
        raise ConfigurationError(
            f"attach(..., compare_percent={compare_percent:g}): a share is from 0 to 100",
            next_step="100 compares every read of a stage that compares, 0 none",
        )
    found = attached(client_or_session, own_client)
    landing = landing_seconds_of(found.client) if landing_seconds is None else landing_seconds
    settings = AttachSettings(
        migration,
        landing,
        lease_seconds,
        poll_seconds,
        view=view,
        fast_signing=fast_signing,
        compare_percent=compare_percent,
        background=background,
    )
    watch = Watch(observer, migration.name)
    router: Router
    if found.asynchronous:
        from crossfade.aws.aio_router import AioRouter

        router = AioRouter(found, settings, watch)
    else:
        router = SyncRouter(found, settings, watch)
    tell_of_clients_beside(found.client, migration.name, settings.pair().caller.name, watch)
    return router


def _check_arguments(migration: Any, view: str, background: str, lease_seconds: float, poll_seconds: float) -> None:
    """What would go wrong much later, or silently. Applications need not be type-checked."""
    if not isinstance(migration, Migration):
        raise ConfigurationError(
            f"attach(..., {migration!r}): no Migration",
            next_step='crossfade.migration.load("migration.py") makes it of a file; or import it from there',
        )
    if migration.strategy == FREEZE_STRATEGY:
        raise ConfigurationError(
            f"attach(..., {migration.name}): its tables are in two places, and one client reaches one of them",
            next_step="a Switch stands before both: Switch(..., mirror=TableMirror(migration)), see docs/switch.md",
        )
    if view not in get_args(Side):
        raise ConfigurationError(
            f"attach(..., view={view!r}): an application speaks of the source or of the target",
            next_step='leave it out while it uses the old table\'s name and keys; view="target" once it uses the new'
            " one's",
        )
    if background not in get_args(Background):
        raise ConfigurationError(
            f"attach(..., background={background!r}): mirrors are made beside the application or within its calls",
            next_step='leave it out; background="inline" where the process is frozen between two calls',
        )
    if not 0 < poll_seconds <= lease_seconds:
        raise ConfigurationError(
            f"attach(..., lease_seconds={lease_seconds:g}, poll_seconds={poll_seconds:g}): a lease that is not renewed"
            " before it ends allows nothing",
            next_step=f"several polls a lease, such as the usual {LEASE_SECONDS:g} and {POLL_SECONDS:g}",
        )
