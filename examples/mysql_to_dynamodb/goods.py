"""What there is before anybody writes: each order and each customer follows from its number."""

from __future__ import annotations

from decimal import Decimal

from examples.mysql_to_dynamodb.shop import Entity, Key

SKUS = ("pen", "ink", "paper", "ruler", "clip")
PRICES = {sku: Decimal(120 + 35 * n) / 100 for n, sku in enumerate(SKUS)}


def line(sku: str, count: int) -> Entity:
    return {"sku": sku, "count": count, "price": PRICES[sku]}


def customers_of(orders: int) -> int:
    """How many customers there are: an even number, so that each buyer has the orders of its customers."""
    return max(2, orders // 4 * 2)


def customer_of(order_id: int, orders: int) -> int:
    return order_id % customers_of(orders)


def seeded(orders: int) -> dict[Key, Entity]:
    """So many orders, and their customers."""
    found: dict[Key, Entity] = {
        ("customer", number): {"name": f"Customer {number}", "orders": 0, "revision": 1}
        for number in range(customers_of(orders))
    }
    for number in range(orders):
        customer = customer_of(number, orders)
        found["customer", customer]["orders"] += 1
        lines = [line(SKUS[(number + n) % len(SKUS)], n + 1) for n in range(number % 3 + 1)]
        found["order", number] = {"customer": customer, "revision": 1, "lines": lines}
    return found
