"""A trace from a log: lines of `time,operation,key,bytes`.

`time` is in seconds or milliseconds since 1970, or ISO 8601; `operation` is DynamoDB's name of it, or read, write or
query; `key` is the partition key. A first line that names the columns may name more: `sort`, or the table's own sort
key, and any attribute that a design may try as the key.
"""

from __future__ import annotations

import csv
from collections.abc import Iterable, Mapping
from datetime import UTC, datetime
from math import isfinite
from typing import Final

from crossfade.advice.trace import ACCESSES_MAX, Access, AccessKind, Trace
from crossfade.errors import ConfigurationError

COLUMNS: Final = ("time", "operation", "key", "bytes")
KINDS: Final[Mapping[str, AccessKind]] = {
    **dict.fromkeys(("get", "read", "getitem", "batchgetitem", "transactgetitems"), "get"),
    **dict.fromkeys(("put", "write", "update", "delete", "putitem", "updateitem", "deleteitem"), "write"),
    **dict.fromkeys(("batchwriteitem", "transactwriteitems", "conditioncheckitem"), "write"),
    "query": "query",
}
IGNORED: Final = frozenset({"scan", "describetable", "executestatement", "batchexecutestatement"})  # of no one key
MILLISECONDS_FROM: Final = 1e11  # as seconds that were the year 5138
ITEM_BYTES_MAX: Final = 400 * 1024
EXAMPLE: Final = "a line is like 1764547200.25,PutItem,acme,512"


def read_log(lines: Iterable[str], name: str, sort_key: str | None = None) -> Trace:
    """Read a log. Raises ConfigurationError with the line that is wrong."""
    accesses: list[Access] = []
    columns: tuple[str, ...] = ()
    ignored = 0
    rows = csv.reader(lines)
    cut = False
    while True:
        try:
            row = next(rows, None)
        except csv.Error as error:
            raise _wrong(name, rows.line_num, str(error)) from None
        if row is None:
            break
        if not any(row):
            continue
        if not columns:
            columns = _columns(row, name, rows.line_num)
            if _is_head(row):
                continue
        if len(accesses) == ACCESSES_MAX:
            cut = True
            break
        access = _access(row, columns, sort_key, name, rows.line_num)
        if access is None:
            ignored += 1
        else:
            accesses.append(access)
    if not accesses:
        raise ConfigurationError(f"{name}: there is no access to a key in it", next_step=EXAMPLE)
    begin, end = min(access.at for access in accesses), max(access.at for access in accesses)
    if end <= begin:
        raise ConfigurationError(
            f"{name}: all of its {len(accesses):,} lines have one time", next_step="give a log of some minutes"
        )
    lines_ignored = "1 line is" if ignored == 1 else f"{ignored:,} lines are"
    notes = [f"{lines_ignored} of no one key (Scan, PartiQL) and left out"] if ignored else []
    if cut:
        notes.append(f"the first {ACCESSES_MAX:,} accesses of the log are taken")
    # The last access is as far from the end as accesses are from one another.
    seconds = (end - begin) * len(accesses) / max(1, len(accesses) - 1)
    shifted = sorted((access._replace(at=access.at - begin) for access in accesses), key=lambda access: access.at)
    return Trace(f"the log {name}", tuple(shifted), seconds, tuple(notes))


def _is_head(row: list[str]) -> bool:
    return any(word.strip().lower() == "operation" for word in row)


def _columns(row: list[str], name: str, line: int) -> tuple[str, ...]:
    if not _is_head(row):
        if len(row) != len(COLUMNS):
            raise _wrong(name, line, f"{len(row)} columns, where a log without a head has {len(COLUMNS)}")
        return COLUMNS
    columns = tuple(word.strip() for word in row)
    lower = [word.lower() for word in columns]
    lacking = [column for column in COLUMNS if column not in lower]
    if lacking:
        raise _wrong(name, line, f"the head names no column {', '.join(lacking)}")
    if len(set(lower)) < len(lower):
        raise _wrong(name, line, "the head names a column twice")
    return tuple(word.lower() if word.lower() in (*COLUMNS, "sort") else word for word in columns)


def _access(row: list[str], columns: tuple[str, ...], sort_key: str | None, name: str, line: int) -> Access | None:
    """Return the access of a line; None where it is of no one key."""
    if len(row) != len(columns):
        raise _wrong(name, line, f"{len(row)} columns, and {len(columns)} are wanted")
    held = dict(zip(columns, row, strict=True))
    operation = held.pop("operation").strip().lower()
    if operation in IGNORED:
        return None
    kind = KINDS.get(operation)
    if kind is None:
        raise _wrong(name, line, f"{operation!r} is no operation on items")
    at, size, key = _time(held.pop("time"), name, line), held.pop("bytes").strip(), held.pop("key")
    if not size.isdecimal() or (kind != "query" and int(size) > ITEM_BYTES_MAX):
        raise _wrong(name, line, f"{size!r} is no size in bytes, of up to 400 KB an item")
    if not key:
        raise _wrong(name, line, "the key is empty")
    sort = held.pop("sort", None) or (held.pop(sort_key, None) if sort_key else None)
    others = {attribute: value for attribute, value in held.items() if value}
    return Access(at, kind, key, sort or None, int(size), others, operation.startswith("transact"))


def _time(text: str, name: str, line: int) -> float:
    try:
        number = float(text)
    except ValueError:
        try:
            moment = datetime.fromisoformat(text.strip())
        except ValueError:
            raise _wrong(name, line, f"{text!r} is no time") from None
        return (moment if moment.tzinfo else moment.replace(tzinfo=UTC)).timestamp()
    if not isfinite(number) or number < 0:
        raise _wrong(name, line, f"{text!r} is no time")
    return number / 1000 if number > MILLISECONDS_FROM else number


def _wrong(name: str, line: int, what: str) -> ConfigurationError:
    return ConfigurationError(f"{name}, line {line}: {what}", next_step=EXAMPLE)
