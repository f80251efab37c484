"""Our own topics: a change as `wire` writes it, and markers, which tell how far the capture has come.

{"marker": "position", "position": "...", "at": 1764432000.0}    all up to this position, as far as it goes into this
                                                                 partition, stands before this message
{"marker": "schema", "table": "shop.orders", "statement": "ALTER TABLE ...", "position": "...", "at": ...}
"""

from __future__ import annotations

from typing import Any, Final

import orjson

from crossfade.cdc.changes import Change, ChangeUnreadable
from crossfade.cdc.inputs.outcome import Kind, NoChange
from crossfade.cdc.wire import decoded

MARKER: Final = b'{"marker":'  # what a marker begins with, and no change


def position_marker(position: str, at: float) -> bytes:
    return orjson.dumps({"marker": "position", "position": position, "at": at})


def schema_marker(table: str, statement: str, position: str, at: float) -> bytes:
    document = {"marker": "schema", "table": table, "statement": statement, "position": position, "at": at}
    return orjson.dumps(document)


def read_own(key: bytes | None, value: bytes | None, *, offset: int = 0) -> list[Change] | NoChange:  # noqa: ARG001
    """The change that a message tells, or the marker: a heart-beat whose text is the position.

    Raises ChangeUnreadable with the reason.
    """
    if value is None:
        return NoChange(Kind.TOMBSTONE)
    if not value.startswith(MARKER):
        return [decoded(value)]
    try:
        document: dict[str, Any] = orjson.loads(value)
        if document["marker"] == "position":
            return NoChange(Kind.HEARTBEAT, text=document["position"], at=document["at"])
        if document["marker"] == "schema":
            return NoChange(Kind.SCHEMA_CHANGE, document["table"], document["statement"], at=document["at"])
    except (orjson.JSONDecodeError, KeyError, TypeError) as error:
        raise ChangeUnreadable(f"no marker that crossfade wrote: {error!r}") from None
    raise ChangeUnreadable(f"a marker of another kind: {document['marker']!r}")
