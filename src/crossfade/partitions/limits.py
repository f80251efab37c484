"""What DynamoDB's partitions can carry: what AWS documents, with the page, and what is assumed where it is silent."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

GUIDE: Final = "https://docs.aws.amazon.com/amazondynamodb/latest/developerguide/"
BLOG: Final = "https://aws.amazon.com/blogs/database/"


@dataclass(frozen=True, slots=True)
class Rule:
    """A rule of the service as the model has it. Without a source it is an assumption, and says of what."""

    what: str
    source: str = ""


READ_UNITS_MAX: Final = 3_000.0
"""Read units a second of one partition.
https://docs.aws.amazon.com/amazondynamodb/latest/developerguide/bp-partition-key-design.html"""

WRITE_UNITS_MAX: Final = 1_000.0
"""Write units a second of one partition.
https://docs.aws.amazon.com/amazondynamodb/latest/developerguide/bp-partition-key-design.html"""

PARTITION_BYTES_MAX: Final = 10 * 1024**3
"""Bytes of one partition; before it is reached the partition is split.
https://aws.amazon.com/blogs/database/part-3-scaling-dynamodb-how-partitions-hot-keys-and-split-for-heat-impact-performance/"""

COLLECTION_BYTES_MAX: Final = 10 * 1024**3
"""Bytes of one item collection, items and index entries, where the table has a local secondary index.
https://docs.aws.amazon.com/amazondynamodb/latest/developerguide/LSI.html#LSI.ItemCollections.SizeLimit"""

BURST_SECONDS: Final = 300.0
"""Seconds of unused provisioned capacity that are kept as credit.
https://docs.aws.amazon.com/amazondynamodb/latest/developerguide/burst-adaptive-capacity.html"""

ON_DEMAND_PARTITIONS: Final = 4
"""Partitions of a new on-demand table: it carries 4,000 write and 12,000 read units a second from the start.
https://docs.aws.amazon.com/amazondynamodb/latest/developerguide/warm-throughput-scenarios.html"""

READ_UNIT_BYTES: Final = 4 * 1024
"""Bytes that one read unit reads, strongly consistent; half a unit where the read is eventually consistent.
https://docs.aws.amazon.com/amazondynamodb/latest/developerguide/read-write-operations.html"""

WRITE_UNIT_BYTES: Final = 1024
"""Bytes that one write unit writes.
https://docs.aws.amazon.com/amazondynamodb/latest/developerguide/read-write-operations.html"""

PAGE_BYTES_MAX: Final = 1024 * 1024
"""Bytes of one page of a Query or a Scan.
https://docs.aws.amazon.com/amazondynamodb/latest/developerguide/Query.Pagination.html"""

HEAT_SECONDS: Final = 60.0
"""Seconds of heat after which a partition is split. Assumed: AWS says "sustained", and no time."""

HEAT_SHARE: Final = 0.9
"""Share of its capacity at which a partition counts as hot. Assumed: AWS says "near its throughput capacity limit"."""

SETTLED_SHARE: Final = 0.5
"""Share of its capacity down to which partitions are divided in a table that has had its traffic for long. Assumed: so
low that keys which share a partition do not count as hot keys."""

DOCUMENTED: Final = (
    Rule(
        f"A partition carries {READ_UNITS_MAX:,.0f} read units and {WRITE_UNITS_MAX:,.0f} write units a second, reads"
        " and writes each for themselves.",
        GUIDE + "bp-partition-key-design.html",
    ),
    Rule(
        "A partition that gets close to 10 GB is split; partitions are never merged again.",
        BLOG + "part-3-scaling-dynamodb-how-partitions-hot-keys-and-split-for-heat-impact-performance/",
    ),
    Rule(
        "With a local secondary index an item collection, with its index entries, is at most 10 GB.",
        GUIDE + "LSI.html#LSI.ItemCollections.SizeLimit",
    ),
    Rule(
        "With a local secondary index an item collection is never divided between partitions.",
        GUIDE + "burst-adaptive-capacity.html#isolate-frequent-access-items",
    ),
    Rule(
        "Up to 300 seconds of unused provisioned capacity are kept and may be used faster than they came.",
        GUIDE + "burst-adaptive-capacity.html",
    ),
    Rule(
        "Burst credit does not lift the limit of a partition.",
        "https://repost.aws/knowledge-center/dynamodb-spiky-workloads-short-intervals",
    ),
    Rule(
        "Adaptive capacity: a hot partition takes what the others leave, up to the table's capacity and its own limit.",
        GUIDE + "burst-adaptive-capacity.html",
    ),
    Rule(
        "A partition with sustained heat is split, down to one that holds a single item; that item keeps the limit.",
        GUIDE + "burst-adaptive-capacity.html#isolate-frequent-access-items",
    ),
    Rule(
        "A new on-demand table carries 4,000 write and 12,000 read units a second.",
        GUIDE + "warm-throughput-scenarios.html",
    ),
    Rule(
        "A read unit is 4 KB strongly consistent, or twice that eventually consistent; a write unit is 1 KB.",
        GUIDE + "read-write-operations.html",
    ),
    Rule("A suffix spreads a partition key: random, or computed from what is asked for.",
         GUIDE + "bp-partition-key-sharding.html"),
)  # fmt: skip

NOT_KNOWN: Final = (
    Rule(
        f"How long a partition must be hot before it is split, and how hot: assumed are {HEAT_SECONDS:.0f} seconds at"
        f" {HEAT_SHARE:.0%} of its limit."
    ),
    Rule(
        "How far a table is divided that has had its traffic for long: assumed is, between partition keys, until none"
        f" of its partitions is used to more than {SETTLED_SHARE:.0%} on average."
    ),
    Rule("How long a split takes: assumed is no time at all."),
    Rule("Where a partition is split: assumed is where half of its heat is on either side."),
    Rule(
        "How a second is measured, and how far a limit may be exceeded for a moment: assumed is a bucket that holds the"
        " units of one second and fills evenly."
    ),
    Rule("When burst credit is taken for the service's own work: assumed is never."),
    Rule("The function that places partition keys: any good hash spreads them alike, and the model has its own."),
    Rule("How a table on demand refuses more than twice its former peak: not modelled, but for its partitions."),
)
