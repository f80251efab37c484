"""Statements in a log of rows: what ends a transaction, what changes a table's columns, and what changes rows untold.

A statement is looked at for its first words and for names of followed tables; that is no parser of SQL, and errs on the
side of refusing: a comment that names a followed table in a TRUNCATE of another one stops the reader too.
"""

from __future__ import annotations

import re
from enum import Enum
from typing import Final


class Meaning(Enum):
    """What a statement in the log is to a reader of rows."""

    BEGIN = "begin"
    COMMIT = "commit"
    ROLLBACK = "rollback"
    SAVEPOINT = "savepoint"
    UNDONE = "undone"  # back to a savepoint: in the log only where rows before it in the log are not there
    PREPARE = "prepare"  # of a distributed transaction: whether its rows will ever be is open
    ROWS = "rows"  # it changes rows by itself
    FUNCTION = "function"  # called where rows are not logged: of which tables it changes rows is not told
    REMOVAL = "removal"  # TRUNCATE, DROP, RENAME: rows are gone from where they were, or come with a table
    SCHEMA = "schema"
    OTHER = "other"


# What is quoted is never a word of SQL, and a comment that a server carries out is no comment.
LEXEMES: Final = re.compile(
    r"(?P<quoted>'(?:[^'\\]|\\.|'')*'|\"(?:[^\"\\]|\\.|\"\")*\"|`(?:[^`]|``)*`)"
    r"|/\*M?!\d*|\*/|/\*.*?\*/|--(?:\s[^\n]*|$)|\#[^\n]*",
    re.DOTALL,
)
PLAIN: Final = frozenset(["BEGIN", "COMMIT", "ROLLBACK"])  # nearly all of a log of rows
FOR_ONE_STATEMENT: Final = re.compile(r"SET\s+STATEMENT\b.*?\bFOR\b", re.IGNORECASE | re.DOTALL)
SCHEMA_GOES: Final = re.compile(r"(DROP|CREATE\s+OR\s+REPLACE)\s+(DATABASE|SCHEMA)\b", re.IGNORECASE)
MEANINGS: Final = (
    (re.compile(r"BEGIN\b|START\s+TRANSACTION\b|XA\s+(START|BEGIN)\b", re.IGNORECASE), Meaning.BEGIN),
    (re.compile(r"COMMIT\b|XA\s+COMMIT\b", re.IGNORECASE), Meaning.COMMIT),
    (re.compile(r"ROLLBACK\s+(WORK\s+)?TO\b", re.IGNORECASE), Meaning.UNDONE),
    (re.compile(r"SAVEPOINT\b|RELEASE\b", re.IGNORECASE), Meaning.SAVEPOINT),
    (re.compile(r"ROLLBACK\b|XA\s+ROLLBACK\b", re.IGNORECASE), Meaning.ROLLBACK),
    (re.compile(r"XA\s+(END|PREPARE)\b", re.IGNORECASE), Meaning.PREPARE),
    (re.compile(r"(INSERT|UPDATE|DELETE|REPLACE|LOAD|WITH)\b", re.IGNORECASE), Meaning.ROWS),
    (re.compile(r"DO\s+RELEASE_LOCK\b", re.IGNORECASE), Meaning.OTHER),  # an old server, at a session's end
    (re.compile(r"(SELECT|DO)\b", re.IGNORECASE), Meaning.FUNCTION),
    (re.compile(r"DROP\s+TEMPORARY\b", re.IGNORECASE), Meaning.OTHER),
    (SCHEMA_GOES, Meaning.REMOVAL),
    (
        re.compile(
            r"TRUNCATE\b|RENAME\s+TABLE|DROP\s+TABLES?\b|CREATE\s+OR\s+REPLACE\s+TABLE\b"
            r"|ALTER\s+(ONLINE\s+)?IGNORE\b|ALTER\s+(ONLINE\s+)?TABLE\b"
            r".*\b((DROP|TRUNCATE|EXCHANGE|DISCARD|IMPORT|CONVERT)\s+(PARTITION|TABLE|TABLESPACE)\b"
            r"|RENAME\b(?!\s+(COLUMN|INDEX|KEY)\b))",
            re.IGNORECASE | re.DOTALL,
        ),
        Meaning.REMOVAL,
    ),
    (re.compile(r"(ALTER|CREATE|DROP)\b", re.IGNORECASE), Meaning.SCHEMA),
)


def meaning(statement: str) -> Meaning:
    """What the statement is to a reader of rows."""
    words = words_of(statement)
    return next((found for pattern, found in MEANINGS if pattern.match(words)), Meaning.OTHER)


def words_of(statement: str) -> str:
    """The statement as it is carried out, with nothing in its quotes."""
    if statement in PLAIN:
        return statement
    words = LEXEMES.sub(lambda found: " '' " if found["quoted"] else " ", statement).strip()
    return FOR_ONE_STATEMENT.sub("", words, count=1).strip() if words[:3].upper() == "SET" else words


def names_any(statement: str, schema: str, tables: frozenset[str]) -> str:
    """The first of the tables ("schema.table") that the statement names, or whose schema goes; "" for none."""
    text = statement.lower()
    whole = SCHEMA_GOES.match(words_of(statement))
    for name in sorted(tables):
        of_schema, _, table = name.lower().partition(".")
        if whole:
            if _names(text, of_schema):
                return name
        elif _names(text, table) and (of_schema == schema.lower() or _names(text, of_schema)):
            return name
    return ""


def _names(text: str, name: str) -> bool:
    """Whether a name stands there, between quotes or whatever else ends a name; a backtick within it is doubled."""
    held = re.escape(name.replace("`", "``"))
    return re.search(rf"(?<![^\s`'\"().,;=*/]){held}(?![^\s`'\"().,;=*/])", text) is not None
