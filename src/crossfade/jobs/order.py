"""In which order segments are taken, so that workers are never near one another.

A parallel scan cuts the key space (the hash of the partition key) into equal pieces, in order. Workers that take 0, 1,
2, ... are all in the first few pieces, which are one partition of the source; and where the partition key stays as it
is, one of the target as well, with its 1,000 write units a second for all of them. Taken in bit-reversed order (0, 4,
2, 6, 1, 5, 3, 7), any run of consecutive segments is spread over the whole space, whatever the number of partitions.
"""

from __future__ import annotations


def spread_order(total: int) -> list[int]:
    """0 to total - 1, such that neighbours in the list are far apart in number."""
    bits = max(1, (total - 1).bit_length())
    reversed_numbers = (int(f"{n:0{bits}b}"[::-1], 2) for n in range(2**bits))
    return [n for n in reversed_numbers if n < total]
