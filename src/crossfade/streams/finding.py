"""A table's stream, or how to switch it on."""

from __future__ import annotations

from typing import Any, Final

from crossfade.core.effects import Call, Request, Routine, Sleep
from crossfade.core.stages import FREEZE_STRATEGY, Side
from crossfade.core.sync.retry import patiently, read_again
from crossfade.errors import ConfigurationError

# Where writes are told by what follows them, keys are all that is needed: images are read from the tables themselves.
# Where they are told by their stamps, both images are.
VIEW_TYPES: Final = {"dual-write": "KEYS_ONLY", FREEZE_STRATEGY: "KEYS_ONLY", "copy-on-write": "NEW_AND_OLD_IMAGES"}
LOOK_SECONDS: Final = 0.5
LOOKS_MAX: Final = 240  # two minutes; the service takes some seconds


def stream_arn(side: Side, table: str) -> Routine[str]:
    """The ARN of the table's stream; "" while it has none that is switched on."""
    reply = yield from read_again(Call(side, "DescribeTable", {"TableName": table}))
    return _arn(reply["Table"])


def view_type(side: Side, table: str) -> Routine[str]:
    """What the records of the table's stream hold; "" while it has none that is switched on."""
    reply = yield from read_again(Call(side, "DescribeTable", {"TableName": table}))
    specification: Any = reply["Table"].get("StreamSpecification") or {}
    return str(specification.get("StreamViewType", ""))


def enable_request(table: str, strategy: str) -> Request:
    """UpdateTable, which changes nothing but this."""
    specification = {"StreamEnabled": True, "StreamViewType": VIEW_TYPES[strategy]}
    return {"TableName": table, "StreamSpecification": specification}


def enable(side: Side, table: str, strategy: str = "dual-write") -> Routine[str]:
    """Switch the stream on, and wait until it is there; its ARN. One that is on stays as it is."""
    arn = yield from stream_arn(side, table)
    if arn:
        return arn
    _ = yield from patiently(Call(side, "UpdateTable", enable_request(table, strategy)))
    for _ in range(LOOKS_MAX):
        reply = yield from read_again(Call(side, "DescribeTable", {"TableName": table}))
        arn = _arn(reply["Table"])
        if arn and reply["Table"]["TableStatus"] == "ACTIVE":
            return arn
        yield from Sleep(LOOK_SECONDS)
    raise ConfigurationError(f"the stream of table {table} did not come up", next_step="look at it, then try again")


def _arn(description: Any) -> str:
    specification: Any = description.get("StreamSpecification") or {}
    return str(description.get("LatestStreamArn") or "") if specification.get("StreamEnabled") else ""
