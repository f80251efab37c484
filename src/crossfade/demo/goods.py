"""What the shop's table holds: one large customer, one middling one, and a long tail.

Every document is written from its number alone, so whoever knows the number knows what was there at the beginning.
Four kinds, each changed in its own way, so that each kind of loss can be told afterwards:

    cart      lines are appended and counted                         append
    invoice   revised under a version number                         revise
    hold      made once if not there, given up again                 reserve, release, cancel
    note      replaced or corrected by whoever comes last            replace, correct
"""

from __future__ import annotations

import zlib
from collections.abc import Iterator
from dataclasses import dataclass
from decimal import Context
from typing import Any, Literal, TypeAlias

Kind = Literal["cart", "invoice", "hold", "note"]
KINDS: tuple[Kind, ...] = ("cart", "invoice", "hold", "note")
Raw: TypeAlias = dict[str, Any]  # an item in DynamoDB's own form

SOURCE = "shop"
TARGET = "shop-v2"
SEEDED = "seed"  # the token of what was there at the beginning
BLOCK = 10  # of ten documents, six are the large customer's and two the middling one's
TAIL_BLOCKS = 50  # a customer of the tail has twice as many documents
FILLER = "a document of the shop, as long as documents are. "


@dataclass(frozen=True, slots=True, order=True)
class Key:
    customer: str
    document: str

    @property
    def kind(self) -> str:
        return self.document.partition("-")[0]

    @property
    def number(self) -> int:
        return int(self.document.partition("-")[2])

    @property
    def raw(self) -> Raw:
        return {"customer": {"S": self.customer}, "document": {"S": self.document}}

    def __str__(self) -> str:
        return f"{self.customer}/{self.document}"


def key_of(number: int) -> Key:
    """The key of document `number`. Numbers from `items` on are those of holds that are not there at the beginning."""
    block, place = divmod(number, BLOCK)
    if place < 6:
        customer = "acme"
    elif place < 8:
        customer = "globex"
    else:
        customer = f"tail-{block // TAIL_BLOCKS:05d}"
    return Key(customer, f"{KINDS[block % len(KINDS)]}-{number:08d}")


def blocks_of_a_kind(items: int) -> int:
    """How many whole blocks of each kind there are; with `number_in` documents can be drawn from them."""
    return max(1, items // (BLOCK * len(KINDS)))


def numbers_max(items: int) -> int:
    """Below this are all numbers in use: the seeded ones, and those of holds that are yet to be made."""
    return items + items // 8 + BLOCK * len(KINDS)


def number_in(kind: Kind, block: int, place: int) -> int:
    """The number of a document: the `block`th block of its kind, and its place in there."""
    return (block * len(KINDS) + KINDS.index(kind)) * BLOCK + place


def customers(items_max: int) -> Iterator[str]:
    """Every customer that documents below `items_max` can have."""
    yield "acme"
    yield "globex"
    for tail in range(items_max // (BLOCK * TAIL_BLOCKS) + 1):
        yield f"tail-{tail:05d}"


def cents(token: str) -> str:
    """The amount that goes with a token, so that half of one write with half of another is seen."""
    return str(zlib.crc32(token.encode()) % 1_000_000)


def document(key: Key, token: str) -> Raw:
    """The whole document as `token` writes it, in the form of the old table; it is in its canonical form."""
    number = key.number
    labels = sorted((f"label-{number % 7}", f"label-{number % 11 + 7}"))
    return key.raw | {
        "amount": {"S": cents(token)},
        "version": {"N": "1"},
        "count": {"N": "0"},
        "lines": {"L": []},
        "last": {"S": token},
        "detail": {
            "M": {
                "status": {"S": "open"},
                "text": {"S": (FILLER * 5)[: 120 + number % 100]},
                "size": {"M": {"width": {"N": str(number % 97)}, "height": {"N": f"{number % 89}.5"}}},
            }
        },
        "labels": {"SS": labels},
        "exact": {"N": "1234567890123456789012345678.0123456789"},
        "digest": {"B": "AAEC/w=="},
        "gift": {"BOOL": number % 2 == 0},
        "nothing": {"NULL": True},
    }


EXACT = Context(prec=40)  # DynamoDB's numbers have 38 digits


def canonical(value: Raw) -> Raw:
    """An item, or a map in one, in the one form that equal ones share: sets in order, numbers without useless zeros."""
    return {name: _canonical_value(held) for name, held in value.items()}


def _canonical_value(value: Raw) -> Raw:
    kind, held = next(iter(value.items()))
    match kind:
        case "M":
            return {"M": canonical(held)}
        case "L":
            return {"L": [_canonical_value(one) for one in held]}
        case "SS" | "BS":
            return {kind: sorted(held)}
        case "N":
            return {"N": _number(held)}
        case "NS":
            return {"NS": sorted(_number(one) for one in held)}
        case _:
            return value


def _number(text: str) -> str:
    return text if text.isdigit() and text[0] != "0" else f"{EXACT.create_decimal(text).normalize(EXACT):f}"
