"""The read and write units of requests, by the bytes that they touch."""

from __future__ import annotations

from math import ceil

from crossfade.partitions.limits import READ_UNIT_BYTES, WRITE_UNIT_BYTES


def read_units(size_bytes: float, *, consistent: bool = False) -> float:
    """Return what reading an item, or all items of one page together, consumes. What is not there costs the least."""
    whole = max(1, ceil(size_bytes / READ_UNIT_BYTES))
    return float(whole) if consistent else whole / 2


def write_units(size_bytes: float) -> float:
    """Return what writing an item consumes: by the larger of what was there and what will be."""
    return float(max(1, ceil(size_bytes / WRITE_UNIT_BYTES)))
