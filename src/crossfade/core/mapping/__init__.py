"""Turning an item of the source into an item of the target, and back.

stamp         the attribute that crossfade adds to target items
paths         where in an item a value is
values        attribute values in migration files and messages
piece         what a piece is; how the key is followed through it
plain         identity, rename, set_default, drop
nested        move
convert       convert, and the check that a value comes back; converters are the ready-made ones
python_values what the functions of convert(..., python=True) take and give
composite     split, join
suffix        write sharding, and the hash that it rests on
rekeying      use_as_key, derive_key
custom        functions over whole items
compiling     binds the pieces to their places and finds what cannot work
compiled      the result, which routing uses
rehearsal     one item there and back, piece by piece, for `check`
fingerprint what tells two mappings apart
versions      of functions: by what the migration file says they are
"""

from __future__ import annotations

from crossfade.core.mapping.compiled import CompiledMapping
from crossfade.core.mapping.compiling import compile_mapping
from crossfade.core.mapping.piece import Kind, Piece
from crossfade.core.mapping.stamp import STAMP

__all__ = ["STAMP", "CompiledMapping", "Kind", "Piece", "compile_mapping"]
