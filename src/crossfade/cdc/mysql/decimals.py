"""DECIMAL as the log and binary JSON have it.

Nine digits in four bytes each way from the point, the rest in as few bytes as it needs, big-endian. The first bit is
set for what is not negative, and all bits of a negative number are turned.
"""

from __future__ import annotations

from collections.abc import Callable
from decimal import Decimal
from typing import Final

DIGITS_IN_FOUR_BYTES: Final = 9
BYTES_OF_DIGITS: Final = (0, 1, 1, 2, 2, 3, 3, 4, 4, 4)


def decimal_reader(precision: int, scale: int) -> Callable[[bytes, int], tuple[Decimal, int]]:
    """The function that reads a DECIMAL(precision, scale) at a place, and tells the place behind it."""
    groups = _groups(precision - scale, scale)
    size = sum(width for width, _ in groups)
    first, ones = 1 << 8 * size - 1, (1 << 8 * size) - 1
    below = 8 * size
    parts: list[tuple[int, int, int]] = []
    for width, digits in groups:
        below -= 8 * width
        parts.append((below, (1 << 8 * width) - 1, 10**digits))

    def read(data: bytes, at: int) -> tuple[Decimal, int]:
        end = at + size
        bits = int.from_bytes(data[at:end])
        sign = ""
        if not bits & first:
            sign, bits = "-", bits ^ ones
        bits ^= first
        number = 0
        for shift, mask, power in parts:
            number = number * power + (bits >> shift & mask)
        return Decimal(f"{sign}{number}E-{scale}"), end

    return read


def _groups(whole: int, scale: int) -> list[tuple[int, int]]:
    """Bytes and digits of each group, from the left."""
    before, after = whole % DIGITS_IN_FOUR_BYTES, scale % DIGITS_IN_FOUR_BYTES
    full = whole // DIGITS_IN_FOUR_BYTES + scale // DIGITS_IN_FOUR_BYTES
    groups = [(BYTES_OF_DIGITS[before], before), *[(4, DIGITS_IN_FOUR_BYTES)] * full, (BYTES_OF_DIGITS[after], after)]
    return [group for group in groups if group[0]]
