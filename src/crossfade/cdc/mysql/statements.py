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
    PREPARE = "prepare"  # of a distributed transaction: whether its rows will ever be is open
    ROWS = "rows"  # it changes rows by itself
    REMOVAL = "removal"  # TRUNCATE, DROP, RENAME: rows are gone from where they were
    SCHEMA = "schema"
    OTHER = "other"


COMMENT: Final = re.compile(r"/\*(?!!|M!).*?\*/|--\s[^\n]*|#[^\n]*", re.DOTALL)
MEANINGS: Final = (
    (re.compile(r"BEGIN\b|START\s+TRANSACTION\b|XA\s+(START|BEGIN)\b", re.IGNORECASE), Meaning.BEGIN),
    (re.compile(r"COMMIT\b|XA\s+COMMIT\b", re.IGNORECASE), Meaning.COMMIT),
    (re.compile(r"ROLLBACK\s+TO\b|SAVEPOINT\b|RELEASE\b", re.IGNORECASE), Meaning.SAVEPOINT),
    (re.compile(r"ROLLBACK\b|XA\s+ROLLBACK\b", re.IGNORECASE), Meaning.ROLLBACK),
    (re.compile(r"XA\s+(END|PREPARE)\b", re.IGNORECASE), Meaning.PREPARE),
    (re.compile(r"(INSERT|UPDATE|DELETE|REPLACE|LOAD|WITH)\b", re.IGNORECASE), Meaning.ROWS),
    (re.compile(r"DROP\s+(/\*!\d*\s*)?TEMPORARY\b", re.IGNORECASE), Meaning.OTHER),
    (
        re.compile(
            r"TRUNCATE\b|RENAME\s+TABLE|DROP\s+(TABLE|DATABASE|SCHEMA)\b|CREATE\s+OR\s+REPLACE\s+TABLE\b"
            r"|ALTER\s+TABLE\b.*\b((DROP|TRUNCATE|EXCHANGE|DISCARD|IMPORT|CONVERT)\s+(PARTITION|TABLESPACE)\b"
            r"|RENAME\s+(?!COLUMN\b|INDEX\b|KEY\b))",
            re.IGNORECASE | re.DOTALL,
        ),
        Meaning.REMOVAL,
    ),
    (re.compile(r"(ALTER|CREATE|DROP)\b", re.IGNORECASE), Meaning.SCHEMA),
)


def meaning(statement: str) -> Meaning:
    """What the statement is to a reader of rows."""
    words = (
        COMMENT.sub(" ", statement).strip()
        if "/*" in statement or "--" in statement or "#" in statement
        else (statement.strip())
    )
    return next((found for pattern, found in MEANINGS if pattern.match(words)), Meaning.OTHER)


def names_any(statement: str, schema: str, tables: frozenset[str]) -> str:
    """The first of the tables ("schema.table") that the statement names, or whose schema it drops; "" for none."""
    words = {word.lower() for word in re.findall(r"[^\s`'\"().,;=]+", statement)}
    whole = re.match(r"\s*DROP\s+(DATABASE|SCHEMA)\b", statement, re.IGNORECASE)
    for name in sorted(tables):
        of_schema, _, table = name.lower().partition(".")
        if whole:
            if of_schema in words:
                return name
        elif table in words and (of_schema == schema.lower() or of_schema in words):
            return name
    return ""
