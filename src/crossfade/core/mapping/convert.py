"""convert: put another value in the place of one, by a function that has an inverse.

Each application checks the inverse: where what comes out, taken back, is not the same value again (`"007"` as a number
is 7, which would come back as `"7"`), the item is refused.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from decimal import ROUND_HALF_EVEN, Context, DivisionByZero, InvalidOperation, Overflow, localcontext
from typing import Any, Final, TypeAlias

from crossfade.core.items import DIGITS_MAX, VALUE_KINDS, AttributeValue, Item, same
from crossfade.core.mapping.paths import Path, PathLike, parse_path, put, show
from crossfade.core.mapping.piece import KEY_KINDS, KeyPart, Keys, Kind, Piece, kind_of, unmappable, value_at
from crossfade.core.mapping.python_values import exact_value, python_value
from crossfade.core.mapping.values import show_value
from crossfade.core.mapping.versions import check_version, told_by
from crossfade.errors import MappingError, MappingInvalid

Change: TypeAlias = Callable[[Any], Any]  # of an attribute value, or of a Python value
# That of Decimals: the same in every process of a fleet, whatever the application has set for itself.
ARITHMETIC: Final = Context(DIGITS_MAX, ROUND_HALF_EVEN, traps=[DivisionByZero, InvalidOperation, Overflow])


@dataclass(frozen=True, slots=True)
class Converter:
    """A change of one value and its inverse, both from attribute value to attribute value, or with `python` from Python
    value to Python value.

    `types` are what it takes and what it makes, such as `("S", "N")`; without them it cannot be used on a key. Either
    function raises ValueError for a value that it cannot take, with a text that says what is wrong with it. `prefix`:
    all that it does is to put this text before each text, which keeps their order. `version`: what tells the functions
    from others, where they use what no fingerprint can cover.
    """

    name: str
    forward: Change
    backward: Change
    types: tuple[str, str] | None = None
    prefix: str = ""
    python: bool = False
    version: str | None = None

    def __post_init__(self) -> None:
        check_version(self.version, self.name)

    def reversed(self) -> Converter:
        types = None if self.types is None else (self.types[1], self.types[0])
        return replace(
            self, name=f"reversed {self.name}", forward=self.backward, backward=self.forward, types=types, prefix=""
        )

    def changed(self, change: Change, value: AttributeValue) -> Any:
        """Return what one of its functions makes of a value: an attribute value, if the function keeps to its word."""
        if not self.python:
            return change(value)
        with localcontext(ARITHMETIC):
            return exact_value(change(python_value(value)))


@dataclass(frozen=True, slots=True)
class Convert(Piece):
    path: Path
    converter: Converter

    @property
    def alters(self) -> tuple[Path, ...]:
        return (self.path,)

    @property
    def content(self) -> tuple[object, ...]:
        converter = self.converter
        functions = told_by(converter.version, converter.forward, converter.backward)
        said = (self.path, converter.name, converter.types, *functions)
        return (*said, "python") if converter.python else said

    def bind(self, keys: Keys, target: Mapping[str, Kind]) -> tuple[Piece, Keys]:
        root = self.path[0]
        part = keys.get(root)
        types = self.converter.types
        if part is None or self.path != (root,) or (part.constant and types is None):
            return Piece.bind(self, keys, target)
        if types is None:
            raise MappingInvalid(
                f"{self.describe()}: {root!r} holds a part of the key, so the types must be known",
                next_step='say them: convert(..., types=("S", "N"))',
            )
        before, after = types[0], KEY_KINDS.get(types[1])
        if before != part.kind or after is None:
            raise MappingInvalid(
                f"{self.describe()}: takes {before} and makes {types[1]}, but {root!r} is {part.kind}"
                " and a key attribute must stay S, N or B"
            )
        prefix = self.converter.prefix
        made = KeyPart(after, constant=part.constant)
        if prefix and part.constant:
            made = KeyPart(after, constant=True, text=None if part.text is None else prefix + part.text)
        elif prefix:
            made = KeyPart(after, unchanged=part.unchanged, prefix=prefix + part.prefix)
        return self, {**keys, root: made}

    def forward(self, item: Item) -> None:
        self._replace(item, self.converter.forward, self.converter.backward, self.converter.types)

    def backward(self, item: Item) -> None:
        types = self.converter.types
        self._replace(item, self.converter.backward, self.converter.forward, None if types is None else types[::-1])

    def _replace(self, item: Item, change: Change, undo: Change, types: tuple[str, ...] | None) -> None:
        value = value_at(self, item, self.path)
        if value is None:
            return
        if types is not None and kind_of(value) != types[0]:
            raise unmappable(self, self.path, f"is {show_value(value)} of type {kind_of(value)}, not {types[0]}")
        changed = self._apply(change, value)
        if types is not None and kind_of(changed) != types[1]:
            became = f"became {show_value(changed)} of type {kind_of(changed)}, not {types[1]}"
            raise unmappable(self, self.path, became)
        back = self._apply(undo, changed)
        if not same(back, value):
            raise unmappable(self, self.path, f"is {show_value(value)}, which would come back as {show_value(back)}")
        put(item, self.path, changed)

    def _apply(self, change: Change, value: AttributeValue) -> AttributeValue:
        try:
            changed: Any = self.converter.changed(change, value)
        except MappingError:
            raise
        except Exception as error:
            raise unmappable(self, self.path, f"is {show_value(value)}: {error or type(error).__name__}") from error
        if not isinstance(changed, dict) or len(changed) != 1 or next(iter(changed)) not in VALUE_KINDS:  # pyright: ignore[reportUnknownArgumentType, reportUnknownVariableType]
            raise unmappable(self, self.path, f"became {changed!r}, which is no attribute value")
        return changed  # pyright: ignore[reportUnknownVariableType]

    def describe(self) -> str:
        return f"convert: {show(self.path)} by {self.converter.name}"


def convert(
    path: PathLike,
    converter: Converter | None = None,
    *,
    forward: Change | None = None,
    backward: Change | None = None,
    types: tuple[str, str] | None = None,
    python: bool = False,
    version: str | None = None,
) -> Piece:
    """Change the value at a path, by a ready-made converter or by two functions that undo each other.

    Functions take and return one attribute value (`{"S": "12"}` -> `{"N": "12"}`), or with `python=True` one Python
    value (`"12"` -> `Decimal(12)`), of the types that a boto3 resource gives, but `bytes`. Items without the value are
    left as they are. `types` (`("S", "N")`) makes any other type an error, and is needed on a key attribute. `version`:
    what tells these functions from others, where they use what no fingerprint can cover.
    """
    parsed = parse_path(path)
    given: Any = converter  # migration files are not type-checked
    if given is not None:
        if not isinstance(given, Converter):
            raise MappingInvalid(
                f"convert: {given!r} is no Converter",
                next_step="use a ready-made one such as text_to_number, or give forward= and backward=",
            )
        if forward is not None or backward is not None or types is not None or python or version is not None:
            raise MappingInvalid(f"convert: {show(parsed)}: a converter, or functions, not both")
        return Convert(parsed, given)
    if not callable(forward) or not callable(backward):
        raise MappingInvalid(
            f"convert: {show(parsed)}: the function and its inverse are both needed",
            next_step="give forward= and backward=, or a converter such as text_to_number",
        )
    if types is not None and (len(types) != 2 or not VALUE_KINDS.issuperset(types)):
        raise MappingInvalid(f"convert: {show(parsed)}: types are two of {', '.join(sorted(VALUE_KINDS))}")
    name = str(getattr(forward, "__qualname__", type(forward).__name__))
    return Convert(parsed, Converter(name, forward, backward, types, python=python, version=version))
