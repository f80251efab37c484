"""`crossfade advise`: is a key hot, and what would mend it?

trace      accesses to a table, as every source gives them, and at which pace they are played
logs       a trace from a file of `time,operation,key,bytes`
heats      a trace from counts by key: Contributor Insights, a sketch of the router, a sample of the table
workloads  generated traces: zipf, one hot tenant, time series
designs    what may become of a key: a suffix, computed or random, another attribute, or nothing
trial      a design tried on the model of DynamoDB's partitions
querying   what a Query costs then
advising   the smallest design that carries the traffic
reasons    why, in words
picture    the trade-off, drawn

Nothing here asks a service or reads a clock; chance is seeded.
"""

from __future__ import annotations

from crossfade.advice.advising import Advice, Wanted, advise
from crossfade.advice.trace import Access, Trace

__all__ = ["Access", "Advice", "Trace", "Wanted", "advise"]
