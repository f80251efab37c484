"""Two tables of a migration that hold as many items as wanted and keep none: each is made up when it is asked for.

    python -m benchmarks.null_tables --items 100000

What is asked for under a key is what a Scan gives for it, on both sides, so a backfill finds nothing changed and a
verify finds nothing different. Writes are thrown away. The control table is a real one, in memory. Segments are ranges
of item numbers.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable
from typing import Any, Final

import orjson
from benchmarks import orders
from benchmarks.null_server import Answers, serve_with, server_arguments, whole

from crossfade.control.records import PARTITION_KEY, SORT_KEY
from crossfade.control.store import TABLE_DEFAULT
from crossfade.errors import ServiceRejected
from crossfade.sim.tables import Database

PAGE_ITEMS_MAX: Final = 1000  # of about 1 KB: a page is 1 MB
BODIES_KEPT: Final = 300_000  # of a table, in the server: 300 MB
MARK: Final = 123456789  # stands for the number in a template
BAD_REQUEST: Final = "400 Bad Request"
OPERATIONS: Final = {name.lower().encode(): name for name in Database({}).operation_names}
WRITTEN: Final = whole(b'{"UnprocessedItems":{}}')


class Items:
    """One table's items as JSON: a template with the number and the key filled in."""

    def __init__(self, item: Callable[[int], Any], key: Callable[[int], Any]) -> None:
        self.key = key
        made = orjson.dumps({**item(MARK), "customer": {"S": "%b"}}).replace(b"%", b"%%").replace(b"%%b", b"%b")
        made = made.replace(b'"o%d"' % MARK, b'"o%09d"').replace(b'"%d"' % MARK, b'"%d"')
        self._template = made
        self._key_template = b'{"customer":{"S":"%b"},"order":{"S":"o%09d"}}'
        self._whole: dict[int, bytes] = {}
        self._keys: dict[int, bytes] = {}
        if not made.find(b'"%b"') < made.find(b'"o%09d"') < made.find(b'"%d"'):
            raise ValueError("the attributes of an item are in another order than they are filled in")

    def body(self, number: int, *, keys_only: bool) -> bytes:
        """Kept for a while: the same is asked for again, in a batch and in the next round."""
        kept = self._keys if keys_only else self._whole
        body = kept.get(number)
        if body is None:
            customer: bytes = self.key(number)["customer"]["S"].encode()
            body = self._key_template % (customer, number)
            if not keys_only:
                body = self._template % (customer, number, number)
            if len(kept) >= BODIES_KEPT:
                kept.clear()
            kept[number] = body
        return body

    def bodies(self, numbers: Iterable[int], *, keys_only: bool) -> bytes:
        return b",".join([self.body(number, keys_only=keys_only) for number in numbers])


class Tables:
    def __init__(self, items: int) -> None:
        self._count = items
        self._tables = {
            orders.SOURCE: Items(orders.source_item, orders.source_key),
            orders.TARGET: Items(orders.target_item, orders.target_key),
        }
        keys = tuple(orders.KEY)
        self._others = Database({TABLE_DEFAULT: (PARTITION_KEY, SORT_KEY), orders.SOURCE: keys, orders.TARGET: keys})

    def answer(self, operation: bytes, body: bytes) -> bytes:
        if operation == b"batchwriteitem":
            return WRITTEN
        request = orjson.loads(body)
        if operation == b"scan" and request["TableName"] in self._tables:
            return whole(self._scan(request))
        if operation == b"batchgetitem":
            return whole(self._get(request))
        if operation == b"putitem" and request["TableName"] in self._tables:
            return whole(b"{}")
        return self._other(operation, request)

    def _scan(self, request: Any) -> bytes:
        segment, total = request.get("Segment", 0), request.get("TotalSegments", 1)
        first, end = self._count * segment // total, self._count * (segment + 1) // total
        if "ExclusiveStartKey" in request:
            first = orders.number_of(request["ExclusiveStartKey"]) + 1
        last = min(end, first + min(request.get("Limit", PAGE_ITEMS_MAX), PAGE_ITEMS_MAX))
        table = self._tables[request["TableName"]]
        items = table.bodies(range(first, last), keys_only="ProjectionExpression" in request)
        more = b"" if last == end else b',"LastEvaluatedKey":%b' % orjson.dumps(table.key(last - 1))
        return b'{"Items":[%b],"Count":%d,"ScannedCount":%d%b}' % (items, last - first, last - first, more)

    def _get(self, request: Any) -> bytes:
        ((name, asked),) = request["RequestItems"].items()
        table = self._tables[name]
        numbers = map(orders.number_of, asked["Keys"])
        whole_keys = [
            number
            for number, key in zip(numbers, asked["Keys"], strict=True)
            if orjson.dumps(key) == table.body(number, keys_only=True)
        ]
        items = table.bodies(whole_keys, keys_only="ProjectionExpression" in asked)
        return b'{"Responses":{"%b":[%b]},"UnprocessedKeys":{}}' % (name.encode(), items)

    def _other(self, operation: bytes, request: Any) -> bytes:
        """Of the control table, and DescribeTable."""
        try:
            reply = self._others.perform(OPERATIONS[operation], request, time.monotonic())
        except ServiceRejected as error:
            found = {name: error.response[name] for name in ("CancellationReasons", "Item") if name in error.response}
            return whole(orjson.dumps({"__type": f"null#{error.code}", "message": error.text, **found}), BAD_REQUEST)
        del reply["ResponseMetadata"]
        return whole(orjson.dumps(reply))


def main() -> None:
    parser = server_arguments()
    _ = parser.add_argument("--items", type=int, required=True)
    arguments = parser.parse_args()
    answers: Answers = Tables(arguments.items).answer
    serve_with(arguments, answers)


if __name__ == "__main__":
    main()
