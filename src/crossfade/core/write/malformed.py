"""A request without the shape of its operation: the service says what is wrong, and nothing is written.

Where the caller's own request goes out as it is anyway, so does this one. Elsewhere the caller's own table is shown it
in a form that it never carries out: a single write under a condition that nothing fulfils, a batch or a transaction
with one item in it twice.
"""

from __future__ import annotations

from contextlib import suppress
from typing import Final

from crossfade.core.effects import Call, Forward, Reply, Request, Routine
from crossfade.core.items import Item
from crossfade.core.request.keys import checked_key
from crossfade.core.request.names import READS, entries_of
from crossfade.core.request.service_errors import is_about_ours, never_done
from crossfade.core.stages import Row
from crossfade.core.sync.sync import mirrored
from crossfade.core.tables.pair import Pair
from crossfade.errors import CrossfadeError, ServiceRejected

FORM: Final = ("SerializationException", "ValidationException")


def refuse_malformed(
    pair: Pair, row: Row, operation: str, request: Request, fault: ServiceRejected, *, sent: bool = False
) -> Routine[Reply]:
    """`fault`: in our own words, for where the service has none. `sent`: a form of the request is on its way already,
    to the other table, which alone is written."""
    if operation in READS:
        _ = yield from Forward()
        raise fault
    if row.takes_alone(pair.view):  # one of two tables is never written alone
        return (yield from mirrored(pair, row, keys_told(pair, operation, request), iter(Forward())))
    if sent:
        with suppress(ServiceRejected):
            return (yield from Forward())
    try:
        _ = yield from Call(pair.view, operation, never_done(pair, operation, request))
    except ServiceRejected as said:
        if said.code in FORM and not is_about_ours(said):
            raise
    except CrossfadeError:  # the caller is answered all the same
        pass
    raise fault


def keys_told(pair: Pair, operation: str, request: Request) -> list[Item]:
    """Return the keys of a malformed write that a service might still carry out; without a key none would."""
    keys: list[Item] = []
    for entry in entries_of(pair, operation, request):
        try:
            keys.append(checked_key(pair, entry))
        except (CrossfadeError, LookupError, TypeError, ValueError, AttributeError):
            continue
    return keys
