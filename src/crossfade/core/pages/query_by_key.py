"""Query of the table where the target's key is an attribute of its own, and both tables have a part in the answer."""

from __future__ import annotations

from crossfade.core.effects import Reply, Request, Routine
from crossfade.core.pages.merged_index import query_index
from crossfade.core.pages.merged_query import query_merged
from crossfade.core.pages.page import understood
from crossfade.core.pages.query import modern_query, query
from crossfade.core.pages.streams import key_names, partitions
from crossfade.core.stages import Row
from crossfade.core.tables.pair import Pair
from crossfade.errors import MappingError, NotPossibleInStage, ServiceRejected


def query_by_key(pair: Pair, row: Row, ramp_percent: int, request: Request) -> Routine[Reply]:
    """One page: by an index of the other table, unless one partition leads to the other."""
    if not leads(pair, request):
        return query_index(pair, row, request)
    return query_merged(pair, request) if row.merges else query(pair, row, ramp_percent, request)


def leads(pair: Pair, request: Request) -> bool:
    """Whether the items of the partition that is asked for are in partitions of the other table that can be told, and
    in the same order."""
    if pair.view == "target" or pair.mapping.sort == "other":
        return False
    try:
        asked = understood("Query", modern_query(pair, request), key_names(pair))
        _ = partitions(pair, asked, "target")
    except (ServiceRejected, MappingError):
        return True  # which is told there
    except NotPossibleInStage:
        return False
    return True
