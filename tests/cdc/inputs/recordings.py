"""Messages that Debezium 3.5 wrote to Kafka 4.4 from MariaDB 11.4, byte by byte.

Six connectors read the same statements, each with other settings; a topic begins with the connector's name:

    on        the defaults, with schemas
    off       the defaults, without
    text      decimal.handling.mode=string, bigint.unsigned.handling.mode=precise, binary.handling.mode=hex,
              time.precision.mode=isostring
    connect   decimal.handling.mode=double, time.precision.mode=connect, binary.handling.mode=base64
    nano      time.precision.mode=nanoseconds
    numeric   decimal.format=NUMERIC, time.precision.mode=microseconds, bigint.unsigned.handling.mode=precise

In `shop.types` the rows 1 to 4 were there before the snapshot and 11 to 14, with the same values, were inserted after
it: a typical one, one of extremes, one of NULLs and one of zero dates. The schemas are kept once, for the file's size.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any, Final

from crossfade.cdc.changes import Change
from crossfade.cdc.inputs import NoChange, read_debezium

FILE: Final = Path(__file__).parent / "recorded" / "mariadb.jsonl"
EPOCH: Final = 3


@dataclass(frozen=True, slots=True)
class Message:
    topic: str
    offset: int
    key: bytes | None
    value: bytes | None

    def read(self) -> list[Change] | NoChange:
        return read_debezium(self.key, self.value, epoch=EPOCH, offset=self.offset)

    def change(self) -> Change:
        """The one change that it tells."""
        found = self.read()
        assert isinstance(found, list), found
        (change,) = found
        return change

    def payload(self) -> Any:
        """What it says, for a test that says it otherwise."""
        assert self.value is not None
        told = json.loads(self.value)
        return told.get("payload", told)


@cache
def recorded() -> tuple[Message, ...]:
    """All of them, in the order of each topic."""
    schemas: dict[int, str] = {}
    messages: list[Message] = []
    for line in FILE.read_text(encoding="utf-8").splitlines():
        kept = json.loads(line)
        if "text" in kept:
            schemas[kept["schema"]] = kept["text"]
        else:
            key, value = (_whole(kept[part], schemas) for part in ("key", "value"))
            messages.append(Message(kept["topic"], kept["offset"], key, value))
    return tuple(messages)


def of_topic(topic: str) -> list[Message]:
    found = [message for message in recorded() if message.topic == topic]
    assert found, topic
    return found


@cache
def types_row(connector: str, number: int) -> Mapping[str, Any]:
    """A row of `shop.types` as it was read."""
    for message in of_topic(f"{connector}.shop.types"):
        change = message.change()
        if change.key == (number,):
            assert change.row is not None
            return change.row
    raise AssertionError(f"no row {number} by {connector}")


def _whole(kept: Any, schemas: Mapping[int, str]) -> bytes | None:
    if kept is None:
        return None
    if "schema" not in kept:
        return str(kept["payload"]).encode()
    return f'{{"schema":{schemas[kept["schema"]]},"payload":{kept["payload"]}}}'.encode()
