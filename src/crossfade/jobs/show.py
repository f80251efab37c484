"""Keys as people read them."""

from __future__ import annotations

from crossfade.core.items import Item
from crossfade.core.mapping.values import show_value


def show_key(key: Item) -> str:
    """`customer='acme' order_id='7'`"""
    return " ".join(f"{name}={show_value(value)}" for name, value in key.items())
