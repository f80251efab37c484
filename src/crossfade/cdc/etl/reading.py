"""Which input a topic has: what a message of it tells, as one function whoever wrote it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Protocol

from crossfade.cdc.changes import Change
from crossfade.cdc.inputs import NoChange, read_debezium, read_dms, read_own


class Reading(Protocol):
    """What a message tells. Raises ChangeUnreadable."""

    def __call__(self, key: bytes | None, value: bytes | None, *, offset: int) -> list[Change] | NoChange: ...


def own() -> Reading:
    """Of our own capture."""
    return read_own


def debezium(epoch: int) -> Reading:
    """Of Debezium's connectors; another server or a log that began anew is another epoch."""

    def read(key: bytes | None, value: bytes | None, *, offset: int) -> list[Change] | NoChange:
        return read_debezium(key, value, epoch=epoch, offset=offset)

    return read


def dms(epoch: int, primary_keys: Mapping[str, Sequence[str]]) -> Reading:
    """Of AWS DMS; a new topic is another epoch."""

    def read(key: bytes | None, value: bytes | None, *, offset: int) -> list[Change] | NoChange:
        return read_dms(key, value, epoch=epoch, offset=offset, primary_keys=primary_keys)

    return read
