"""A short digest of what a mapping does, by which clients notice that they do not run the same one.

Of functions counts what they do, with all that they use (`digests`), or the version that the migration file gives
them.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping

from crossfade.core.mapping.piece import Kind, Piece
from crossfade.digests.digest import Digest
from crossfade.errors import MappingInvalid

FINGERPRINT_VERSION = 2  # goes into the digest: raised when a piece changes what it does


def fingerprint(pieces: Iterable[Piece], source_key: Mapping[str, Kind], target_key: Mapping[str, Kind]) -> str:
    """Return 16 hexadecimal digits. Raises MappingInvalid for a function of which nobody can tell what it does."""
    digest = Digest(strict=True)
    digest.add("crossfade mapping", FINGERPRINT_VERSION, tuple(source_key.items()), tuple(target_key.items()))
    for piece in pieces:
        digest.add(type(piece).__name__)
        try:
            digest.value(piece.content)
        except MappingInvalid as error:
            raise MappingInvalid(f"{piece.describe()}: {error.message}", next_step=error.next_step) from None
    return digest.result()
