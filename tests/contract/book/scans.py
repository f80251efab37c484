"""Scan of the table and of its indexes, and Query of indexes."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import Any, Final

from crossfade import Index
from crossfade.core.items import Item
from tests.contract.book.common import BROKEN_CONDITIONS, CONDITIONS, five_rich, two_partitions
from tests.contract.book.puts import SOME_CONDITIONS
from tests.contract.shapes import Shape, number, text
from tests.contract.steps import Group, Kept, Op, Steps, as_given, pages

scan = Group("Scan", given=two_partitions, alone=True, only_reads=True)
scan_writes = Group("Scan between writes", given=two_partitions, alone=True)


def scanned(table: Shape, asked: dict[str, Any]) -> Steps:
    _ = yield from pages(table("Scan", **asked))


scan.asking(
    "all",
    {
        "in one page": {},
        "consistent": {"ConsistentRead": True},
        "in pages of one": {"Limit": 1},
        "in pages of three": {"Limit": 3},
        "in pages of three, consistent": {"Limit": 3, "ConsistentRead": True},
        "in a page as long": {"Limit": 7},
        "projected": {"ProjectionExpression": "n, m.b, {phase}, {amount}"},
        "projected to the key": {"ProjectionExpression": "{p}, {s}"},
        "projected in pages": {"ProjectionExpression": "{note}", "Limit": 2},
        "counted": {"Select": "COUNT"},
        "counted in pages": {"Select": "COUNT", "Limit": 3},
        "all attributes": {"Select": "ALL_ATTRIBUTES"},
        "filtered in pages": {"Limit": 2, "FilterExpression": "n > :two"},
        "filtered to nothing": {"Limit": 2, "FilterExpression": "attribute_exists(absent)"},
        "filtered by the key": {"FilterExpression": "{p} = :p1 AND {s} > :s1"},
        "filtered and projected": {"FilterExpression": "{phase} = :open", "ProjectionExpression": "{weight}"},
    },
    scanned,
)
scan.each(
    "filter",
    {name: CONDITIONS[name] for name in (*SOME_CONDITIONS, "in", "contains in a list", "size of the whole nested map")},
    lambda table, text: [table("Scan", FilterExpression=text, ConsistentRead=True)],
)
scan.each(
    "broken filter",
    {name: BROKEN_CONDITIONS[name] for name in ("no text", "a syntax error", "a reserved word", "a bare path")},
    lambda table, text: [table("Scan", FilterExpression=text)],
)


def in_segments(table: Shape, asked: dict[str, Any]) -> Steps:
    total: int = asked["TotalSegments"]
    for segment in range(total):
        _ = yield from pages(table("Scan", Segment=segment, **asked))


scan.asking(
    "in parallel",
    {
        "two segments": {"TotalSegments": 2},
        "four segments": {"TotalSegments": 4},
        "more segments than items": {"TotalSegments": 11},
        "two segments in pages of one": {"TotalSegments": 2, "Limit": 1},
        "two segments, consistent": {"TotalSegments": 2, "ConsistentRead": True},
        "three segments, counted": {"TotalSegments": 3, "Select": "COUNT"},
    },
    in_segments,
)
scan.asking(
    "broken",
    {
        "a segment without a total": {"Segment": 0},
        "a total without a segment": {"TotalSegments": 2},
        "a segment beyond the total": {"Segment": 2, "TotalSegments": 2},
        "no segments": {"Segment": 0, "TotalSegments": 0},
        "a negative segment": {"Segment": -1, "TotalSegments": 2},
        "too many segments": {"Segment": 0, "TotalSegments": 1_000_001},
        "no limit": {"Limit": 0},
        "an unknown selection": {"Select": "EVERYTHING"},
        "selected attributes without a projection": {"Select": "SPECIFIC_ATTRIBUTES"},
        "a count with a projection": {"Select": "COUNT", "ProjectionExpression": "n"},
        "an index that is not there": {"IndexName": "by_nothing"},
        "a token without its sort key": {"ExclusiveStartKey": {"no": text("x")}},
        "an empty token": {"ExclusiveStartKey": {}},
    },
    lambda table, more: [table("Scan", **more)],
)


@scan_writes.case
def an_empty_table(table: Shape) -> Steps:
    for n, p in [(n, 0) for n in range(1, 5)] + [(n, 1) for n in range(1, 4)]:
        yield table("DeleteItem", Key=table.key(n, p))
    _ = yield from pages(table("Scan", ConsistentRead=True))
    _ = yield from pages(table("Scan", Limit=1))


@scan_writes.case
def what_was_just_written(table: Shape) -> Iterable[Op]:
    return [
        table("PutItem", Item=table.rich(5)),
        table("UpdateItem", Key=table.key(1), UpdateExpression="SET {amount} = :amount, t = :x"),
        table("DeleteItem", Key=table.key(2)),
        table("Scan", ConsistentRead=True),
        table("Scan"),
    ]


@scan_writes.case
def the_other_table(table: Shape) -> Iterable[Op]:
    return [
        Op("PutItem", {"TableName": table.other, "Item": {"id": text("a"), "n": number(1)}}),
        Op("Scan", {"TableName": table.other, "ConsistentRead": True}),
    ]


scan_many = Group(
    "Scan, many items",
    given=lambda table: [table.item(n, n % 12) for n in range(40)],
    alone=True,
    only_reads=True,
)
scan_many.asking("in pages", {"of nine": {"Limit": 9}}, scanned)
scan_many.asking("in segments", {"three, pages of nine": {"Limit": 9, "TotalSegments": 3}}, in_segments)

# --- indexes

index = Group("Query an index", given=five_rich, only_reads=True)
index_writes = Group("Query an index between writes", given=five_rich)
GROUP: Final = "grp = :g1"  # items 1, 3 and 5, with scores 99, 97 and 95


def by_group(table: Shape, asked: dict[str, Any]) -> Steps:
    first = {"KeyConditionExpression": GROUP, "IndexName": table.form.group_index, **asked}
    _ = yield from pages(table("Query", **first))


index.asking(
    "global",
    {
        "a group": {},
        "an empty group": {"KeyConditionExpression": "grp = :x"},
        "backwards": {"ScanIndexForward": False},
        "in pages of one": {"Limit": 1},
        "in pages of one, backwards": {"Limit": 1, "ScanIndexForward": False},
        "with a sort condition": {"KeyConditionExpression": "grp = :g1 AND score > :low"},
        "with a range": {"KeyConditionExpression": "grp = :g1 AND score BETWEEN :low AND :high", "Limit": 1},
        "filtered": {"FilterExpression": "{amount} = :amount_1"},
        "filtered in pages": {"FilterExpression": "n > :one", "Limit": 2},
        "filtered by the table's key": {"FilterExpression": "{s} = :s3"},
        "projected": {"ProjectionExpression": "{phase}, {weight}, n"},
        "projected to keys": {"ProjectionExpression": "{p}, {s}, score"},
        "counted": {"Select": "COUNT"},
        "all attributes": {"Select": "ALL_ATTRIBUTES"},
        "projected attributes": {"Select": "ALL_PROJECTED_ATTRIBUTES"},
        "strongly consistent": {"ConsistentRead": True},
        "by the table's key": {"KeyConditionExpression": "{p} = :p0"},
        "by another attribute": {"KeyConditionExpression": "n = :one"},
        "filtered by the index's key": {"FilterExpression": "grp = :g1"},
        "no condition": {"KeyConditionExpression": None},
    },
    lambda table, asked: by_group(table, {name: value for name, value in asked.items() if value is not None}),
)


def by_note(table: Shape, asked: dict[str, Any]) -> Steps:
    first = {"KeyConditionExpression": "{note} = :noted", "IndexName": table.form.note_index, **asked}
    _ = yield from pages(table("Query", **first))


index.asking(
    "global, keys only",
    {
        "one item": {},
        "projected": {"ProjectionExpression": "{s}"},
        "projected to what it has not": {"ProjectionExpression": "n"},
        "all attributes": {"Select": "ALL_ATTRIBUTES"},
        "counted": {"Select": "COUNT", "Limit": 1},
        "filtered by what it has not": {"FilterExpression": "n = :one"},
    },
    by_note,
)


def by_score(table: Shape, asked: dict[str, Any]) -> Steps:
    first = {"KeyConditionExpression": "{p} = :p0", "IndexName": table.form.score_index, **asked}
    _ = yield from pages(table("Query", **first))


index.asking(
    "local",
    {
        "a partition": {},
        "backwards": {"ScanIndexForward": False},
        "strongly consistent": {"ConsistentRead": True},
        "in pages of one": {"Limit": 1},
        "in pages of two, backwards": {"Limit": 2, "ScanIndexForward": False},
        "in pages of one, consistent": {"Limit": 1, "ConsistentRead": True},
        "a range": {"KeyConditionExpression": "{p} = :p0 AND score BETWEEN :low AND :high"},
        "filtered": {"FilterExpression": "{weight} > :weight"},
        "filtered by the table's sort key": {"FilterExpression": "{s} > :s2"},
        "projected": {"ProjectionExpression": "{note}, score"},
        "counted": {"Select": "COUNT"},
        "by the table's sort key": {"KeyConditionExpression": "{p} = :p0 AND {s} > :s2"},
    },
    by_score,
)


@index_writes.case
def items_that_are_in_no_index(table: Shape) -> Steps:
    """Indexes are sparse."""
    yield table("PutItem", Item=table.item(6, n=number(6)))
    yield table("UpdateItem", Key=table.key(1), UpdateExpression="REMOVE score, {note}")
    yield table("UpdateItem", Key=table.key(3), UpdateExpression="SET grp = :g0")
    yield from by_group(table, {})
    yield from by_group(table, {"KeyConditionExpression": "grp = :g0"})
    yield from by_note(table, {})
    yield from by_score(table, {})


@index.case
def tokens_that_are_made_up(table: Shape) -> Iterable[Op]:
    token = table.key(3) | {"grp": table.group(1), "score": number(97)}
    asked: dict[str, Any] = {"IndexName": table.form.group_index, "KeyConditionExpression": GROUP}
    return [
        table("Query", **asked, ExclusiveStartKey=start)
        for start in (token, token | {"score": number(96)}, table.key(3), {"grp": token["grp"]}, token | table.key(9))
    ]


# What a token of an index is changed into.
BROKEN_TOKENS: Final[dict[str, Callable[[Shape], Item]]] = {
    "an index key of another type": lambda _: {"score": text("high")},
    "an index key that is no number": lambda _: {"score": number("high")},
    "a sort key of another type": lambda table: {table.form.sort: {"BOOL": True}},
    "an attribute too many": lambda _: {"n": number(3)},
}


@index.case
def broken_tokens_of_a_local_index(table: Shape) -> Iterable[Op]:
    return tokens_changed(table, {"IndexName": table.form.score_index, "KeyConditionExpression": "{p} = :p0"})


@index.case
def broken_tokens_of_a_global_index(table: Shape) -> Iterable[Op]:
    return tokens_changed(table, {"IndexName": table.form.group_index, "KeyConditionExpression": GROUP})


def tokens_changed(table: Shape, asked: dict[str, Any]) -> Iterable[Op]:
    token = table.key(3) | {"score": number(97)}
    if asked["IndexName"] == table.form.group_index:
        token["grp"] = table.group(1)
    named = {"IndexName": asked["IndexName"]}
    for change in BROKEN_TOKENS.values():
        yield table("Query", **asked, ExclusiveStartKey=token | change(table))
        yield table("Scan", **named, ExclusiveStartKey=token | change(table))


@index_writes.case
def equal_scores(table: Shape) -> Steps:
    for n in (1, 3, 5):
        yield table("UpdateItem", Key=table.key(n), UpdateExpression="SET score = :ten")
    yield from by_score(table, {"Limit": 2, "ConsistentRead": table.form.strongly})
    yield from by_score(table, {"ScanIndexForward": False, "ConsistentRead": table.form.strongly})


index_scan = Group("Scan an index", given=two_partitions, alone=True, only_reads=True)


def of_index(table: Shape, asked: dict[str, Any]) -> Steps:
    """`index` is which one; the form says how it is called."""
    rest = {name: value for name, value in asked.items() if name != "index"} | {
        "IndexName": getattr(table.form, asked["index"])
    }
    yield from in_segments(table, rest) if "TotalSegments" in rest else scanned(table, rest)


index_scan.asking(
    "all",
    {
        "global": {"index": "group_index"},
        "global in pages": {"index": "group_index", "Limit": 2},
        "global, filtered": {"index": "group_index", "FilterExpression": "{amount} = :amount_1"},
        "global, projected": {"index": "group_index", "ProjectionExpression": "{phase}, n"},
        "global, counted": {"index": "group_index", "Select": "COUNT"},
        "global, consistent": {"index": "group_index", "ConsistentRead": True},
        "keys only": {"index": "note_index"},
        "keys only in pages of one": {"index": "note_index", "Limit": 1},
        "local": {"index": "score_index"},
        "local in pages": {"index": "score_index", "Limit": 2},
        "local, consistent": {"index": "score_index", "ConsistentRead": True},
        "in two segments": {"index": "group_index", "TotalSegments": 2},
    },
    of_index,
)


# --- items with one sort value, in pages of every length

SHARING: Final = 7
among_equals = Group(
    "Pages among equals",
    given=lambda table: [
        table.rich(n) | {"grp": table.group(1), "score": number(96 + n % 2), table.form.note: table.noted(1)}
        for n in range(1, SHARING + 1)
    ],
    alone=True,
    only_reads=True,
)


def keys_alone(table: Shape, index: str) -> Kept:
    """Of a token: what libraries keep that know the table's keys."""
    key = table.form.indexes()[index]
    names = {*table.form.key(), *(key.kinds if isinstance(key, Index) else key)}
    return lambda token: {name: value for name, value in token.items() if name in names}


def every_limit(table: Shape, asked: dict[str, Any]) -> Steps:
    """`index`: which one; `of`: the operation; `keys`: tokens are cut to their key attributes. First all at once."""
    index = getattr(table.form, asked["index"])
    more = {name: value for name, value in asked.items() if name not in ("index", "of", "keys")} | {"IndexName": index}
    kept = keys_alone(table, index) if asked.get("keys") else as_given
    for limit in (None, *range(1, SHARING + 2)):
        _ = yield from pages(table(asked["of"], **more, Limit=limit), kept)


OF_INDEXES: Final[dict[str, dict[str, Any]]] = {
    "a global index": {"index": "group_index", "of": "Query", "KeyConditionExpression": GROUP},
    "a local index": {"index": "score_index", "of": "Query", "KeyConditionExpression": "{p} = :p0"},
    "one place of a local index": {
        "index": "score_index",
        "of": "Query",
        "KeyConditionExpression": "{p} = :p0 AND score = :low",
    },
    "a local index, consistent": {
        "index": "score_index",
        "of": "Query",
        "KeyConditionExpression": "{p} = :p0",
        "ConsistentRead": True,
    },
    "a scanned global index": {"index": "group_index", "of": "Scan"},
    "a scanned local index": {"index": "score_index", "of": "Scan"},
}
among_equals.asking(
    "of every length",
    {
        f"{what}{way}{cut}": {**asked, **more, **keys}
        for what, asked in OF_INDEXES.items()
        for way, more in (("", {}), (", backwards", {"ScanIndexForward": False}))
        for cut, keys in (("", {}), (", keys alone", {"keys": True}))
        if asked["of"] == "Query" or not more
    },
    every_limit,
)
