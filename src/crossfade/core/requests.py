"""What a request names: its tables and its key, checked as DynamoDB checks them."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Sequence
from itertools import pairwise
from typing import Any, Final, cast

from crossfade.core.effects import Request
from crossfade.core.items import AttributeValue, Item
from crossfade.core.pair import Pair
from crossfade.core.stages import Side
from crossfade.errors import Rejected

WRITES: Final = frozenset(
    {"PutItem", "UpdateItem", "DeleteItem", "BatchWriteItem", "TransactWriteItems"}
    | {"ExecuteStatement", "BatchExecuteStatement", "ExecuteTransaction"}
)
READS: Final = frozenset({"GetItem", "BatchGetItem", "Query", "Scan", "TransactGetItems"})
PARTIQL: Final = frozenset({"ExecuteStatement", "BatchExecuteStatement", "ExecuteTransaction"})
# The words of a PartiQL statement: texts and names in quotation marks are one each.
WORD: Final = re.compile(r"""'(?:[^']|'')*'|"(?:[^"]|"")*"|[\w.-]+|\S""")
BEFORE_TABLE: Final = frozenset({"FROM", "INTO", "UPDATE"})
PLACEHOLDERS: Final = ("ExpressionAttributeNames", "ExpressionAttributeValues")

# https://docs.aws.amazon.com/amazondynamodb/latest/developerguide/Constraints.html
KEY_BYTES_MAX: Final = 2048  # of a partition key; what a sort key may have is left to the service
BATCH_GET_KEYS_MAX: Final = 100
BATCH_WRITE_ITEMS_MAX: Final = 25
TRANSACTION_ACTIONS_MAX: Final = 100


def plain_name(table: str) -> str:
    """The name of a table given by name or by ARN (arn:aws:dynamodb:region:account:table/NAME)."""
    return table.rpartition("table/")[2] if table.startswith("arn:") else table


def table_names(operation: str, request: Request) -> Iterator[str]:
    """Every table that an item operation names, however malformed it is otherwise. PartiQL names its tables in its
    text: see `mentions`."""
    if "TableName" in request:
        named: list[Any] = [request["TableName"]]
    elif "ResourceArn" in request:
        named = [request["ResourceArn"]]
    elif operation in ("BatchGetItem", "BatchWriteItem"):
        named = list(mapping_in(request.get("RequestItems")))
    else:
        each = [mapping_in(action) for action in list_in(request.get("TransactItems"))]
        named = [mapping_in(inner).get("TableName") for action in each for inner in action.values()]
    yield from (plain_name(name) for name in named if isinstance(name, str))


def mapping_in(value: Any) -> dict[str, Any]:
    """The value if it is a structure or a map, as it should be; else an empty one."""
    return cast("dict[str, Any]", value) if isinstance(value, dict) else {}


def list_in(value: Any) -> Sequence[Any]:
    """The value if it is a list, as it should be; else an empty one."""
    return cast("Sequence[Any]", value) if isinstance(value, (list, tuple)) else ()


def statements(operation: str, request: Request) -> list[str]:
    entries = list_in(request.get("Statements") or request.get("TransactStatements"))
    given = [request] if operation == "ExecuteStatement" else [mapping_in(entry) for entry in entries]
    return [text for entry in given if isinstance(text := entry.get("Statement"), str)]


def mentions(statement: str, table: str) -> bool:
    """Whether a PartiQL statement is about a table: it stands behind FROM, INTO or UPDATE, by its name or its ARN, and
    an index may stand behind it. When in doubt, yes.

    https://docs.aws.amazon.com/amazondynamodb/latest/developerguide/ql-reference.html
    """
    words = [found[0] for found in WORD.finditer(statement)]
    named = [behind for word, behind in pairwise(words) if word.upper() in BEFORE_TABLE]
    if not named or '"' in words or "--" in statement or "/*" in statement:  # none that we know, or with comments
        return table in statement
    return any(_table_in(word, table) for word in named)


def _table_in(word: str, table: str) -> bool:
    """True if the word names the table: all of a quoted name, or what stands before a dot."""
    quote = word[0]
    if quote in "'\"":
        return plain_name(word[1:-1].replace(quote * 2, quote)).split("/")[0] == table
    return table in (word, word.split(".")[0])


def names_any(operation: str, request: Request, tables: frozenset[str]) -> bool:
    """Whether the request is about one of these tables."""
    if operation in PARTIQL:
        return any(mentions(text, table) for text in statements(operation, request) for table in tables)
    return any(name in tables for name in table_names(operation, request))


def is_strict(operation: str, request: Request) -> bool:
    """Whether a valid lease is needed: for a write, and for a read that asks for the latest value."""
    if operation in WRITES or operation == "TransactGetItems":
        return True
    if operation == "BatchGetItem":
        return any(mapping_in(entry).get("ConsistentRead") for entry in request["RequestItems"].values())
    return bool(request.get("ConsistentRead", False))


def checked_key(pair: Pair, request: Request) -> Item:
    """The source key that a request on single items names. Raises Rejected in DynamoDB's words.

    A key may carry attributes of both shapes, as applications do that write to both tables: each side takes its own.
    """
    whole: Any = request.get("Item")
    given: Item = (request.get("Key") or {}) if whole is None else whole
    schema = pair.callers_schema
    if whole is None and len(given) != len(schema) and not is_of_both(pair, given):
        raise Rejected("ValidationException", "The number of conditions on the keys is invalid")
    for name, kind in schema:
        check_key_value(name, kind, given.get(name), in_item=whole is not None)
    return pair.callers_key(given)


def entries_of(pair: Pair, operation: str, request: Request) -> Iterator[Request]:
    """The part that names an item of the caller's table, of each action of a write."""
    if operation == "BatchWriteItem":
        for table, entries in mapping_in(request.get("RequestItems")).items():
            if plain_name(table) == pair.caller.name:
                for entry in list_in(entries):
                    yield from map(mapping_in, mapping_in(entry).values())
        return
    transaction = operation == "TransactWriteItems"
    for action in list_in(request.get("TransactItems")) if transaction else ({operation: request},):
        for inner in map(mapping_in, mapping_in(action).values()):
            name: Any = inner.get("TableName")
            if isinstance(name, str) and plain_name(name) == pair.caller.name:
                yield inner


def checked_keys(pair: Pair, authority: Side, requests: Iterable[Request]) -> list[Item] | None:
    """The source keys that these requests name. None: one is malformed, and the caller's own table decides, so that it
    may word its own error. Raises Rejected where it does not."""
    try:
        return [checked_key(pair, request) for request in requests]
    except Rejected:
        if authority != pair.view:
            raise
        return None


def is_of_both(pair: Pair, key: Item) -> bool:
    """Whether a key holds the attributes of both shapes and nothing else."""
    return key.keys() == {*pair.source.key_names, *pair.target.key_names}


def check_key_value(name: str, kind: str, value: AttributeValue | None, *, in_item: bool) -> None:
    if value is None or kind not in value:
        if not in_item:
            raise Rejected("ValidationException", "The provided key element does not match the schema")
        if value is None:
            raise invalid(f"Missing the key {name} in the item")
        raise invalid(f"Type mismatch for key {name} expected: {kind} actual: {next(iter(value), None)}")
    if len(value[kind] if kind == "B" else value[kind].encode()) > KEY_BYTES_MAX:
        raise Rejected(
            "ValidationException",
            "Hash primary key values must be under 2048 bytes, and range primary key values must be under 1024 bytes",
        )
    if not value[kind]:
        what = "binary" if kind == "B" else "string"
        raise Rejected(
            "ValidationException",
            "One or more parameter values are not valid. The AttributeValue for a key attribute cannot contain an"
            f" empty {what} value. Key: {name}",
        )


def invalid(what: str) -> Rejected:
    return Rejected("ValidationException", f"One or more parameter values were invalid: {what}")


def used_by(text: str, request: Request) -> Request:
    """The placeholders that this text uses: DynamoDB refuses any others."""
    used: Request = {}
    for parameter in PLACEHOLDERS:
        given: Request = request.get(parameter, {})
        found = {name: value for name, value in given.items() if uses(text, name)}
        if found:
            used[parameter] = found
    return used


def uses(text: str, placeholder: str) -> bool:
    start = text.find(placeholder)
    while start >= 0:
        following = text[start + len(placeholder) : start + len(placeholder) + 1]
        if not (following.isalnum() or following == "_"):
            return True
        start = text.find(placeholder, start + 1)
    return False


def uses_no_expression(request: Request) -> bool:
    return not any(name.endswith("Expression") for name in request)
