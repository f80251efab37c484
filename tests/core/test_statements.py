"""Which tables a PartiQL statement is about: those behind FROM, INTO and UPDATE, and nothing that is called alike."""

from __future__ import annotations

import pytest

from crossfade.core.request.names import mentions


@pytest.mark.parametrize(
    "statement",
    [
        "SELECT * FROM orders",
        'select a from "orders" where b = 1',
        'SELECT * FROM "orders"."by_day" WHERE day = ?',
        "SELECT * FROM orders.by_day",
        'SELECT * FROM orders."by day"',
        'SELECT * FROM "arn:aws:dynamodb:eu-west-1:123456789012:table/orders"',
        'SELECT * FROM "arn:aws:dynamodb:eu-west-1:123456789012:table/orders/index/by_day"',
        "INSERT INTO \"orders\" VALUE {'id': 'it''s'}",
        'UPDATE "orders" SET a = 1 WHERE id = ?',
        "DELETE\n FROM\torders WHERE id = ?",
        "SELECT * FROM 'orders'",
        "INSERT INTO 'orders' VALUE {'id': 'a'}",
        'EXISTS(SELECT * FROM "orders" WHERE id = ?)',
        "SELECT * FROM /* the old one */ orders",
        "SELECT * FROM -- the old one\n orders",
        'SELECT * FROM "orders',
        "orders",
    ],
)
def test_a_statement_about_the_table(statement: str) -> None:
    """However it is named; and where that cannot be known."""
    assert mentions(statement, "orders")


@pytest.mark.parametrize(
    "statement",
    [
        "SELECT * FROM \"others\" WHERE note = 'see orders'",
        "SELECT * FROM \"others\" WHERE note = 'it''s FROM orders'",
        'SELECT "orders" FROM "others"',
        'SELECT "FROM orders" FROM others',
        'SELECT orders FROM others WHERE orders > 3 AND "update" = orders',
        'SELECT * FROM "orders.bak"',
        'SELECT * FROM "orders-v2"',
        'SELECT * FROM "arn:aws:dynamodb:eu-west-1:123456789012:table/orders-v2"',
        "INSERT INTO \"others\" VALUE {'orders': 'orders'}",
        'UPDATE others SET "orders" = 1 WHERE id = ?',
        'SELECT * FROM "others"."orders"',
    ],
)
def test_a_statement_about_another(statement: str) -> None:
    """An attribute, a text, an index, or a table whose name only begins so."""
    assert not mentions(statement, "orders")
