"""The writing half of the guide: tables, items, updates, conditions, batches, and requests in the legacy form."""

from __future__ import annotations

import importlib
from concurrent.futures import ThreadPoolExecutor
from decimal import Decimal
from typing import Any

from tests.clients.answers import comparable, told, unordered
from tests.clients.conftest import Library
from tests.migrations import table_names

conditions: Any = importlib.import_module("boto3.dynamodb.conditions")  # without types
types: Any = importlib.import_module("boto3.dynamodb.types")
Attr: Any = conditions.Attr

EMMA: dict[str, Any] = {"author": "austen", "title": "Emma"}


def creating_a_table(library: Library) -> list[Any]:
    """A table of its own is made, waited for, used and dropped by the hooked resource."""
    name = f"loans-{library.books}"
    table = library.resource.create_table(
        TableName=name,
        KeySchema=[{"AttributeName": "loan", "KeyType": "HASH"}],
        AttributeDefinitions=[{"AttributeName": "loan", "AttributeType": "N"}],
        ProvisionedThroughput={"ReadCapacityUnits": 5, "WriteCapacityUnits": 5},
    )
    table.wait_until_exists()
    table.put_item(Item={"loan": 1, "days": 14})
    seen = [table.item_count, table.key_schema, table.get_item(Key={"loan": 1})["Item"]]
    seen.append(told(library.resource.create_table, TableName=name, KeySchema=[], AttributeDefinitions=[])["class"])
    table.delete()
    table.wait_until_not_exists()
    return [*seen, told(table.get_item, Key={"loan": 1})]


def using_an_existing_table(library: Library) -> list[Any]:
    """The waiter finds the table, and its description is that of the table that the application knows."""
    library.client.get_waiter("table_exists").wait(TableName=library.books)
    table = library.table
    table.load()
    assert table.table_name == library.books
    assert library.books in table_names(library.client)
    return [table.table_status, table.key_schema, table.attribute_definitions, table.creation_date_time is not None]


def creating_and_getting_an_item(library: Library) -> list[Any]:
    """Every type of value comes back as it was put, with and without a projection."""
    item: dict[str, Any] = {
        **EMMA,
        "copies": 3,
        "price": Decimal("12.50"),
        "digits": 12345678901234567890123456789012345678,
        "lent": False,
        "note": None,
        "empty": "",
        "cover": types.Binary(b"\x00\xff"),
        "genres": {"novel", "comedy"},
        "numbers": {1, 2, Decimal("2.5")},
        "address": {"shelf": "A", "rows": [1, {"deep": ["x"]}]},
    }
    table = library.table
    seen = [told(table.put_item, Item=item), told(table.get_item, Key=EMMA, ConsistentRead=True)]
    library.settle()
    seen.append(told(table.get_item, Key=EMMA))
    shown = {
        "ProjectionExpression": "#c, address.#r[1], absent",
        "ExpressionAttributeNames": {"#c": "copies", "#r": "rows"},
    }
    seen.append(told(table.get_item, Key=EMMA, ConsistentRead=True, **shown))
    seen.append(told(table.get_item, Key={**EMMA, "title": "Emma II"}))
    return [*seen, told(table.put_item, Item={**EMMA, "copies": 1}, ReturnValues="ALL_OLD")]


def updating_an_item(library: Library) -> list[Any]:
    """SET, ADD, REMOVE and DELETE, with every form of ReturnValues; an absent item is made."""
    table = library.table
    table.put_item(Item={**EMMA, "copies": 3, "tags": {"a", "b"}, "rows": [1, 2, 3], "address": {"shelf": "A"}})
    update: dict[str, Any] = {
        "UpdateExpression": "SET copies = copies - :one, #rows[1] = :x,"
        " address.floor = if_not_exists(address.floor, :one),"
        " history = list_append(if_not_exists(history, :none), :entry) ADD loans :one, tags :c REMOVE #rows[0]",
        "ExpressionAttributeNames": {"#rows": "rows"},
        "ExpressionAttributeValues": {":one": 1, ":x": "x", ":none": [], ":entry": ["lent"], ":c": {"c"}},
    }
    seen = [told(table.update_item, Key=EMMA, ReturnValues="ALL_NEW", **update)]
    seen.append(told(table.update_item, Key=EMMA, ReturnValues="ALL_OLD", **update))
    for mode in ("UPDATED_OLD", "UPDATED_NEW", "NONE"):
        add = {"UpdateExpression": "ADD copies :n", "ExpressionAttributeValues": {":n": 5}}
        seen.append(told(table.update_item, Key=EMMA, ReturnValues=mode, **add))
    absent = {**EMMA, "title": "Persuasion"}
    values = {":n": 1}
    seen.append(
        told(
            table.update_item,
            Key=absent,
            UpdateExpression="SET copies = :n",
            ExpressionAttributeValues=values,
            ReturnValues="ALL_NEW",
        )
    )
    seen.append(
        told(table.update_item, Key=absent, UpdateExpression="SET title = :n", ExpressionAttributeValues=values)
    )
    seen.append(
        told(
            table.update_item, Key=absent, UpdateExpression="SET copies = other + :n", ExpressionAttributeValues=values
        )
    )
    return [*seen, told(table.get_item, Key=EMMA, ConsistentRead=True)]


def deleting_an_item(library: Library) -> list[Any]:
    """What was there is shown; a second time there is nothing."""
    table = library.table
    table.put_item(Item={**EMMA, "copies": 3})
    seen = [told(table.delete_item, Key=EMMA, ReturnValues="ALL_OLD") for _ in range(2)]
    return [*seen, told(table.get_item, Key=EMMA, ConsistentRead=True)]


def conditions_and_their_exceptions(library: Library) -> list[Any]:
    """A failed condition raises the client's own exception, with the item where that was asked for."""
    table = library.table
    new = Attr("title").not_exists()
    seen = [told(table.put_item, Item={**EMMA, "copies": 3}, ConditionExpression=new) for _ in range(2)]
    enough = Attr("copies").gte(2) & ~Attr("lent").eq(True)
    take: dict[str, Any] = {
        "UpdateExpression": "SET copies = copies - :one",
        "ConditionExpression": enough,
        "ExpressionAttributeValues": {":one": 1},
        "ReturnValues": "UPDATED_NEW",
        "ReturnValuesOnConditionCheckFailure": "ALL_OLD",
    }
    seen += [told(table.update_item, Key=EMMA, **take) for _ in range(3)]
    seen.append(told(table.delete_item, Key=EMMA, ConditionExpression=Attr("copies").eq(3)))
    try:
        table.delete_item(Key={**EMMA, "title": "none"}, ConditionExpression=Attr("title").exists())
    except library.exceptions.ConditionalCheckFailedException as error:
        seen.append(comparable(error.response))
    return seen


def batch_writing(library: Library) -> list[Any]:
    """More than one batch of puts and deletes, and what is there afterwards."""
    with library.table.batch_writer() as batch:
        for number in range(60):
            batch.put_item(Item={"author": f"author {number % 7}", "title": f"book {number:02}", "copies": number})
    with library.table.batch_writer() as batch:
        for number in range(0, 60, 10):
            batch.delete_item(Key={"author": f"author {number % 7}", "title": f"book {number:02}"})
    found = library.table.scan(ConsistentRead=True)
    return [found["Count"], unordered(found["Items"])]


def batch_writing_the_same_key_twice(library: Library) -> list[Any]:
    """`overwrite_by_pkeys` keeps the last of the requests for a key; without it DynamoDB refuses the batch."""
    with library.table.batch_writer(overwrite_by_pkeys=["author", "title"]) as batch:
        for copies in (1, 2, 3):
            batch.put_item(Item={**EMMA, "copies": copies})
        batch.put_item(Item={**EMMA, "title": "Persuasion"})
        batch.delete_item(Key={**EMMA, "title": "Persuasion"})
    seen = [library.table.scan(ConsistentRead=True)["Items"]]

    def twice() -> None:
        with library.table.batch_writer() as batch:
            for copies in (4, 5):
                batch.put_item(Item={**EMMA, "copies": copies})

    return [*seen, told(twice), told(library.table.get_item, Key=EMMA, ConsistentRead=True)]


def batch_writing_two_tables(library: Library) -> list[Any]:
    """One BatchWriteItem over a table that migrates and one that does not."""
    requests = {
        library.books: [{"PutRequest": {"Item": {**EMMA, "copies": 1}}}],
        library.readers: [{"PutRequest": {"Item": {"reader": "jane", "copies": 2}}}],
    }
    seen = [told(library.resource.batch_write_item, RequestItems=requests)]
    seen.append(told(library.table.get_item, Key=EMMA, ConsistentRead=True))
    return [*seen, told(library.resource.Table(library.readers).get_item, Key={"reader": "jane"})]


def many_threads(library: Library) -> list[Any]:
    """A counter that eight threads add to, and one that they compare and set."""
    library.table.put_item(Item={**EMMA, "copies": 0, "version": 0})

    def add(_: int) -> None:
        library.client.update_item(
            TableName=library.books,
            Key=EMMA,
            UpdateExpression="ADD copies :one",
            ExpressionAttributeValues={":one": 1},
        )

    with ThreadPoolExecutor(8) as pool:
        _ = list(pool.map(add, range(40)))
    return [told(library.table.get_item, Key=EMMA, ConsistentRead=True)]


def the_legacy_form(library: Library) -> list[Any]:
    """Expected, AttributeUpdates and AttributesToGet, as programs of 2012 still send them."""
    table = library.table
    expected = {"title": {"Exists": False}}
    seen = [told(table.put_item, Item={**EMMA, "copies": 3, "tags": {"a"}}, Expected=expected) for _ in range(2)]
    updates = {
        "copies": {"Action": "ADD", "Value": 2},
        "tags": {"Action": "DELETE", "Value": {"a"}},
        "note": {"Value": "new"},
        "absent": {"Action": "DELETE"},
    }
    at_least = {"copies": {"ComparisonOperator": "GE", "AttributeValueList": [3]}, "note": {"Exists": False}}
    request = {"AttributeUpdates": updates, "Expected": at_least, "ReturnValues": "ALL_NEW"}
    operators = ("AND", "AND", "OR")
    seen += [told(table.update_item, Key=EMMA, ConditionalOperator=operator, **request) for operator in operators]
    seen.append(told(table.update_item, Key=EMMA, AttributeUpdates={"note": {"Action": "ADD", "Value": 1}}))
    seen.append(told(table.update_item, Key=EMMA, AttributeUpdates={"note": {"Action": "ADD", "Value": "x"}}))
    seen.append(told(table.get_item, Key=EMMA, AttributesToGet=["copies", "absent"], ConsistentRead=True))
    return [*seen, told(table.delete_item, Key=EMMA, Expected={"copies": {"Value": 7}}, ReturnValues="ALL_OLD")]


WRITES = (
    creating_a_table,
    using_an_existing_table,
    creating_and_getting_an_item,
    updating_an_item,
    deleting_an_item,
    conditions_and_their_exceptions,
    batch_writing,
    batch_writing_the_same_key_twice,
    batch_writing_two_tables,
    many_threads,
    the_legacy_form,
)
