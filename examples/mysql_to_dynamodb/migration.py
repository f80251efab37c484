"""Three tables become one: a customer is an item, and so is an order together with its lines."""

from typing import Any

from crossfade import Table
from crossfade.cdc import Child, Kafka, MySQL, RowMigration, key
from crossfade.cdc.row import Row

migration = RowMigration(
    name="shop",
    source=MySQL(server_id=7001),
    target=Table("shop", key={"pk": "S", "sk": "S"}),
    topics=Kafka("shop", partitions=4),
)


@migration.table("shop.customers")
def customer(row: Row) -> dict[str, Any]:
    return {
        "pk": key("customer", row["id"]),
        "sk": "profile",
        "name": row["name"],
        "orders": row["orders"],
        "revision": row["revision"],
    }


@migration.fold(
    "shop.orders",
    into=lambda order_id: {"pk": key("order", order_id), "sk": "order"},
    lines=Child("shop.order_lines", parent="order_id"),
)
def order(row: Row, lines: list[Row]) -> dict[str, Any]:
    return {
        "customer": row["customer"],
        "revision": row["revision"],
        "lines": [
            {"sku": line["sku"], "count": line["count"], "price": line["price"]}
            for line in sorted(lines, key=lambda line: line["number"])
        ],
    }
