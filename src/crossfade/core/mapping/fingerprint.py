"""A short digest of what a mapping does, by which clients notice that they do not run the same one.

Functions count by their name and source text, not by their module or line: the same migration file is imported under
different names by the command line and by the application. A function whose source is not at hand counts by name.
"""

from __future__ import annotations

import hashlib
import inspect
import textwrap
from collections.abc import Iterable, Mapping
from typing import cast

from crossfade.core.mapping.piece import Kind, Piece

FINGERPRINT_VERSION = 1  # goes into the digest: raised when a piece changes what it does
DIGITS = 16


def fingerprint(pieces: Iterable[Piece], source_key: Mapping[str, Kind], target_key: Mapping[str, Kind]) -> str:
    written = [
        f"crossfade mapping {FINGERPRINT_VERSION}",
        _write(tuple(source_key.items())),
        _write(tuple(target_key.items())),
    ]
    written += [f"{type(piece).__name__}{_write(piece.content)}" for piece in pieces]
    return hashlib.sha256("\n".join(written).encode()).hexdigest()[:DIGITS]


def _write(value: object) -> str:
    """A text that is the same in every process for the same value."""
    if isinstance(value, tuple):
        return f"({','.join(_write(entry) for entry in cast('tuple[object, ...]', value))})"
    if isinstance(value, list):
        return f"[{','.join(_write(entry) for entry in cast('list[object]', value))}]"
    if isinstance(value, (set, frozenset)):
        return f"<{','.join(sorted(_write(entry) for entry in cast('set[object]', value)))}>"
    if isinstance(value, dict):
        entries = cast("dict[str, object]", value)
        return f"{{{','.join(f'{name!r}:{_write(entries[name])}' for name in sorted(entries))}}}"
    if callable(value):
        return _write_function(value)
    return repr(value)


def _write_function(function: object) -> str:
    name = str(getattr(function, "__qualname__", type(function).__name__))
    try:
        source = textwrap.dedent(inspect.getsource(function)).strip()  # type: ignore[arg-type]  # pyright: ignore[reportArgumentType]
    except (OSError, TypeError):  # built in, made at run time, or shipped without source
        source = ""
    return f"{name}\n{source}"
