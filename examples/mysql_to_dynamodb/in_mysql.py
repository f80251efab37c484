"""The old repository: three tables of MySQL. It knows of no migration; `image` and `store` are for the Switch."""

from __future__ import annotations

from collections.abc import Callable, Generator
from contextlib import contextmanager
from queue import Empty, SimpleQueue
from typing import Any

from examples.mysql_to_dynamodb.shop import Entity, Key, Stale

ORDERS = """
    SELECT o.id, o.customer, o.revision, l.sku, l.count, l.price
    FROM orders o LEFT JOIN order_lines l ON l.order_id = o.id
"""
UPDATED = "ON DUPLICATE KEY UPDATE name = VALUES(name), orders = VALUES(orders), revision = VALUES(revision)"


class InMySQL:
    def __init__(self, connect: Callable[[], Any]) -> None:
        """`connect` makes a connection of PyMySQL."""
        self._connect = connect
        self._idle: SimpleQueue[Any] = SimpleQueue()

    # --- what the service calls

    def find_customer(self, customer_id: int) -> Entity | None:
        with self._transaction() as cursor:
            return self._customers(cursor, "WHERE id = %s", customer_id).get(customer_id)

    def find_order(self, order_id: int) -> Entity | None:
        with self._transaction() as cursor:
            return self._orders(cursor, "WHERE o.id = %s", order_id).get(order_id)

    show_order = find_order

    def rename(self, customer_id: int, name: str, seen: int) -> None:
        with self._transaction() as cursor:
            statement = "UPDATE customers SET name = %s, revision = revision + 1 WHERE id = %s AND revision = %s"
            one(cursor.execute(statement, (name, customer_id, seen)))

    def place(self, order_id: int, customer_id: int, lines: list[Entity]) -> None:
        with self._transaction() as cursor:
            one(cursor.execute("INSERT IGNORE INTO orders VALUES (%s, %s, 1)", (order_id, customer_id)))
            put_lines(cursor, order_id, lines)
            one(cursor.execute("UPDATE customers SET orders = orders + 1 WHERE id = %s", customer_id))

    def change(self, order_id: int, lines: list[Entity], seen: int) -> None:
        with self._transaction() as cursor:
            statement = "UPDATE orders SET revision = revision + 1 WHERE id = %s AND revision = %s"
            one(cursor.execute(statement, (order_id, seen)))
            put_lines(cursor, order_id, lines)

    def cancel(self, order_id: int, customer_id: int, seen: int) -> None:
        with self._transaction() as cursor:
            one(cursor.execute("SELECT id FROM orders WHERE id = %s AND revision = %s FOR UPDATE", (order_id, seen)))
            remove_order(cursor, order_id)
            one(cursor.execute("UPDATE customers SET orders = orders - 1 WHERE id = %s", customer_id))

    # --- what the Switch calls

    def image(self, key: Key) -> Entity | None:
        kind, number = key
        return self.find_customer(number) if kind == "customer" else self.find_order(number)

    def store(self, key: Key, image: Entity | None) -> None:
        kind, number = key
        with self._transaction() as cursor:
            if image is None:
                remove_order(cursor, number)  # no customer is ever removed
            elif kind == "customer":
                values = (number, image["name"], image["orders"], image["revision"])
                cursor.execute(f"INSERT INTO customers VALUES (%s, %s, %s, %s) {UPDATED}", values)
            else:
                statement = "INSERT INTO orders VALUES (%s, %s, %s) ON DUPLICATE KEY UPDATE revision = VALUES(revision)"
                cursor.execute(statement, (number, image["customer"], image["revision"]))
                put_lines(cursor, number, image["lines"])

    def everything(self) -> dict[Key, Entity]:
        with self._transaction() as cursor:
            customers, orders = self._customers(cursor), self._orders(cursor)
        found: dict[Key, Entity] = {("customer", number): each for number, each in customers.items()}
        return found | {("order", number): each for number, each in orders.items()}

    # --- below

    def _customers(self, cursor: Any, where: str = "", *values: object) -> dict[int, Entity]:
        cursor.execute(f"SELECT id, name, orders, revision FROM customers {where}", values)
        return {
            number: {"name": name, "orders": orders, "revision": revision}
            for number, name, orders, revision in cursor.fetchall()
        }

    def _orders(self, cursor: Any, where: str = "", *values: object) -> dict[int, Entity]:
        cursor.execute(f"{ORDERS} {where} ORDER BY o.id, l.number", values)
        found: dict[int, Entity] = {}
        for number, customer, revision, sku, count, price in cursor.fetchall():
            order = found.setdefault(number, {"customer": customer, "revision": revision, "lines": []})
            if sku is not None:
                order["lines"].append({"sku": sku, "count": count, "price": price})
        return found

    @contextmanager
    def _transaction(self) -> Generator[Any, None, None]:
        """All or nothing: a connection that is closed before its commit has written nothing."""
        try:
            connection = self._idle.get_nowait()
        except Empty:
            connection = self._connect()
        try:
            connection.begin()
            with connection.cursor() as cursor:
                yield cursor
            connection.commit()
        except BaseException:
            connection.close()
            raise
        self._idle.put(connection)


def put_lines(cursor: Any, order_id: int, lines: list[Entity]) -> None:
    cursor.execute("DELETE FROM order_lines WHERE order_id = %s", order_id)
    rows = [(order_id, number, line["sku"], line["count"], line["price"]) for number, line in enumerate(lines)]
    cursor.executemany("INSERT INTO order_lines VALUES (%s, %s, %s, %s, %s)", rows)


def remove_order(cursor: Any, order_id: int) -> None:
    """Its lines by name: what ON DELETE CASCADE removes is in no row log."""
    cursor.execute("DELETE FROM order_lines WHERE order_id = %s", order_id)
    cursor.execute("DELETE FROM orders WHERE id = %s", order_id)


def one(rows: int) -> None:
    """Raises Stale."""
    if rows != 1:
        raise Stale
