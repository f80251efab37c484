"""UpdateItem."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any, Final

from tests.contract.book.common import (
    BROKEN_CONDITIONS,
    CONDITIONS,
    OVERSIZE_BYTES,
    WRONG_KEYS,
    WRONG_VALUES,
    one_rich,
    wrong_value,
)
from tests.contract.book.puts import SOME_CONDITIONS
from tests.contract.shapes import Shape, text
from tests.contract.steps import Group, Op

update = Group("UpdateItem", given=one_rich)

EXPRESSIONS: Final = {
    "set a number": "SET n = :ten",
    "set a new attribute": "SET fresh = :text",
    "set several": "SET n = :ten, t = :x, fresh = :list",
    "set phase": "SET {phase} = :closed",
    "set amount": "SET {amount} = :amount",
    "set weight": "SET {weight} = :weight",
    "set note": "SET {note} = :note",
    "set all that a mapping changes": "SET {phase} = :closed, {amount} = :amount, {weight} = :weight, {note} = :note",
    "add to a number": "SET n = n + :one",
    "subtract": "SET n = n - :minus",
    "a number minus itself": "SET n = n - n",
    "digits beyond 38": "SET n = n + :digits",
    "an overflow": "SET n = :huge + :huge",
    "from another attribute": "SET fresh = n + :two",
    "swap two": "SET n = t, t = n",
    "if_not_exists, there": "SET n = if_not_exists(n, :ten)",
    "if_not_exists, absent": "SET fresh = if_not_exists(fresh, :ten)",
    "if_not_exists and a sum": "SET fresh = if_not_exists(fresh, :zero) + :one",
    "append to a list": "SET l = list_append(l, :list)",
    "prepend to a list": "SET l = list_append(:list, l)",
    "append to an absent list": "SET fresh = list_append(if_not_exists(fresh, :no_list), :list)",
    "a list element": "SET l[1] = :text",
    "past the end of a list": "SET l[7] = :text, l[5] = :x",
    "a map member": "SET m.b.c = :text",
    "a new map member": "SET m.fresh = :one",
    "a member beside phase": "SET info.code = :ten",
    "the whole map around code": "SET m = :map",
    "an empty text": "SET t = :empty",
    "binary": "SET b = :bytes",
    "null and Boolean": "SET flag = :false, nothing = :null",
    "by placeholder": "SET #t = :text, #m.#b.#c = :x, #size = :one",
    "remove one": "REMOVE n",
    "remove several": "REMOVE n, t, absent",
    "remove phase": "REMOVE {phase}",
    "remove amount": "REMOVE {amount}",
    "remove weight and note": "REMOVE {weight}, {note}",
    "remove a list element": "REMOVE l[0]",
    "remove list elements": "REMOVE l[0], l[2], l[9]",
    "remove a map member": "REMOVE m.a",
    "remove an index's key": "REMOVE grp, score",
    "move in an index": "SET grp = :g1, score = :ten",
    "add to a counter": "ADD n :one",
    "add to an absent counter": "ADD fresh :minus",
    "add to a nested counter": "ADD m.a :ten",
    "add to amount": "ADD {amount} :one",
    "add to weight": "ADD {weight} :one",
    "add to a set": "ADD ss :ss",
    "add to an absent set": "ADD fresh :ns",
    "add numbers to a set": "ADD ns :ns",
    "add to a text": "ADD t :one",
    "delete from a set": "DELETE ss :s_x",
    "delete a whole set": "DELETE ss :ss, ns :ns",
    "delete from an absent set": "DELETE fresh :ss",
    "delete another type": "DELETE ns :ss",
    "all four": "SET t = :x REMOVE flag ADD n :one DELETE ss :s_x",
    "in any order and case": "add n :one set t = :x remove flag",
}
FAULTY: Final = {
    "no text": "",
    "a syntax error": "SET n :one",
    "an unknown action": "PUT n = :one",
    "an action twice": "SET n = :one SET t = :x",
    "the partition key": "SET {p} = :x",
    "the sort key": "REMOVE {s}",
    "a reserved word": "SET name = :one",
    "overlapping paths": "SET m = :map, m.a = :one",
    "the same path twice": "SET n = :one, n = :two",
    "conflicting paths": "SET m.a = :one, m[0] = :two",
    "a member of a text": "SET t.a = :one",
    "a member of an absent map": "SET absent.a = :one",
    "an element of a map": "SET m[0] = :one",
    "an absent operand": "SET n = absent + :one",
    "a sum of text": "SET n = n + :text",
    "a sum of a text attribute": "SET n = t + :one",
    "list_append of a number": "SET l = list_append(l, :one)",
    "list_append of a text attribute": "SET l = list_append(t, :list)",
    "an unknown function": "SET n = size(t)",
    "if_not_exists, there, or else an absent one": "SET n = if_not_exists(n, absent)",
    "a sum of too many digits": "SET n = n + :fraction",
    "add too many digits": "ADD n :fraction",
    "if_not_exists with a value first": "SET n = if_not_exists(:one, :two)",
    "add a text": "ADD n :text",
    "add a list": "ADD l :list",
    "delete a number": "DELETE n :one",
    "a value that is not there": "SET n = :unknown",
    "a name that is not there": "SET #unknown = :one",
    "an index's key to an empty text": "SET grp = :empty",
}


def updated(table: Shape, expression: str) -> Iterable[Op]:
    return [table("UpdateItem", Key=table.key(1), UpdateExpression=expression, ReturnValues="ALL_NEW")]


update.each("expression", EXPRESSIONS, updated)
update.each("faulty", FAULTY, updated)

RETURNED: Final = {
    "a number": "SET n = n + :one",
    "a new attribute": "SET fresh = :text",
    "amount and weight": "SET {amount} = :amount, {weight} = :weight",
    "note removed": "REMOVE {note}",
    "a set": "ADD ss :ss DELETE ns :ns",
}
MODES: Final = ("NONE", "ALL_OLD", "ALL_NEW", "UPDATED_OLD", "UPDATED_NEW")
update.each(
    "returning",
    {f"{mode} of {name}": (mode, text) for mode in MODES for name, text in RETURNED.items()},
    lambda table, asked: [
        table("UpdateItem", Key=table.key(1), UpdateExpression=asked[1], ReturnValues=asked[0]) for _ in range(2)
    ],
)
update.each(
    "returning nested",
    {f"{mode} of {name}": (mode, text)
     for mode in ("UPDATED_OLD", "UPDATED_NEW")
     for name, text in {
         "a map member": "SET m.a = :ten", "a list element": "SET l[1] = :text", "phase": "SET {phase} = :closed",
     }.items()},
    lambda table, asked: [
        table("UpdateItem", Key=table.key(1), UpdateExpression=asked[1], ReturnValues=asked[0])
    ],
)  # fmt: skip

UPSERTS: Final = {
    "set": "SET n = :one",
    "amount": "SET {amount} = :amount",
    "weight and note": "SET {weight} = :weight, {note} = :note",
    "add": "ADD n :one",
    "add to a set": "ADD ss :ss",
    "if_not_exists": "SET n = if_not_exists(n, :ten)",
    "a nested path": "SET m.a = :one",
    "an operand that is absent": "SET n = n + :one",
    "remove": "REMOVE n",
    "delete": "DELETE ss :ss",
    "set and remove": "SET n = :one REMOVE t",
}


def upsert(table: Shape, expression: str) -> Iterable[Op]:
    """Of an item that is not there; in the target's form of reshape an item has its `info`."""
    return [
        table(
            "UpdateItem",
            Key=table.key(2),
            UpdateExpression=expression,
            ReturnValues=mode,
        )
        for mode in ("ALL_OLD", "ALL_NEW")
    ]


update.each("of an absent item", UPSERTS, upsert)


@update.case
def without_an_expression(table: Shape) -> Iterable[Op]:
    return [table("UpdateItem", Key=table.key(n), ReturnValues="ALL_NEW") for n in (1, 2)]


@update.case
def a_counter_ten_times(table: Shape) -> Iterable[Op]:
    return [
        table("UpdateItem", Key=table.key(1), UpdateExpression="ADD n :one", ReturnValues="UPDATED_NEW")
        for _ in range(10)
    ]


@update.case
def to_an_item_too_large(table: Shape) -> Iterable[Op]:
    half = text("x" * (OVERSIZE_BYTES // 2))
    return [
        table(
            "UpdateItem", Key=table.key(2), UpdateExpression=f"SET {name} = :v", ExpressionAttributeValues={":v": half}
        )
        for name in ("t", "u")
    ]


@update.case
def an_unknown_return_mode(table: Shape) -> Iterable[Op]:
    return [table("UpdateItem", Key=table.key(1), UpdateExpression="ADD n :one", ReturnValues="EVERYTHING")]


@update.case
def values_that_no_expression_uses(table: Shape) -> Iterable[Op]:
    values: dict[str, Any] = {":one": {"N": "1"}, ":two": {"N": "2"}}
    key = table.key(1)
    return [
        table("UpdateItem", Key=key, UpdateExpression="SET n = :one", ExpressionAttributeValues=values),
        table("UpdateItem", Key=key, UpdateExpression="REMOVE n", ExpressionAttributeValues={}),
        table("UpdateItem", Key=key, ExpressionAttributeValues=values),
        table("UpdateItem", Key=key, UpdateExpression="REMOVE n", ExpressionAttributeNames={"#x": "x"}),
    ]


update.each(
    "set to",
    {name: name for name in WRONG_VALUES},
    lambda table, name: [
        table(
            "UpdateItem",
            Key=table.key(1),
            UpdateExpression="SET wrong = :wrong",
            ExpressionAttributeValues={":wrong": wrong_value(name)},
        )
    ],
)
update.each(
    "a key",
    WRONG_KEYS,
    lambda table, wrong: [table("UpdateItem", Key=wrong(table), UpdateExpression="SET fresh = :one")],
)


def conditional_update(table: Shape, condition: str) -> Iterable[Op]:
    return [
        table(
            "UpdateItem",
            Key=table.key(n),
            UpdateExpression="SET t = :z, fresh = :amount ADD n :one",
            ConditionExpression=condition,
            ReturnValues="ALL_NEW",
            ReturnValuesOnConditionCheckFailure="ALL_OLD",
        )
        for n in (1, 2)
    ]


update.each("if", {name: CONDITIONS[name] for name in SOME_CONDITIONS}, conditional_update)
update.each(
    "broken condition",
    {name: BROKEN_CONDITIONS[name] for name in ("no text", "a syntax error", "a reserved word", "a bare path")},
    conditional_update,
)


@update.case
def optimistic_locking(table: Shape) -> Iterable[Op]:
    """Three writers with one version; the first wins."""
    return [
        table(
            "UpdateItem",
            Key=table.key(1),
            UpdateExpression="SET n = n + :one, t = :x",
            ConditionExpression="n = :one",
            ReturnValuesOnConditionCheckFailure="ALL_OLD",
            ReturnValues="UPDATED_NEW",
        )
        for _ in range(3)
    ]


@update.case
def placeholders_as_crossfades_own(table: Shape) -> Iterable[Op]:
    """An application may call them what it likes: in its update, its condition, its answers and its mistakes."""
    names = {"#xf_stamp": "n", "#xf_set0": "fresh", "#xf_key": "t", "#xf0": table.form.partition, "#x_xf0": "flag"}
    values = {":xf_stamp": {"N": "1"}, ":xf_set0": text("new"), ":xf0": text("text"), ":x_xf0": {"BOOL": True}}
    change = "SET #xf_stamp = #xf_stamp + :xf_stamp, #xf_set0 = :xf_set0"
    holds = "attribute_exists(#xf0) AND #xf_key = :xf0 AND #x_xf0 = :x_xf0"
    return [
        table(
            "UpdateItem",
            Key=table.key(n),
            UpdateExpression=update_text,
            ConditionExpression=condition,
            ExpressionAttributeNames=names,
            ExpressionAttributeValues=values,
            ReturnValues="ALL_NEW",
            ReturnValuesOnConditionCheckFailure="ALL_OLD",
        )
        for n, update_text, condition in (
            (1, change, holds),
            (1, change, f"NOT ({holds})"),
            (2, change, f"attribute_not_exists(#xf0) OR {holds}"),
            (1, f"{change}, missing = :xf_missing", holds),
            (1, f"{change}, #xf_missing = :xf0", holds),
        )
    ]


def padded(expression: str, length: int) -> str:
    """Of that many bytes, by spaces in place of the first one."""
    return expression.replace(" ", " " * (length - len(expression) + 1), 1)


update.each(
    "to the byte",
    {f"an expression of {length:,} bytes": length for length in (4050, 4085, 4096, 4097)},
    lambda table, length: updated(table, padded("SET n = :one", length)),
)
update.each(
    "to the byte",
    {f"a condition of {length:,} bytes": length for length in (4050, 4096)},
    lambda table, length: [
        table(
            "UpdateItem",
            Key=table.key(1),
            UpdateExpression="SET n = :one",
            ConditionExpression=padded("attribute_not_exists (absent)", length),
        )
    ],
)
