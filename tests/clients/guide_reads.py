"""The reading half of the guide: queries, scans, pages, batches, transactions, and what goes wrong."""

from __future__ import annotations

import importlib
from decimal import Decimal
from typing import Any

from tests.clients.answers import opened, told, unordered
from tests.clients.conftest import Library

conditions: Any = importlib.import_module("boto3.dynamodb.conditions")  # without types
Attr: Any = conditions.Attr
Key: Any = conditions.Key

BOOKS: list[dict[str, Any]] = [
    {
        "author": author,
        "title": title,
        "copies": copies,
        "genres": genres,
        "address": {"shelf": shelf, "row": copies % 3},
        "loans": ["x"] * copies,
        **({"note": title.lower()} if copies % 2 else {}),
    }
    for author, title, copies, genres, shelf in (
        ("austen", "Emma", 3, {"comedy", "novel"}, "A"),
        ("austen", "Lady Susan", 1, {"letters", "novel"}, "A"),
        ("austen", "Mansfield Park", 2, {"novel"}, "B"),
        ("austen", "Northanger Abbey", 5, {"novel", "satire"}, "B"),
        ("austen", "Persuasion", 4, {"novel"}, "C"),
        ("austen", "Pride and Prejudice", 9, {"comedy", "novel"}, "C"),
        ("bronte", "Jane Eyre", 7, {"gothic", "novel"}, "B"),
        ("bronte", "Villette", 6, {"novel"}, "D"),
        ("dickens", "Bleak House", 8, {"novel", "satire"}, "E"),
    )
]


def stocked(library: Library) -> Any:
    """The table with every book in it, no longer lagging."""
    with library.table.batch_writer() as batch:
        for book in BOOKS:
            batch.put_item(Item=book)
    library.settle()
    return library.table


def querying(library: Library) -> list[Any]:
    """Every condition that a sort key can have, forwards and backwards, filtered, projected and counted."""
    table = stocked(library)
    author = Key("author").eq("austen")
    title = Key("title")
    sorts = [
        title.eq("Emma"),
        title.lt("M"),
        title.lte("Mansfield Park"),
        title.gt("M"),
        title.gte("Mansfield Park"),
        title.between("F", "Nz"),
        title.begins_with("P"),
    ]
    seen = [told(table.query, KeyConditionExpression=author)]
    seen += [told(table.query, KeyConditionExpression=author & sort, ScanIndexForward=False) for sort in sorts]
    few = Attr("copies").lt(4) & Attr("genres").contains("novel")
    seen.append(told(table.query, KeyConditionExpression=author, FilterExpression=few, ConsistentRead=True))
    shown = {"ProjectionExpression": "#t, address.shelf", "ExpressionAttributeNames": {"#t": "title"}}
    seen.append(told(table.query, KeyConditionExpression=author, FilterExpression=few, **shown))
    seen.append(told(table.query, KeyConditionExpression=author, FilterExpression=few, Select="COUNT"))
    return [*seen, told(table.query, KeyConditionExpression=Key("author").eq("nobody"))]


def paging_by_hand(library: Library) -> list[Any]:
    """`LastEvaluatedKey` is handed back until there is none, in both directions."""
    table = stocked(library)
    seen: list[Any] = []
    for forward in (True, False):
        request: dict[str, Any] = {
            "KeyConditionExpression": Key("author").eq("austen"),
            "FilterExpression": Attr("copies").ne(2),
            "ScanIndexForward": forward,
            "Limit": 2,
        }
        while True:
            page = table.query(**request)
            seen.append([page["Items"], page["Count"], page["ScannedCount"], page.get("LastEvaluatedKey")])
            if "LastEvaluatedKey" not in page:
                break
            request["ExclusiveStartKey"] = page["LastEvaluatedKey"]
    return seen


def scanning(library: Library) -> list[Any]:
    """Conditions on attributes of every sort, joined and negated."""
    table = stocked(library)
    filters = [
        Attr("copies").gt(3) & Attr("note").exists(),
        Attr("note").not_exists() | Attr("copies").eq(7),
        ~Attr("genres").contains("satire"),
        Attr("address.shelf").eq("B"),
        Attr("address.row").is_in([0, 2]),
        Attr("note").begins_with("p"),
        Attr("copies").between(2, 5),
        Attr("loans").size().gte(6),
        Attr("genres").attribute_type("SS"),
        Attr("loans[3]").exists(),
    ]
    seen: list[Any] = []
    for each in (None, *filters):
        found = table.scan(ConsistentRead=True, **({} if each is None else {"FilterExpression": each}))
        seen.append([found["Count"], found["ScannedCount"], unordered(found["Items"])])
    found = table.scan(ProjectionExpression="author, pages, copies", Select="SPECIFIC_ATTRIBUTES")
    return [*seen, unordered(found["Items"]), table.scan(Select="COUNT")["Count"]]


def scanning_in_segments(library: Library) -> list[Any]:
    """Three workers see every item once between them."""
    table = stocked(library)
    found: list[dict[str, Any]] = []
    for segment in range(3):
        request: dict[str, Any] = {"Segment": segment, "TotalSegments": 3, "Limit": 2}
        while True:
            page = table.scan(**request)
            found += page["Items"]
            if "LastEvaluatedKey" not in page:
                break
            request["ExclusiveStartKey"] = page["LastEvaluatedKey"]
    return [len(found), unordered(found)]


def paginators(library: Library) -> list[Any]:
    """The client's paginators, with page sizes, a JMESPath search, and a token to begin with another day."""
    _ = stocked(library)
    client = library.client
    query: dict[str, Any] = {"TableName": library.books, "KeyConditionExpression": Key("author").eq("austen")}
    pages = client.get_paginator("query").paginate(**query, PaginationConfig={"PageSize": 2})
    seen: list[Any] = [[item["title"] for item in page["Items"]] for page in pages]
    some = client.get_paginator("query").paginate(**query, PaginationConfig={"PageSize": 2, "MaxItems": 3})
    first = some.build_full_result()
    rest = {"PageSize": 2, "StartingToken": first["NextToken"]}
    again = client.get_paginator("query").paginate(**query, PaginationConfig=rest).build_full_result()
    seen += [first["Items"], opened(first["NextToken"]), again["Items"]]
    scan = client.get_paginator("scan").paginate(TableName=library.books, PaginationConfig={"PageSize": 2})
    return [*seen, sorted(scan.search("Items[?copies > `4`].title"))]


def getting_a_batch(library: Library) -> list[Any]:
    """Many keys of two tables at once; what is not there is left out, and keys that come back are asked for again."""
    _ = stocked(library)
    library.resource.Table(library.readers).put_item(Item={"reader": "jane", "copies": 1})
    keys = [{"author": book["author"], "title": book["title"]} for book in BOOKS]
    wanted: dict[str, Any] = {
        library.books: {"Keys": [*keys, {"author": "austen", "title": "Sanditon"}], "ConsistentRead": True},
        library.readers: {"Keys": [{"reader": "jane"}]},
    }
    found: dict[str, list[Any]] = {library.books: [], library.readers: []}
    while wanted:
        reply = library.resource.batch_get_item(RequestItems=wanted)
        for table, items in reply["Responses"].items():
            found[table] += items
        wanted = reply["UnprocessedKeys"]
    names = {"#c": "copies"}
    few = {library.books: {"Keys": keys[:3], "ProjectionExpression": "#c", "ExpressionAttributeNames": names}}
    copies = library.resource.batch_get_item(RequestItems=few)["Responses"][library.books]
    twice = told(library.resource.batch_get_item, RequestItems={library.books: {"Keys": [keys[0], keys[0]]}})
    return [unordered(found[library.books]), found[library.readers], sorted(map(str, copies)), twice]


def transactions(library: Library) -> list[Any]:
    """All or nothing over two tables, with the reasons for nothing, and a token that makes it happen once."""
    client, books, readers = library.client, library.books, library.readers
    emma, susan = ({"author": "austen", "title": title} for title in ("Emma", "Lady Susan"))
    stock = {
        "TransactItems": [
            {"Put": {"TableName": books, "Item": {**emma, "copies": 2}}},
            {"Put": {"TableName": books, "Item": {**susan, "copies": 0}}},
            {"Put": {"TableName": readers, "Item": {"reader": "jane", "lent": 0}}},
        ]
    }
    seen = [told(client.transact_write_items, **stock)]
    one = {":one": 1}
    take = {"TableName": books, "UpdateExpression": "SET copies = copies - :one", "ExpressionAttributeValues": one}
    take |= {"ConditionExpression": "copies >= :one", "ReturnValuesOnConditionCheckFailure": "ALL_OLD"}
    lend = {
        "TableName": readers,
        "Key": {"reader": "jane"},
        "UpdateExpression": "ADD lent :one",
        "ExpressionAttributeValues": one,
    }
    there = {"TableName": books, "Key": susan, "ConditionExpression": "attribute_exists(copies)"}
    lending = [{"Update": {**take, "Key": emma}}, {"Update": lend}, {"ConditionCheck": there}]
    once = {"TransactItems": lending, "ClientRequestToken": f"once-{books}"[:36]}
    seen += [told(client.transact_write_items, **once) for _ in range(2)]
    seen.append(told(client.transact_write_items, TransactItems=[{"Update": {**take, "Key": susan}}, {"Update": lend}]))
    try:
        client.transact_write_items(TransactItems=[{"Update": {**take, "Key": susan}}])
    except library.exceptions.TransactionCanceledException as error:
        seen.append(error.response["CancellationReasons"])
    gets = [{"Get": {"TableName": books, "Key": key}} for key in (emma, susan)]
    gets.append({"Get": {"TableName": readers, "Key": {"reader": "jane"}, "ProjectionExpression": "lent"}})
    seen.append(told(client.transact_get_items, TransactItems=gets))
    gone: dict[str, Any] = {"TableName": books, "Key": emma, "ConditionExpression": "copies = :one"}
    gone["ExpressionAttributeValues"] = one
    seen.append(told(client.transact_write_items, TransactItems=[{"Delete": gone}]))
    twice = [{"Delete": {"TableName": books, "Key": susan}}] * 2
    return [
        *seen,
        told(client.transact_write_items, TransactItems=twice),
        told(client.transact_get_items, TransactItems=gets),
    ]


def what_goes_wrong(library: Library) -> list[Any]:
    """Faulty requests raise what they raise on one plain table, in the same words."""
    table = library.table
    emma = {"author": "austen", "title": "Emma"}
    calls: list[tuple[Any, dict[str, Any]]] = [
        (table.get_item, {"Key": {"author": "austen"}}),
        (table.get_item, {"Key": {**emma, "title": 1}}),
        (table.get_item, {"Key": {**emma, "title": ""}}),
        (table.get_item, {"Key": {**emma, "more": 1}}),
        (table.put_item, {"Item": {"author": "austen"}}),
        (table.put_item, {"Item": {**emma, "author": ""}}),
        (table.put_item, {"Item": {**emma, "large": "x" * 410_000}}),
        (table.put_item, {"Item": emma, "ConditionExpression": "copies = :undefined"}),
        (table.put_item, {"Item": emma, "ConditionExpression": "size = 1"}),
        (table.delete_item, {"Key": {"title": "Emma"}}),
        (table.update_item, {"Key": emma, "UpdateExpression": "SET copies ="}),
        (table.update_item, {"Key": emma, "UpdateExpression": "SET a = :a", "ExpressionAttributeNames": {"#b": "b"}}),
        (table.query, {"KeyConditionExpression": Key("title").eq("Emma")}),
        (table.query, {"KeyConditionExpression": Key("author").gt("a")}),
        (table.query, {"KeyConditionExpression": Key("author").eq("austen"), "Limit": 0}),
        (table.scan, {"Select": "COUNT", "ProjectionExpression": "author"}),
        (table.scan, {"FilterExpression": "copies ="}),
        (table.put_item, {"Item": emma, "NoSuchParameter": 1}),
        (library.client.get_item, {"TableName": "no-such-table", "Key": {"a": 1}}),
    ]
    seen = [told(call, **parameters) for call, parameters in calls]
    try:
        table.put_item(Item={**emma, "price": 1.5})
    except TypeError as error:
        seen.append(str(error))
    try:
        table.put_item(Item={**emma, "price": Decimal("1E+200")})
    except Exception as error:  # noqa: BLE001  the client's own arithmetic, or DynamoDB's
        seen.append(type(error).__name__)
    return [*seen, table.scan(ConsistentRead=True)["Items"]]


def the_legacy_form_of_reading(library: Library) -> list[Any]:
    """KeyConditions, QueryFilter, ScanFilter and AttributesToGet."""
    table = stocked(library)
    keys = {
        "author": {"ComparisonOperator": "EQ", "AttributeValueList": ["austen"]},
        "title": {"ComparisonOperator": "BETWEEN", "AttributeValueList": ["F", "Q"]},
    }
    novels = {
        "genres": {"ComparisonOperator": "NOT_CONTAINS", "AttributeValueList": ["satire"]},
        "note": {"ComparisonOperator": "NULL"},
    }
    seen = [told(table.query, KeyConditions=keys, AttributesToGet=["title", "copies"])]
    for operator in ("AND", "OR"):
        seen.append(told(table.query, KeyConditions=keys, QueryFilter=novels, ConditionalOperator=operator))
        found = table.scan(ScanFilter=novels, ConditionalOperator=operator, AttributesToGet=["author", "title"])
        seen.append(unordered(found["Items"]))
    seen.append(told(table.query, KeyConditions=keys, QueryFilter={"title": keys["title"]}))
    return [*seen, told(table.query, KeyConditions={"title": keys["title"]})]


READS = (
    querying,
    paging_by_hand,
    scanning,
    scanning_in_segments,
    paginators,
    getting_a_batch,
    transactions,
    what_goes_wrong,
    the_legacy_form_of_reading,
)
