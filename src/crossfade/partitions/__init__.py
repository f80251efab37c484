"""A model of how DynamoDB divides a table into partitions, and of the capacity that each of them has.

limits     what AWS documents, each figure with its source; what nobody documents, each with what is assumed instead
units      the read and write units of a request
bucket     capacity that comes back by the second, with or without credit for what was left unused
partition  one partition: its range of keys, its capacity, what is hot and what is large in it
table      all partitions of a table: which one has a key, and when one is split
front      a DynamoDB with such a table behind it, as clients see it: the requests, and who is throttled
heat       a bounded sketch of which keys are hot, for whoever records traffic; sketches can be merged

Time is an argument everywhere and chance plays no part, so that what was played can be played again.
"""

from __future__ import annotations

from crossfade.partitions.front import Front
from crossfade.partitions.heat import KeyHeat
from crossfade.partitions.table import Place, Provisioned, Throttle, Topology

__all__ = ["Front", "KeyHeat", "Place", "Provisioned", "Throttle", "Topology"]
