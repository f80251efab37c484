"""Throughput that is limited, and what comes of a request, a batch or a transaction that would need more.

Buckets of units, for a table, an index, or each partition key. As in the service, a request is taken while there is
anything in the bucket, and may leave a debt; what is not used is kept for some time
(https://docs.aws.amazon.com/amazondynamodb/latest/developerguide/burst-adaptive-capacity.html: five minutes).
"""

from __future__ import annotations

import json
from dataclasses import dataclass, field
from typing import Final

from tests.service.answers import LimitType, Throttled, ThrottlingCode
from tests.service.requests import Kind, Part
from tests.service.rights import arn_of

BURST_SECONDS: Final = 300.0

CODES: Final[dict[LimitType, ThrottlingCode]] = {
    "ProvisionedThroughputExceeded": "ProvisionedThroughputExceededException",
    "AccountLimitExceeded": "RequestLimitExceeded",
    "KeyRangeThroughputExceeded": "ThrottlingException",
    "MaxOnDemandThroughputExceeded": "ThrottlingException",
}


def throttled(part: Part, limit: LimitType, code: ThrottlingCode | None = None, index: str = "") -> Throttled:
    """Return why this part is throttled: by its own table or index, or by an `index` that its write reaches."""
    index = index or part.index
    reason = f"{'Index' if index else 'Table'}{part.kind}{limit}"
    return Throttled(code or CODES[limit], reason, arn_of(part.table, index))


@dataclass
class Bucket:
    """Units that come back with time. `level` may be below nothing."""

    per_second: float
    burst_seconds: float
    at: float
    level: float = field(init=False)

    def __post_init__(self) -> None:
        self.level = self.size

    @property
    def size(self) -> float:
        return self.per_second * max(1.0, self.burst_seconds)

    def fill(self, now: float) -> None:
        self.level = min(self.size, self.level + (now - self.at) * self.per_second)
        self.at = now


@dataclass
class Capacity:
    """What a table or an index takes in a second; where `by_key`, what each of its partition keys does."""

    table: str
    index: str
    kind: Kind
    per_second: float
    burst_seconds: float = BURST_SECONDS
    by_key: bool = False
    limit: LimitType = "ProvisionedThroughputExceeded"
    code: ThrottlingCode | None = None
    _buckets: dict[str, Bucket] = field(default_factory=dict[str, Bucket])

    def is_about(self, part: Part) -> bool:
        """True if the part reads or writes here; a write of a table reaches its indexes."""
        if part.table != self.table or part.kind != self.kind:
            return False
        return part.index == self.index or part.kind == "Write"

    def refuses(self, part: Part, hash_name: str, now: float) -> Throttled | None:
        if not self.is_about(part):
            return None
        bucket = self._bucket(self._name(part, hash_name), now)
        bucket.fill(now)
        return None if bucket.level > 0 else throttled(part, self.limit, self.code, self.index)

    def take(self, part: Part, hash_name: str, units: float, now: float) -> None:
        bucket = self._bucket(self._name(part, hash_name), now)
        bucket.fill(now)
        bucket.level -= units

    def _name(self, part: Part, hash_name: str) -> str:
        return json.dumps(part.item.get(hash_name)) if self.by_key else ""

    def _bucket(self, name: str, now: float) -> Bucket:
        if name not in self._buckets:
            self._buckets[name] = Bucket(self.per_second, self.burst_seconds, now)
        return self._buckets[name]
