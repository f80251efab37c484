"""Attaching with one rule of the protocol switched off, for the proofs that a rule is needed: they must then fail.

This is the only way to such a client. `crossfade.attach` has no argument for it: what an application could switch off
would protect nobody.
"""

from __future__ import annotations

from typing import Any

from crossfade.attaching import attach
from crossfade.aws.clients import attached, landing_seconds_of
from crossfade.aws.router import AttachSettings, Router
from crossfade.aws.sync_router import SyncRouter
from crossfade.core.rules import Rules
from crossfade.migration import Migration
from crossfade.observe import Watch


def attach_without(
    dropped: str | None, client_or_session: Any, migration: Migration, *, lease_seconds: float, poll_seconds: float
) -> Router:
    """Attach as an application does, without the rule of that name (`check-read`); None leaves them all in force."""
    if not dropped:
        return attach(client_or_session, migration, lease_seconds=lease_seconds, poll_seconds=poll_seconds)
    found = attached(client_or_session)
    landing = landing_seconds_of(found.client)
    settings = AttachSettings(migration, landing, lease_seconds, poll_seconds, Rules.without(dropped))
    return SyncRouter(found, settings, Watch(None, migration.name))
