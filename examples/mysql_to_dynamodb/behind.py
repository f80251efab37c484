"""The one thing that the service has because of the migration: a Switch in front of both repositories."""

from __future__ import annotations

import os
from collections.abc import Callable
from typing import Any

import boto3
import pymysql

from crossfade import Mirror, Read, Switch, Write
from crossfade.cdc.hiding import hide_versions
from examples.mysql_to_dynamodb.in_dynamodb import TABLE, InDynamoDB
from examples.mysql_to_dynamodb.in_mysql import InMySQL
from examples.mysql_to_dynamodb.shop import Key, Stale


def of(kind: str) -> Callable[..., Key]:
    """The key of a method whose first argument is the number."""
    return lambda number, *_: (kind, number)


def both(order_id: int, customer_id: int, *_: Any) -> tuple[Key, Key]:
    return ("order", order_id), ("customer", customer_id)


OPERATIONS: dict[str, Read | Write] = {
    "find_customer": Read(key=of("customer")),
    "find_order": Read(key=of("order")),
    "show_order": Read(key=of("order"), eventual=True, samples=0.5),
    "rename": Write(key=of("customer")),
    "place": Write(keys=both, transaction=True),
    "change": Write(key=of("order")),
    "cancel": Write(keys=both, transaction=True),
}


def in_mysql() -> InMySQL:
    where: dict[str, Any] = {name: os.environ[f"SHOP_MYSQL_{name.upper()}"] for name in ("host", "user", "password")}
    where["port"] = int(os.environ["SHOP_MYSQL_PORT"])
    return InMySQL(lambda: pymysql.connect(**where, database="shop"))


def in_dynamodb() -> InDynamoDB:
    resource: Any = boto3.resource("dynamodb")
    client = resource.meta.client
    hide_versions(client, TABLE)  # what is deleted stays there as a tombstone until the cleanup
    return InDynamoDB(client)


def shop_switch(**options: Any) -> Switch:
    return Switch(
        "shop",
        in_mysql(),
        in_dynamodb(),
        OPERATIONS,
        control=boto3.client("dynamodb"),
        mirror=Mirror(load="image", save="store", carried="log"),
        refusals=(Stale,),
        **options,
    )
