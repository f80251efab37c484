"""How a key is told where people read it: in a line of the log, a lease, a record of what was found.

A key may be personal data, and logs go further than tables do. So a key is told by a digest, which is the same for the
same key, and as it is only where the process was asked to (`CROSSFADE_KEYS=plain`). Values are never told.
"""

from __future__ import annotations

import os
from hashlib import blake2b
from typing import Final

from crossfade.core.request.names import WRITES
from crossfade.errors import MappingError, ServiceRejected

VARIABLE: Final = "CROSSFADE_KEYS"
PLAIN: Final = "plain"
DIGEST_BYTES: Final = 6
NO_KEYS: Final = ("a page", "a change", "backfill segment")  # what else is told in the place of a key


def told_key(key: str) -> str:
    """Return a key as it may be written down."""
    if not key or os.environ.get(VARIABLE) == PLAIN:
        return key
    return f"key:{blake2b(key.encode('utf-8', 'surrogatepass'), digest_size=DIGEST_BYTES).hexdigest()}"


def told_loss(key: str, error: object) -> str:
    """Return what a lease says of a mirror that will not be done: of which key, or in the course of what, and why."""
    said = key if key in WRITES or key.startswith(NO_KEYS) else told_key(key)
    return f"{said}: {told_error(error)}"


def told_error(error: object) -> str:
    """Return what may be written down of an error: its kind, since DynamoDB's words may hold a value of the item; of an
    item that cannot be mapped, by which piece, and because of which attribute."""
    if isinstance(error, ServiceRejected):
        return error.code
    if isinstance(error, MappingError) and error.told:
        return f"cannot be mapped ({error.told})"
    return type(error).__name__ if isinstance(error, BaseException) else str(error)
