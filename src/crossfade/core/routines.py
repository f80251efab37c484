"""Which routine carries an operation out, where it does not pass untouched: the door to all of them."""

from __future__ import annotations

from typing import cast

from crossfade.core.effects import Reply, Request, Routine
from crossfade.core.evaluate.plain_table import WriteName
from crossfade.core.multi.batch import batch_get, batch_write
from crossfade.core.multi.transact_get import transact_get
from crossfade.core.multi.transact_write import transact_write
from crossfade.core.pages.query import query
from crossfade.core.pages.scan import scan
from crossfade.core.read.get import get_item, get_merged
from crossfade.core.read.passthrough import DESCRIBING, describe
from crossfade.core.stages import Row
from crossfade.core.tables.pair import Pair
from crossfade.core.write.single import write


def routine_of(pair: Pair, row: Row, ramp_percent: int, operation: str, request: Request) -> Routine[Reply]:
    if operation in DESCRIBING:
        return describe(pair, row, request)
    match operation:
        case "GetItem":
            return get_merged(pair, request) if row.merges else get_item(pair, row, ramp_percent, request)
        case "Query":
            return query(pair, row, ramp_percent, request)
        case "Scan":
            return scan(pair, row, request)
        case "BatchGetItem":
            return batch_get(pair, row, ramp_percent, request)
        case "TransactGetItems":
            return transact_get(pair, row, request)
        case "BatchWriteItem":
            return batch_write(pair, row, request)
        case "TransactWriteItems":
            return transact_write(pair, row, request)
        case _:
            return write(pair, row, cast("WriteName", operation), request)
