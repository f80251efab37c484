"""Both tables, document by document, side by side: read in order, so that memory does not grow with them.

What the migration file says is said here once more, by hand: the new table's partition is the old one with a suffix,
the status has moved out of `detail`, and the amount is a number.
"""

from __future__ import annotations

import hashlib
import heapq
from collections.abc import Iterator
from dataclasses import dataclass
from typing import TypeAlias

from crossfade.demo.findings import Finding, Wrong, finding
from crossfade.demo.goods import KINDS, SOURCE, TARGET, Key, Raw, canonical, customers, numbers_max
from crossfade.demo.wire import Wire

SUFFIXES = 8
STAMP = "_crossfade"
Found: TypeAlias = tuple[str, int, Raw]  # a document's name, where it was found (0: in the old table), and it


@dataclass(frozen=True, slots=True)
class Pair:
    """One document in both tables, in the old table's form; `wrong` is what cannot be read at all."""

    key: Key
    source: Raw | None
    target: Raw | None
    wrong: tuple[Finding, ...] = ()


@dataclass(frozen=True, slots=True, order=True)
class Part:
    """A piece of both tables that can be compared on its own."""

    customer: str
    prefix: str


def parts(items: int) -> list[Part]:
    """All of it: the large customers by kind, the tail by customer."""
    large = ("acme", "globex")
    found = [Part(customer, f"{kind}-") for customer in large for kind in KINDS]
    return found + [Part(customer, "") for customer in customers(numbers_max(items)) if customer not in large]


def side_by_side(wire: Wire, part: Part) -> Iterator[Pair]:
    """Every document of the part that either table has, in order."""
    partitions = [(SOURCE, part.customer), *((TARGET, f"{part.customer}#{n}") for n in range(SUFFIXES))]
    streams = [_partition(wire, n, table, name, part.prefix) for n, (table, name) in enumerate(partitions)]
    held: list[Found] = []
    for entry in heapq.merge(*streams, key=lambda entry: entry[:2]):
        if held and held[0][0] != entry[0]:
            yield _pair(part.customer, held)
            held = []
        held.append(entry)
    if held:
        yield _pair(part.customer, held)


def count(wire: Wire, table: str) -> int:
    """How many items the table has, by its own count; the embedded engine's is exact."""
    return int(wire.ask("DescribeTable", {"TableName": table})["Table"]["ItemCount"])


def _partition(wire: Wire, place: int, table: str, partition: str, prefix: str) -> Iterator[Found]:
    request: Raw = {
        "TableName": table,
        "ConsistentRead": True,
        "KeyConditionExpression": "customer = :c",
        "ExpressionAttributeValues": {":c": {"S": partition}},
    }
    if prefix:
        request["KeyConditionExpression"] += " AND begins_with(document, :d)"
        request["ExpressionAttributeValues"][":d"] = {"S": prefix}
    for page in wire.pages("Query", request):
        yield from ((item["document"]["S"], place, item) for item in page["Items"])


def _pair(customer: str, held: list[Found]) -> Pair:
    key = Key(customer, held[0][0])
    source = next((canonical(item) for _, place, item in held if place == 0), None)
    found = [item for _, place, item in held if place > 0]
    wrong: list[Finding] = []
    if len(found) > 1:
        wrong.append(finding(Wrong.MISPLACED, key, f"it is there {len(found)} times", found))
    target = None
    for item in found:
        suffix = suffix_of(key.document)
        if item["customer"]["S"] != f"{customer}#{suffix}":
            wrong.append(finding(Wrong.MISPLACED, key, f"under {item['customer']['S']}, not #{suffix}"))
            continue
        try:
            target = old_form(item)
        except (KeyError, TypeError) as error:
            wrong.append(finding(Wrong.MISPLACED, key, f"not in the new form ({error!r})", [item]))
    return Pair(key, source, target, tuple(wrong))


def suffix_of(document: str) -> int:
    """What docs/mapping.md says of the suffix: from SHA-256 of the other part of the key, with its type and length."""
    text = document.encode()
    digest = hashlib.sha256(b"S" + len(text).to_bytes(4, "big") + text).digest()
    return int.from_bytes(digest[:4], "big") % SUFFIXES


def old_form(item: Raw) -> Raw:
    """An item of the new table as the old one would hold it. Raises KeyError where a part of the form is missing."""
    rest = {name: value for name, value in item.items() if name not in (STAMP, "status")}
    rest["customer"] = {"S": item["customer"]["S"].rpartition("#")[0]}
    rest["amount"] = {"S": canonical({"n": {"N": item["amount"]["N"]}})["n"]["N"]}
    rest["detail"] = {"M": item["detail"]["M"] | {"status": item["status"]}}
    if "status" in item["detail"]["M"]:
        raise KeyError("detail.status has not moved")
    return canonical(rest)


def differences(pair: Pair) -> Iterator[Finding]:
    """What is wrong between the two, if anything."""
    yield from pair.wrong
    if pair.source != pair.target and not pair.wrong:
        what = "missing in the new table" if pair.target is None else "only in the new table"
        if pair.source and pair.target:
            names = sorted(pair.source.keys() | pair.target.keys())
            different = [name for name in names if pair.source.get(name) != pair.target.get(name)]
            lines = [f"{n}: old {pair.source.get(n)}, new {pair.target.get(n)}" for n in different]
            yield finding(Wrong.DIFFERENT, pair.key, f"in {', '.join(different)}", lines)
        else:
            yield finding(Wrong.DIFFERENT, pair.key, what, [pair.source or pair.target])
