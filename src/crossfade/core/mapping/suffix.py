"""suffix: spread one partition over several by a number computed from the rest of the key.

`customer = "acme"` becomes `"acme#11"`, where 11 follows from `order_id` alone. So each client, in any language, and
each retry compute the same place for an item, and one that knows only the partition knows all places to ask. The hash
is fixed for ever and described in docs/mapping.md with test vectors:

    for each `by` value, in order:  type letter (S, N or B), byte length as 4 bytes, then the bytes
        S  the text in UTF-8            B  the bytes
        N  digits without zeros at either end, "e", power of ten: 1.50 -> 15e-1, -300 -> -3e2, 0 -> 0e0
    n = the first 4 bytes of SHA-256 of all that, as an unsigned big-endian number, modulo `count`
"""

from __future__ import annotations

import hashlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import lru_cache
from struct import Struct
from typing import Any, cast

from crossfade.core.items import AttributeValue, Item, parse_number
from crossfade.core.mapping.paths import Path, PathLike, parse_name
from crossfade.core.mapping.piece import KEY_KINDS, KeyPart, Keys, Kind, Piece, kind_of, unmappable
from crossfade.core.mapping.values import show_value
from crossfade.errors import MappingInvalid

EMPTY_DICT: AttributeValue = {}
TYPE_AND_LENGTH = Struct(">cI")
NUMBER = Struct(">I")
SHARDS_KEPT = 1_000
COUNT_MAX = 1_000  # a Query asks every suffix: beyond this, no client would wait for one


def number_form(text: str) -> str:
    """The one form that equal numbers share, whatever zeros and exponents they are written with."""
    sign, digits, exponent = parse_number(text).as_tuple()  # in lowest terms
    return f"{'-' if sign else ''}{''.join(map(str, digits))}e{exponent}"


def encode(values: Sequence[AttributeValue]) -> bytes:
    """The bytes that are hashed: typed and with lengths, so that no two lists of values give the same."""
    encoded = bytearray()
    for value in values:
        kind, held = next(iter(value.items()))
        match kind:
            case "S":
                raw = cast("str", held).encode()
            case "N":
                raw = number_form(cast("str", held)).encode("ascii")
            case "B":
                raw = bytes(held)
            case _:
                raise ValueError(f"a key attribute is S, N or B, not {kind}")
        encoded += kind.encode("ascii") + len(raw).to_bytes(4, "big") + raw
    return bytes(encoded)


def shard(values: Sequence[AttributeValue], count: int) -> int:
    """Which of `count` suffixes the item with these `by` values has."""
    return int.from_bytes(hashlib.sha256(encode(values)).digest()[:4], "big") % count


@lru_cache(SHARDS_KEPT)
def _shard_of_text(text: str, count: int) -> int:
    """Return the shard of one text, the most frequent case; cached, since an answer repeats the request's key."""
    raw = text.encode()
    found: int = NUMBER.unpack_from(hashlib.sha256(TYPE_AND_LENGTH.pack(b"S", len(raw)) + raw).digest())[0]
    return found % count


@dataclass(frozen=True, slots=True)
class Suffix(Piece):
    key: str
    count: int
    by: tuple[str, ...]  # empty until bound: then the rest of the key
    separator: str

    @property
    def alters(self) -> tuple[Path, ...]:
        return ((self.key,),)

    @property
    def content(self) -> tuple[object, ...]:
        return (self.key, self.count, self.by, self.separator)

    def bind(self, keys: Keys, target: Mapping[str, Kind]) -> tuple[Piece, Keys]:
        del target
        part = keys.get(self.key)
        if part is None:
            holders = ", ".join(name for name, other in keys.items() if not other.constant)
            raise MappingInvalid(
                f"{self.describe()}: {self.key!r} holds no part of the key here (held by {holders})",
                next_step="a suffix spreads a partition: name the attribute that is the partition key at this point",
            )
        if part.kind != "S":
            raise MappingInvalid(
                f"{self.describe()}: {self.key!r} is of type {part.kind}, and only a text can take a suffix",
                next_step=f'convert it first: convert("{self.key}", number_to_text)' if part.kind == "N" else "",
            )
        rest = tuple(name for name, other in keys.items() if name != self.key and not other.constant)
        if not rest:
            raise MappingInvalid(
                f"{self.describe()}: the key has no other attribute to compute the suffix from",
                next_step="a table without a sort key spreads by itself and needs no suffix",
            )
        for name in self.by:
            if name not in rest:
                raise MappingInvalid(
                    f"{self.describe()}: by={name!r} is not in the rest of the key ({', '.join(rest)})",
                    next_step="a suffix must follow from the key alone, by the names that hold it at this point",
                )
        bound = Suffix(self.key, self.count, self.by or rest, self.separator)
        return bound, {**keys, self.key: KeyPart("S")}

    def forward(self, item: Item) -> None:
        item[self.key] = {"S": f"{self._text(item)}{self.separator}{self.number(item)}"}

    def backward(self, item: Item) -> None:
        text = self._text(item)
        ending = f"{self.separator}{self.number(item)}"
        if not text.endswith(ending):
            raise unmappable(self, self.key, f"is {text!r}, but its suffix should be {ending!r}")
        item[self.key] = {"S": text[: -len(ending)]}

    def _text(self, item: Item) -> str:
        value = item.get(self.key)
        text: str | None = None if value is None else value.get("S")
        if text is None:
            raise unmappable(self, self.key, f"is {'missing' if value is None else show_value(value)}, not a text")
        return text

    def spread(self, partial: Item) -> tuple[Item, ...]:
        if self.key not in partial:
            return (partial,)
        if all(name in partial for name in self.by):
            return Piece.spread(self, partial)
        stem = cast("str", partial[self.key]["S"])
        return tuple({**partial, self.key: {"S": f"{stem}{self.separator}{number}"}} for number in range(self.count))

    def spread_back(self, partial: Item) -> tuple[Item, ...]:
        """The stem alone: whether the suffix is the right one, only the rest of the key can tell."""
        if self.key not in partial or all(name in partial for name in self.by):
            return Piece.spread_back(self, partial)
        stem, _, number = cast("str", partial[self.key]["S"]).rpartition(self.separator)
        if not stem or not number.isdecimal() or str(int(number)) != number or int(number) >= self.count:
            raise unmappable(self, self.key, f"is {show_value(partial[self.key])}: no suffix of this mapping")
        return ({**partial, self.key: {"S": stem}},)

    def number(self, item: Item) -> int:
        """The suffix of an item, as it is at this point of the mapping. Raises MappingError."""
        if len(self.by) == 1:
            text = item.get(self.by[0], EMPTY_DICT).get("S")
            if text is not None:
                return _shard_of_text(text, self.count)
        values: list[AttributeValue] = []
        for name in self.by:
            value = item.get(name)
            if value is None or kind_of(value) not in KEY_KINDS:
                raise unmappable(self, name, "is missing" if value is None else f"is {show_value(value)}, no key value")
            values.append(value)
        return shard(values, self.count)

    def describe(self) -> str:
        by = ", ".join(self.by) if self.by else "the rest of the key"
        return f"suffix: {self.key} -> {self.key}{self.separator}0 to {self.separator}{self.count - 1}, by {by}"


def suffix(key: PathLike, count: int = 16, *, by: str | Sequence[str] | None = None, separator: str = "#") -> Piece:
    """Write sharding: spread each value of a key attribute over `count` (1 to 1,000) values.

    `by` names the attributes of the rest of the key, at this point of the mapping, that the suffix is computed from;
    all of the rest when left out. A Query of one partition then asks `count` partitions and merges the answers.
    """
    name = parse_name(key)
    given: Any = count  # migration files are not type-checked
    if not isinstance(given, int) or isinstance(given, bool) or not 1 <= given <= COUNT_MAX:
        raise MappingInvalid(f"suffix: count is {count!r}, and must be a whole number from 1 to {COUNT_MAX:,}")
    sign: Any = separator
    if not isinstance(sign, str) or not sign or sign[-1].isdigit():
        raise MappingInvalid(
            f"suffix: separator {separator!r} must be a text that does not end with a digit",
            next_step="otherwise items of different partitions could meet in one",
        )
    names: Sequence[str] = () if by is None else (by,) if isinstance(by, str) else by
    return Suffix(name, given, tuple(parse_name((one,)) for one in names), separator)
