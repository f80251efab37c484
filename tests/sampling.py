"""Products of dimensions of which every run tries a part: another part in each place, the same in each run.

`EVERY=1 make test` tries all of them.
"""

from __future__ import annotations

import os
from collections.abc import Iterable
from itertools import islice
from typing import Final, TypeVar

T = TypeVar("T")

ALL: Final = os.environ.get("EVERY", "") == "1"


def one_in(count: int, of: Iterable[T], number: int = 0) -> list[T]:
    """Every `count`-th of them; `number` says where to begin, so that different numbers try different ones.

    A `count` that has no divisor in common with the sizes of the dimensions meets every pair of their values.
    """
    return list(of) if ALL else list(islice(of, number % count, None, count))
