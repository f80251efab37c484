"""The ramp: which reads the target answers while the source is still the authority."""

from __future__ import annotations

from hashlib import blake2b

from crossfade.core.effects import Request
from crossfade.core.stages import Ramp, Row, Side


def serving_side(row: Row, ramp_percent: int, request: Request, name: str) -> Side:
    """Return the side that answers a read of `name` (a key or a partition): the target if the ramp covers it."""
    if row.authority == "target" or not is_ramped(row, ramp_percent):
        return row.authority
    if row.ramp is Ramp.EVENTUAL and request.get("ConsistentRead"):
        return row.authority
    return "target" if ramp_bucket(name) < ramp_percent else row.authority


def is_ramped(row: Row, ramp_percent: int) -> bool:
    """True if the target answers some reads that the authority would answer without a ramp."""
    return row.ramp is not Ramp.NONE and ramp_percent > 0


def ramp_bucket(name: str) -> int:
    """0..99, the same for one key in every process and at every step of the ramp."""
    return int.from_bytes(blake2b(name.encode(), digest_size=4).digest(), "big") % 100
