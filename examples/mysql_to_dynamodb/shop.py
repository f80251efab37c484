"""What the shop's two repositories have in common: their methods, what is stored, and what is refused.

    customer: {"name": "Ann", "orders": 2, "revision": 1}
    order: {"customer": 3, "revision": 1, "lines": [{"sku": "pen", "count": 2, "price": Decimal("1.50")}]}

A change names the revision that was seen, and makes the next one. Who places an order chooses its number.
"""

from __future__ import annotations

from typing import Any, Protocol

Entity = dict[str, Any]
Key = tuple[str, int]
"""("customer", 3) or ("order", 17)"""


class Stale(Exception):
    """It is not as it was seen any more, so nothing was written."""


class Shop(Protocol):
    def find_customer(self, customer_id: int) -> Entity | None: ...

    def find_order(self, order_id: int) -> Entity | None: ...

    def show_order(self, order_id: int) -> Entity | None:
        """For a page: what it shows may be a moment old."""
        ...

    def rename(self, customer_id: int, name: str, seen: int) -> None: ...

    def place(self, order_id: int, customer_id: int, lines: list[Entity]) -> None:
        """The order, and one more of its customer."""
        ...

    def change(self, order_id: int, lines: list[Entity], seen: int) -> None: ...

    def cancel(self, order_id: int, customer_id: int, seen: int) -> None:
        """No such order any more, and one less of its customer."""
        ...


def path_of(key: Key) -> str:
    """As the web service and the journals have it: "/orders/17"."""
    return f"/{key[0]}s/{key[1]}"
