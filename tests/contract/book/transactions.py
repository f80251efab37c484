"""TransactGetItems and TransactWriteItems, with their tokens."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import Any, Final

from crossfade.core.items import size_bytes
from crossfade.core.request.limits import TRANSACTION_BYTES_MAX
from tests.contract.book.batches import other_puts, others, put_others, read_others
from tests.contract.book.common import BROKEN_CONDITIONS, CONDITIONS, INDEX_KEYS, WRONG_KEYS, five_rich
from tests.contract.book.puts import SOME_CONDITIONS
from tests.contract.shapes import Shape, number, text
from tests.contract.steps import Group, Op, Request, Steps

transact_get = Group("TransactGetItems", given=five_rich, only_reads=True)
transact_get_writes = Group("TransactGetItems between writes", given=five_rich)
transact_write = Group("TransactWriteItems", given=five_rich)
Made = Callable[[Shape], Iterable[Op]]


def gets(*actions: Request, **more: Any) -> Op:
    return Op("TransactGetItems", {"TransactItems": [{"Get": action} for action in actions], **more})


def writes(*actions: Request, **more: Any) -> Op:
    return Op("TransactWriteItems", {"TransactItems": list(actions), **more})


def put(table: Shape, item: Any, condition: str | None = None, **more: Any) -> Request:
    return {"Put": table.request(Item=item, ConditionExpression=condition, **more)}


def update(table: Shape, n: int, expression: str, condition: str | None = None, **more: Any) -> Request:
    request = table.request(Key=table.key(n), UpdateExpression=expression, ConditionExpression=condition, **more)
    return {"Update": request}


def delete(table: Shape, n: int, condition: str | None = None, **more: Any) -> Request:
    return {"Delete": table.request(Key=table.key(n), ConditionExpression=condition, **more)}


def check(table: Shape, n: int, condition: str, **more: Any) -> Request:
    return {"ConditionCheck": table.request(Key=table.key(n), ConditionExpression=condition, **more)}


def get(table: Shape, n: int, **more: Any) -> Request:
    return table.request(Key=table.key(n), **more)


GETS: Final[dict[str, Made]] = {
    "one": lambda table: [gets(get(table, 1))],
    "several": lambda table: [gets(*(get(table, n) for n in (3, 1, 2)))],
    "absent among them": lambda table: [gets(get(table, 1), get(table, 9), get(table, 2))],
    "all absent": lambda table: [gets(get(table, 8), get(table, 9))],
    "projected": lambda table: [
        gets(get(table, 1, ProjectionExpression="n, {phase}"), get(table, 2, ProjectionExpression="{weight}, m.b"))
    ],
    "projected to nothing": lambda table: [gets(get(table, 1, ProjectionExpression="absent"))],
    "projected by placeholder": lambda table: [gets(get(table, 1, ProjectionExpression="#t, #m.#b"))],
    "a broken projection": lambda table: [gets(get(table, 1), get(table, 2, ProjectionExpression="n,,"))],
    "a key twice": lambda table: [gets(get(table, 1), get(table, 1, ProjectionExpression="n"))],
    "100": lambda table: [gets(*(get(table, n, ProjectionExpression="n") for n in range(1, 101)))],
    "101": lambda table: [gets(*(get(table, n) for n in range(1, 102)))],
    "none": lambda _: [gets(), Op("TransactGetItems", {})],
    "a table that is not there": lambda table: [
        gets(get(table, 1), {"TableName": f"missing-{table.token}", "Key": table.key(1)})
    ],
    "no key": lambda table: [gets({"TableName": table.name})],
}
BETWEEN_WRITES: Final[dict[str, Made]] = {
    "two tables": lambda table: [
        put_others(table, 1),
        gets(get(table, 1), {"TableName": table.other, "Key": others(table, 1)[0]}, get(table, 2)),
    ],
    "the other table alone": lambda table: [
        put_others(table, 1),
        gets({"TableName": table.other, "Key": others(table, 1)[0]}),
    ],
    "after a write": lambda table: [
        table("UpdateItem", Key=table.key(1), UpdateExpression="SET {amount} = :amount"),
        table("DeleteItem", Key=table.key(2)),
        gets(get(table, 1), get(table, 2)),
    ],
}
transact_get.each("of", GETS, lambda table, made: made(table))
transact_get_writes.each("of", BETWEEN_WRITES, lambda table, made: made(table))
transact_get.each("a key", WRONG_KEYS, lambda table, wrong: [gets(get(table, 1), table.request(Key=wrong(table)))])

# --- TransactWriteItems

WRITES: Final[dict[str, Made]] = {
    "one put": lambda table: [writes(put(table, table.rich(6)))],
    "one update": lambda table: [writes(update(table, 1, "SET {amount} = :amount ADD n :one"))],
    "one delete": lambda table: [writes(delete(table, 1))],
    "one check": lambda table: [writes(check(table, 1, "n = :one"))],
    "all four": lambda table: [
        writes(
            put(table, table.item(6, phase="open")),
            update(table, 1, "SET {phase} = :closed, {weight} = :weight"),
            delete(table, 2),
            check(table, 3, "attribute_exists({p})"),
        )
    ],
    "conditions that hold": lambda table: [
        writes(
            put(table, table.item(1, n=number(5)), "n = :one"),
            update(table, 2, "REMOVE t", "n = :two"),
            delete(table, 3, "{phase} = :open"),
            check(table, 9, "attribute_not_exists({p})"),
        )
    ],
    "one condition fails": lambda table: [
        writes(
            put(table, table.item(6)),
            update(table, 1, "ADD n :one", "n = :ten"),
            delete(table, 2),
        )
    ],
    "one condition fails and shows the item": lambda table: [
        writes(
            put(table, table.item(6)),
            update(table, 1, "ADD n :one", "n = :ten", ReturnValuesOnConditionCheckFailure="ALL_OLD"),
        )
    ],
    "several conditions fail": lambda table: [
        writes(
            put(table, table.item(1), "attribute_not_exists({p})", ReturnValuesOnConditionCheckFailure="ALL_OLD"),
            delete(table, 2, "n = :two"),
            check(table, 3, "{amount} = :amount", ReturnValuesOnConditionCheckFailure="ALL_OLD"),
            update(table, 9, "ADD n :one", "attribute_exists({p})", ReturnValuesOnConditionCheckFailure="ALL_OLD"),
        )
    ],
    "an update that does not fit": lambda table: [
        writes(put(table, table.item(6)), update(table, 1, "SET t = t + :one"))
    ],
    "an update of an absent map": lambda table: [
        writes(update(table, 1, "SET absent.a = :one"), delete(table, 2, "n = :ten"))
    ],
    "an upsert": lambda table: [writes(update(table, 6, "SET n = if_not_exists(n, :zero) + :one"))],
    "an upsert that removes": lambda table: [writes(update(table, 6, "SET n = :one REMOVE t"))],
    "an absent delete": lambda table: [writes(delete(table, 9))],
    "the same item twice": lambda table: [writes(delete(table, 1), update(table, 1, "ADD n :one"))],
    "the same item twice, under conditions that hold": lambda table: [
        writes(check(table, 1, "attribute_exists({p})"), update(table, 1, "ADD n :one", "attribute_exists({p})"))
    ],
    "conditions that hold beside what is wrong": lambda table: [
        writes(check(table, 1, "attribute_exists({p})"), update(table, 2, "SET n")),
        writes(check(table, 1, "attribute_exists({p})"), put(table, table.item(6, t={"N": "twelve"}))),
        writes(check(table, 1, "attribute_exists({p})"), put(table, table.item(6, t=text("x" * 410_000)))),
    ],
    "the same put twice": lambda table: [writes(put(table, table.item(6)), put(table, table.item(6)))],
    "nothing": lambda _: [writes(), Op("TransactWriteItems", {}), writes({})],
    "two actions in one": lambda table: [writes({**delete(table, 1), **put(table, table.item(6))})],
    "an item too large": lambda table: [
        writes(put(table, table.rich(6)), put(table, table.item(7, t=text("x" * 410_000))))
    ],
    "a wrong value": lambda table: [writes(delete(table, 1), put(table, table.item(6, t={"N": "twelve"})))],
    "a broken update": lambda table: [writes(delete(table, 1), update(table, 2, "SET n"))],
    "an update without an expression": lambda table: [
        writes({"Update": table.request(Key=table.key(1))}, delete(table, 2))
    ],
    "a check without a condition": lambda table: [
        writes({"ConditionCheck": table.request(Key=table.key(1))}, delete(table, 2))
    ],
    "an update of the key": lambda table: [writes(update(table, 1, "SET {s} = :s2"))],
    "20 puts": lambda table: [writes(*(put(table, table.item(n, n=number(n))) for n in range(10, 30)))],
    "50 puts": lambda table: [writes(*(put(table, table.item(n, n=number(n))) for n in range(10, 60)))],
    "51 puts": lambda table: [writes(*(put(table, table.item(n, n=number(n))) for n in range(10, 61)))],
    "two partitions": lambda table: [
        writes(put(table, table.item(1, 1, n=number(1))), put(table, table.item(2, 1)), delete(table, 1))
    ],
    "two tables": lambda table: [
        writes(
            put(table, table.rich(6)),
            {"Put": {"TableName": table.other, **other_puts(table, 1)[0]["PutRequest"]}},
            delete(table, 1),
        ),
        *read_others(table, 1),
    ],
    "two tables, the other one's condition fails": lambda table: [
        writes(
            update(table, 1, "ADD n :one"),
            {
                "Put": {
                    "TableName": table.other,
                    "Item": others(table, 1)[0],
                    "ConditionExpression": "attribute_exists(id)",
                }
            },
        ),
        *read_others(table, 1),
    ],
    "two tables, our condition fails": lambda table: [
        writes(
            {"Put": {"TableName": table.other, "Item": others(table, 1)[0]}},
            update(table, 1, "ADD n :one", "{amount} = :amount", ReturnValuesOnConditionCheckFailure="ALL_OLD"),
        ),
        *read_others(table, 1),
    ],
    "the other table alone": lambda table: [
        writes({"Put": {"TableName": table.other, "Item": others(table, 1)[0]}}),
        *read_others(table, 1),
    ],
    "a table that is not there": lambda table: [
        writes(delete(table, 1), {"Delete": {"TableName": f"missing-{table.token}", "Key": table.key(1)}})
    ],
    "item collection metrics": lambda table: [
        writes(put(table, table.rich(6)), delete(table, 1), ReturnItemCollectionMetrics="SIZE")
    ],
    "names that no expression uses": lambda table: [
        writes({"Put": table.request(Item=table.item(6), ExpressionAttributeNames={"#n": "n"})})
    ],
}
transact_write.each("of", WRITES, lambda table, made: made(table))
transact_write.each(
    "a key",
    WRONG_KEYS,
    lambda table, wrong: [
        writes(delete(table, 1), {"Delete": table.request(Key=wrong(table))}),
        writes(delete(table, 1), {"Put": table.request(Item={**wrong(table), "n": number(1)})}),
    ],
)
transact_write.each(
    "check",
    {name: CONDITIONS[name] for name in (*SOME_CONDITIONS, "contains in a set", "size of a list", "in")},
    lambda table, condition: [
        writes(check(table, 1, condition, ReturnValuesOnConditionCheckFailure="ALL_OLD"), delete(table, 2)),
        writes(check(table, 9, condition), put(table, table.item(6, n=number(6)))),
    ],
)
transact_write.each(
    "broken condition",
    {name: BROKEN_CONDITIONS[name] for name in ("no text", "a syntax error", "a value that is not there")},
    lambda table, condition: [writes(check(table, 1, condition), delete(table, 2))],
)

transact_write.each(
    "an index key",
    INDEX_KEYS,
    lambda table, wrong: [
        writes(put(table, table.item(6)), put(table, {**table.item(7), **wrong(table)})),
        writes(setting(table, 1, wrong(table)), delete(table, 2)),
    ],
)
# Beside a condition that does not hold, in either order, and beside its own.
transact_write.each(
    "an index key, and a condition that fails",
    INDEX_KEYS,
    lambda table, wrong: [
        writes(put(table, {**table.item(7), **wrong(table)}), delete(table, 2, "n = :ten")),
        writes(check(table, 2, "n = :ten"), setting(table, 1, wrong(table)), delete(table, 3)),
        writes(delete(table, 2, "n = :ten"), put(table, {**table.item(1), **wrong(table)}, "n = :ten")),
        writes(setting(table, 1, wrong(table), "attribute_exists(absent)"), delete(table, 2)),
        writes(
            {
                "Put": {
                    "TableName": table.other,
                    "Item": others(table, 1)[0],
                    "ConditionExpression": "attribute_exists(id)",
                }
            },
            put(table, {**table.item(7), **wrong(table)}),
            setting(table, 1, wrong(table)),
            update(table, 2, "ADD n :one", "n = :ten"),
        ),
    ],
)


def setting(table: Shape, n: int, attributes: Request, condition: str | None = None) -> Request:
    """An update with values of its own."""
    ((name, value),) = attributes.items()
    more = {"ExpressionAttributeNames": {"#a": name}, "ExpressionAttributeValues": {":a": value}}
    return update(table, n, "SET #a = :a", condition, **more)


# --- ClientRequestToken

token = Group("ClientRequestToken", given=five_rich)


def once(table: Shape, letter: str) -> str:
    """A token of this case in this world: 36 characters at most."""
    return f"{table.token}{table.prefix}{letter}"[-36:]


@token.case
def the_same_request_twice(table: Shape) -> Iterable[Op]:
    return [writes(update(table, 1, "ADD n :one"), ClientRequestToken=once(table, "a")) for _ in range(2)]


@token.case
def another_request_with_the_token(table: Shape) -> Iterable[Op]:
    return [
        writes(update(table, 1, expression), ClientRequestToken=once(table, "a"))
        for expression in ("ADD n :one", "ADD n :two")
    ]


@token.case
def the_same_request_with_the_table_by_arn(table: Shape) -> Iterable[Op]:
    named = {"TableName": f"arn:aws:dynamodb:us-east-1:000000000000:table/{table.name}"}
    action = update(table, 1, "ADD n :one")
    return [
        writes({"Update": {**action["Update"], **more}}, ClientRequestToken=once(table, "a"))
        for more in ({}, named, {})
    ]


@token.case
def that_came_with_other_tables(table: Shape) -> Iterable[Op]:
    """With ours after them, and the other way round; a check, so that both worlds hold the same afterwards."""
    elsewhere = {"Put": {"TableName": table.other, "Item": others(table, 1)[0]}}
    ours = check(table, 1, "attribute_exists({p})")
    return [
        writes(action, ClientRequestToken=once(table, letter))
        for letter, actions in (("a", (elsewhere, ours)), ("b", (ours, elsewhere)))
        for action in actions
    ]


@token.case
def two_tokens(table: Shape) -> Iterable[Op]:
    return [writes(update(table, 1, "ADD n :one"), ClientRequestToken=once(table, letter)) for letter in "ab"]


@token.case
def a_condition_that_fails_the_second_time(table: Shape) -> Iterable[Op]:
    """The repetition does nothing, so its condition is not looked at."""
    return [writes(update(table, 1, "ADD n :one", "n = :one"), ClientRequestToken=once(table, "a")) for _ in range(2)]


@token.case
def after_another_write_between(table: Shape) -> Iterable[Op]:
    request = writes(put(table, table.item(1, n=number(50))), ClientRequestToken=once(table, "a"))
    return [request, table("UpdateItem", Key=table.key(1), UpdateExpression="ADD n :one"), request]


@token.case
def of_a_transaction_that_failed(table: Shape) -> Steps:
    request = writes(update(table, 1, "ADD n :one", "n = :ten"), ClientRequestToken=once(table, "a"))
    yield request
    yield table("UpdateItem", Key=table.key(1), UpdateExpression="SET n = :ten")
    yield request


@token.case
def too_long(table: Shape) -> Iterable[Op]:
    return [writes(delete(table, 1), ClientRequestToken="t" * 37)]


@token.case
def with_capacity(table: Shape) -> Iterable[Op]:
    return [
        writes(
            put(table, table.item(6, n=number(6))),
            ClientRequestToken=once(table, "a"),
            ReturnConsumedCapacity="TOTAL",
        )
        for _ in range(2)
    ]


@token.case
def over_two_tables(table: Shape) -> Iterable[Op]:
    request = writes(
        update(table, 1, "ADD n :one"),
        {
            "Update": {
                "TableName": table.other,
                "Key": others(table, 1)[0],
                "UpdateExpression": "ADD n :one",
                "ExpressionAttributeValues": {":one": number(1)},
            }
        },
        ClientRequestToken=once(table, "a"),
    )
    return [request, request, *read_others(table, 1)]


def large(table: Shape, count: int) -> Iterable[Op]:
    """So many items of 390 KB; they are taken away again, since pages of them end elsewhere in the engine."""
    places = range(10, 10 + count)
    deletes = [{"DeleteRequest": {"Key": table.key(n)}} for n in places]
    return [
        writes(*(put(table, table.item(n, t=text("x" * 390_000))) for n in places)),
        *(table("GetItem", Key=table.key(n), ConsistentRead=True) for n in (10, 9 + count)),
        Op("BatchWriteItem", {"RequestItems": {table.name: deletes}}),
    ]


transact_write.each("to the byte", {"1.9 MB": 5, "2.3 MB": 6}, large)


def nearly_full(table: Shape, token: str | None) -> Iterable[Op]:
    """11 items that leave 100 bytes of 4 MB, sent twice where there is a token; taken away again, as above."""
    places = range(10, 21)
    items = [table.item(n, t=text("")) for n in places]
    left, more = divmod(TRANSACTION_BYTES_MAX - 100 - sum(map(size_bytes, items)), len(items))
    full = [{**item, "t": text("x" * (left + (more if n == 0 else 0)))} for n, item in enumerate(items)]
    request = writes(
        *(put(table, item) for item in full), **({"ClientRequestToken": once(table, token)} if token else {})
    )
    deletes = [{"DeleteRequest": {"Key": table.key(n)}} for n in places]
    return [*([request] * (2 if token else 1)), Op("BatchWriteItem", {"RequestItems": {table.name: deletes}})]


transact_write.each("to the byte", {"4 MB": None, "4 MB with a token": "a"}, nearly_full)
