"""What a request names: its tables, its operation's parts and its placeholders."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from itertools import pairwise
from typing import Any, Final, cast

from crossfade.core.effects import Request
from crossfade.core.tables.pair import Pair

PARTIQL: Final = frozenset({"ExecuteStatement", "BatchExecuteStatement", "ExecuteTransaction"})
WRITES: Final = PARTIQL | {"PutItem", "UpdateItem", "DeleteItem", "BatchWriteItem", "TransactWriteItems"}
READS: Final = frozenset({"GetItem", "BatchGetItem", "Query", "Scan", "TransactGetItems"})
# The words of a PartiQL statement: texts and names in quotation marks are one each.
WORD: Final = re.compile(r"""'(?:[^']|'')*'|"(?:[^"]|"")*"|[\w.-]+|\S""")
BEFORE_TABLE: Final = frozenset({"FROM", "INTO", "UPDATE"})
PLACEHOLDERS: Final = ("ExpressionAttributeNames", "ExpressionAttributeValues")
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
    if operation in PARTIQL:
        return any(mentions(text, table) for text in statements(operation, request) for table in tables)
    name: Any = request.get("TableName")
    if isinstance(name, str) and name in tables:  # mostly
        return True
    return any(each in tables for each in table_names(operation, request))


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
