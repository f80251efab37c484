"""What a client asks of the record of its lease: put, renewed, given back."""

from __future__ import annotations

from collections.abc import Container

from crossfade.control.calls import DONE, Failed, ask, change, change_surely
from crossfade.control.marks import with_mark
from crossfade.control.record_items import client_record
from crossfade.control.records import Lease, UncleanMark
from crossfade.control.store import Control
from crossfade.core.effects import Request, Routine
from crossfade.errors import ConfigurationError


def put_lease(control: Control, lease: Lease, tokens: Container[str]) -> Routine[bool]:
    """Whether it is there and ours, which `tokens` tell. False: a process restored from the same snapshot has it by
    now. Raises ConfigurationError where it is that of somebody else."""
    if (yield from change_surely("PutItem", control.put_new(lease))) == DONE:
        return True
    found = yield from control.lease(lease.client)
    if found is None or (found.host, found.pid) != (lease.host, lease.pid):
        raise ConfigurationError(
            f"another client already runs as {lease.client}", next_step="give every process an id of its own"
        )
    return found.token in tokens


def renew_lease(control: Control, update: Request, mark: UncleanMark | None) -> Routine[bool]:
    """Whether it is still ours. `mark`: what may have been left undone is counted with it."""
    failed: Failed
    if mark is not None:
        failed = yield from with_mark(control, {"Update": update}, mark, change)
    else:
        failed = yield from change("UpdateItem", update)
    if failed != DONE and 0 not in failed:  # no migration (any more), so nothing to report to; the lease stands
        failed = yield from change("UpdateItem", update)
    return failed == DONE


def give_back(control: Control, client: str, mark: UncleanMark | None) -> Routine[None]:
    """Delete the lease. An unclean end is counted in one transaction with it, until that is done: counting twice costs
    a verify, not counting costs data."""
    deletion = control.delete(client_record(client))
    if mark is not None and (yield from with_mark(control, {"Delete": deletion}, mark, change_surely)) == DONE:
        return  # else the migration is gone: nothing is left to be unclean
    _ = yield from ask("DeleteItem", deletion)
