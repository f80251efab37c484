"""The pieces that a migration file says its mapping with. docs/mapping.md explains each."""

from __future__ import annotations

from crossfade.core.mapping.composite import join, split
from crossfade.core.mapping.convert import Converter, convert
from crossfade.core.mapping.converters import (
    base64_to_binary,
    epoch_to_iso,
    flag_to_number,
    iso_to_epoch,
    number_to_text,
    prepend,
    set_to_list,
    text_to_number,
)
from crossfade.core.mapping.custom import custom
from crossfade.core.mapping.nested import move
from crossfade.core.mapping.piece import Piece
from crossfade.core.mapping.plain import drop, identity, rename, set_default
from crossfade.core.mapping.rekeying import derive_key, use_as_key
from crossfade.core.mapping.suffix import suffix

__all__ = [
    "Converter",
    "Piece",
    "base64_to_binary",
    "convert",
    "custom",
    "derive_key",
    "drop",
    "epoch_to_iso",
    "flag_to_number",
    "identity",
    "iso_to_epoch",
    "join",
    "move",
    "number_to_text",
    "prepend",
    "rename",
    "set_default",
    "set_to_list",
    "split",
    "suffix",
    "text_to_number",
    "use_as_key",
]
