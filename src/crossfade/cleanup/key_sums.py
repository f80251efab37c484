"""Whether two sets of keys are the same, in little memory: counts and sums of hashes, in buckets.

Two different sets have the same sums with a chance of 1 in 2^128. Where they differ, the bucket says in which part of
the keys to look.
"""

from __future__ import annotations

import json
from hashlib import blake2b
from typing import Final, Self

from crossfade.core.items import Item
from crossfade.core.tables.pair import key_name

BUCKETS: Final = 64
MODULUS: Final = 2**128


def hash_of(key: Item) -> int:
    return int.from_bytes(blake2b(key_name(key).encode("utf-8", "surrogatepass"), digest_size=16).digest(), "big")


def bucket_of(hashed: int) -> int:
    return hashed % BUCKETS


class KeySums:
    def __init__(self) -> None:
        self.counts = [0] * BUCKETS
        self.sums = [0] * BUCKETS

    def add(self, key: Item) -> None:
        hashed = hash_of(key)
        bucket = bucket_of(hashed)
        self.counts[bucket] += 1
        self.sums[bucket] = (self.sums[bucket] + hashed) % MODULUS

    def add_all(self, other: KeySums) -> None:
        for bucket in range(BUCKETS):
            self.counts[bucket] += other.counts[bucket]
            self.sums[bucket] = (self.sums[bucket] + other.sums[bucket]) % MODULUS

    def differing(self, other: KeySums) -> list[int]:
        """The buckets that differ."""
        pairs = zip(self.counts, self.sums, other.counts, other.sums, strict=True)
        return [n for n, (count, total, count2, total2) in enumerate(pairs) if (count, total) != (count2, total2)]

    def text(self) -> str:
        return json.dumps([self.counts, [f"{total:x}" for total in self.sums]])

    @classmethod
    def parsed(cls, text: str) -> Self:
        sums = cls()
        sums.counts, hexadecimal = json.loads(text)
        sums.sums = [int(total, 16) for total in hexadecimal]
        return sums
