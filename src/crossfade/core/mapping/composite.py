"""split and join: one attribute that holds several (`"acme#7"`), and those several on their own.

They are each other's inverse. The last part may hold the separator, since a text is cut at the first ones; any other
part that does, or a number not in its plain form (`"007"`), would not come back, and the item is refused.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Literal, TypeAlias, cast

from crossfade.core.items import AttributeValue, Item, format_number, parse_number
from crossfade.core.mapping.paths import Path, PathLike, parse_name
from crossfade.core.mapping.piece import KeyPart, Keys, Kind, Piece, unmappable
from crossfade.core.mapping.values import show_value
from crossfade.errors import MappingInvalid, ServiceRejected

Parts: TypeAlias = Sequence[str] | Mapping[str, Literal["S", "N"]]


@dataclass(frozen=True, slots=True)
class Composite(Piece):
    whole: str
    parts: tuple[tuple[str, Kind], ...]
    separator: str
    splits: bool  # forward splits; otherwise forward joins

    @property
    def takes(self) -> tuple[Path, ...]:
        return ((self.whole,),) if self.splits else tuple((name,) for name, _ in self.parts)

    @property
    def gives(self) -> tuple[Path, ...]:
        return tuple((name,) for name, _ in self.parts) if self.splits else ((self.whole,),)

    @property
    def content(self) -> tuple[object, ...]:
        return (self.whole, self.parts, self.separator, self.splits)

    def bind(self, keys: Keys, target: Mapping[str, Kind]) -> tuple[Piece, Keys]:
        names = [path[0] for path in self.takes]
        held = [keys[name] for name in names if name in keys]
        if all(part.constant for part in held) and len(held) < len(names):
            return Piece.bind(self, keys, target)
        if len(held) < len(names):
            raise MappingInvalid(
                f"{self.describe()}: joins a part of the key with an ordinary attribute",
                next_step="a target key is made of the source key alone: join key attributes with one another, or with"
                " a value that set_default gives to every item",
            )
        after = {name: part for name, part in keys.items() if name not in names}
        whole: tuple[tuple[str, Kind], ...] = ((self.whole, "S"),)
        before, made = (whole, self.parts) if self.splits else (self.parts, whole)
        for name, kind in before:
            if keys[name].kind != kind:
                raise MappingInvalid(
                    f"{self.describe()}: {name!r} is of type {keys[name].kind}, not {kind}",
                    next_step="declare the types of the parts: {'tenant': 'S', 'number': 'N'}",
                )
        for name, kind in made:
            if name in after:
                raise MappingInvalid(f"{self.describe()}: {name!r} already holds a part of the key")
            after[name] = KeyPart(kind, constant=all(part.constant for part in held))
        if not self.splits:
            after[self.whole] = self._joined(held)
        return self, after

    def _joined(self, parts: Sequence[KeyPart]) -> KeyPart:
        """Texts before the last part that are the same in every item keep the order of what that holds."""
        texts = [part.text for part in parts[:-1]]
        before = None if None in texts else "".join(f"{text}{self.separator}" for text in texts)
        last = parts[-1]
        if before is None or last.kind != "S":
            return KeyPart("S", constant=all(part.constant for part in parts))
        if last.constant:
            return KeyPart("S", constant=True, text=None if last.text is None else before + last.text)
        return KeyPart("S", unchanged=last.unchanged, prefix=before + last.prefix)

    def forward(self, item: Item) -> None:
        (self._split if self.splits else self._join)(item)

    def backward(self, item: Item) -> None:
        (self._join if self.splits else self._split)(item)

    def _split(self, item: Item) -> None:
        for name, _ in self.parts:
            if name in item and name != self.whole:
                raise unmappable(self, name, "is already there", "rename or drop it first")
        value = item.get(self.whole)
        if value is None:
            return
        text = value.get("S")
        texts: list[str] = [] if text is None else text.split(self.separator, len(self.parts) - 1)
        if len(texts) != len(self.parts):
            raise unmappable(
                self, self.whole, f"is {show_value(value)}, not {len(self.parts)} texts joined by {self.separator!r}"
            )
        del item[self.whole]
        for (name, kind), part in zip(self.parts, texts, strict=True):
            item[name] = {"S": part} if kind == "S" else {"N": self._number(name, part)}

    def _join(self, item: Item) -> None:
        values = [item.get(name) for name, _ in self.parts]
        if self.whole in item and all(name != self.whole for name, _ in self.parts):
            raise unmappable(self, self.whole, "is already there", "rename or drop it first")
        if all(value is None for value in values):
            return
        texts: list[str] = []
        for (name, kind), value in zip(self.parts, values, strict=True):
            if value is None:
                raise unmappable(self, name, "is missing while the others are there")
            texts.append(self._text(name, kind, value))
        for name, text in zip((name for name, _ in self.parts[:-1]), texts, strict=False):
            if self.separator in text:
                raise unmappable(self, name, f"is {text!r}: it holds the separator {self.separator!r}")
        joined = self.separator.join(texts)
        # Parts that each lack the separator can still make one where they meet: "a:" + "::" + "b" is cut too early.
        if joined.split(self.separator, len(texts) - 1) != texts:
            raise unmappable(self, self.whole, f"would be {joined!r}, which does not come apart in the same places")
        for name, _ in self.parts:
            del item[name]
        item[self.whole] = {"S": joined}

    def _number(self, name: str, text: str) -> str:
        try:
            number = format_number(parse_number(text))
        except ServiceRejected as error:
            raise unmappable(self, name, f"would be {text!r}: {error.text}") from error
        if number != text:
            raise unmappable(self, name, f"would be the number {text!r}, which would come back as {number!r}")
        return number

    def _text(self, name: str, kind: Kind, value: AttributeValue) -> str:
        held = value.get(kind)
        if held is None:
            raise unmappable(self, name, f"is {show_value(value)}, not of type {kind}")
        return cast("str", held) if kind == "S" else format_number(parse_number(held))

    def describe(self) -> str:
        parts = ", ".join(name if kind == "S" else f"{name} ({kind})" for name, kind in self.parts)
        if self.splits:
            return f"split: {self.whole} -> {parts} at {self.separator!r}"
        return f"join: {parts} -> {self.whole} with {self.separator!r}"


def split(key: PathLike, into: Parts, separator: str = "#") -> Piece:
    """One text attribute into several: `split("pk", into=("tenant", "user"))`.

    `into` names the parts, all texts; or names and types: `{"tenant": "S", "number": "N"}`. A text with fewer
    separators than needed cannot be mapped; with more, the rest belongs to the last part.
    """
    return Composite(parse_name(key), _parts(into), _separator(separator), splits=True)


def join(parts: Parts, into: PathLike, separator: str = "#") -> Piece:
    """Several attributes into one text: `join(("tenant", "user"), into="pk")`; the inverse of split."""
    return Composite(parse_name(into), _parts(parts), _separator(separator), splits=False)


def _parts(given: Parts) -> tuple[tuple[str, Kind], ...]:
    raw: Any = given  # migration files are not type-checked
    if isinstance(raw, str):
        raise MappingInvalid(f"{raw!r}: the parts are a tuple of names", next_step='write ("tenant", "user")')
    named: list[tuple[str, Any]] = list(
        given.items() if isinstance(given, Mapping) else ((name, "S") for name in given)
    )
    parts: list[tuple[str, Kind]] = []
    for name, kind in named:
        if kind != "S" and kind != "N":
            raise MappingInvalid(f"part {name!r}: a part is of type S or N, not {kind!r}")
        parts.append((parse_name(name), kind))
    if len(parts) < 2 or len(dict(parts)) != len(parts):
        raise MappingInvalid("there must be two parts or more, each with a name of its own")
    return tuple(parts)


def _separator(given: str) -> str:
    if not given or not isinstance(given, str):  # pyright: ignore[reportUnnecessaryIsInstance] - not type-checked
        raise MappingInvalid(f"separator {given!r}: one character or more is needed")
    return given
