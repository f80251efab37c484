"""Items as the service sees them: exact numbers, sets without order, sizes and limits.

An item is botocore's low-level form: attribute names to attribute values, each value a dictionary of one entry such as
`{"N": "1.5"}`, with `bytes` for binary. Meaning and form differ (`1.50` is `1.5`, a set has no order), so nothing here
compares text where the service compares numbers, and no float is ever made.

Limits and sizes are those of "DynamoDB item sizes and formats" and "Supported data types" in the developer guide.
"""

from __future__ import annotations

import re
from collections.abc import Hashable, Mapping
from decimal import MAX_EMAX, MIN_EMIN, Context, Decimal, Inexact
from functools import lru_cache
from typing import Any, TypeAlias

from crossfade.errors import ServiceRejected

AttributeValue: TypeAlias = dict[str, Any]  # one entry, its key is one of KINDS; Any as in botocore
Item: TypeAlias = dict[str, AttributeValue]

VALUE_KINDS = frozenset({"S", "N", "B", "BOOL", "NULL", "L", "M", "SS", "NS", "BS"})
ITEM_BYTES_MAX = 400 * 1024
CONTAINERS_MAX = 31  # "nested attributes up to 32 levels deep": 31 lists or maps and the scalar inside them
DIGITS_MAX = 38
EXPONENT_MAX = 125  # 9.9999999999999999999999999999999999999E+125 is the largest magnitude
EXPONENT_MIN = -130  # 1E-130 is the smallest magnitude

_NUMBER = re.compile(r"[+-]?(?:\d+\.?\d*|\.\d+)(?:[eE](?P<exponent>[+-]?\d{1,10}))?", re.ASCII)
_INTEGER_DIGITS_PLAIN = 18  # integers this short need no check and no context
# Wide enough to add any two numbers of the service's range exactly: 125 + 130 + 38 digits.
_EXACT = Context(prec=320, Emax=MAX_EMAX, Emin=MIN_EMIN, traps=[Inexact])
_TOO_PRECISE = "Attempting to store more than 38 significant digits in a Number"
_TOO_LARGE = "Number overflow. Attempting to store a number with magnitude larger than supported range"
_TOO_SMALL = "Number underflow. Attempting to store a number with magnitude smaller than supported range"
INVALID_VALUES = "One or more parameter values were invalid: "
EMPTY_VALUE = "Supplied AttributeValue is empty, must contain exactly one of the supported datatypes"
TWO_KINDS = (
    "Supplied AttributeValue has more than one datatypes set, must contain exactly one of the supported datatypes"
)


class ValidationError(ServiceRejected):
    """The service's ValidationException; `message` and `text` are the service's own words."""

    def __init__(self, message: str) -> None:
        super().__init__("ValidationException", message)
        self.message = message


# --- numbers


@lru_cache(maxsize=8192)
def parse_number(text: str) -> Decimal:
    """The exact value of a number's text; ValidationError if the service would refuse it."""
    found = _NUMBER.fullmatch(text)
    if found is None or not -(2**31) < int(found["exponent"] or 0) < 2**31:
        raise ValidationError("A value provided cannot be converted into a number")
    return checked_number(Decimal(text))


def checked_number(number: Decimal, too_precise: str = _TOO_PRECISE) -> Decimal:
    """`number` in lowest terms; ValidationError if it has more digits or another magnitude than the service keeps."""
    try:
        lowest = number.normalize(_EXACT)
    except Inexact:
        raise ValidationError(too_precise) from None
    if not lowest:
        return Decimal(0)
    if len(lowest.as_tuple().digits) > DIGITS_MAX:
        raise ValidationError(too_precise)
    magnitude = lowest.adjusted()
    if magnitude > EXPONENT_MAX:
        raise ValidationError(_TOO_LARGE)
    if magnitude < EXPONENT_MIN:
        raise ValidationError(_TOO_SMALL)
    return lowest


def format_number(number: Decimal) -> str:
    """The text the service gives back: plain notation, no trailing zeros, no negative zero."""
    return format(checked_number(number), "f")


def stored_number(text: str) -> str:
    """The text the service stores and returns for a number sent as `text`."""
    return text if _is_plain(text) else format(parse_number(text), "f")


def add_numbers(left: str, right: str) -> str:
    """The exact sum of two numbers, as stored; ValidationError beyond 38 digits or the supported range."""
    if _is_plain(left) and _is_plain(right):
        return str(int(left) + int(right))
    return _format_sum(_EXACT.add(parse_number(left), parse_number(right)))


def subtract_numbers(left: str, right: str) -> str:
    """The exact difference of two numbers, as stored; ValidationError as for `add_numbers`."""
    if _is_plain(left) and _is_plain(right):
        return str(int(left) - int(right))
    return _format_sum(_EXACT.subtract(parse_number(left), parse_number(right)))


def _format_sum(number: Decimal) -> str:
    """Format a sum; with too many digits the service calls it too large."""
    return format(checked_number(number, too_precise=_TOO_LARGE), "f")


def _is_plain(text: str) -> bool:
    """Whether `text` is a short natural number already in its stored form: by far the most frequent number."""
    return (
        len(text) <= _INTEGER_DIGITS_PLAIN
        and text.isascii()
        and text.isdecimal()
        and (text[0] != "0" or len(text) == 1)
    )


# --- meaning


def same(left: AttributeValue | None, right: AttributeValue | None) -> bool:
    """Whether two values mean the same: numbers by value, sets without order. Absent equals absent only."""
    if left == right:
        return True
    if left is None or right is None:
        return False
    (kind,) = left
    if kind not in right:
        return False
    return _same(kind, left[kind], right[kind])


def _same(kind: str, left: Any, right: Any) -> bool:
    match kind:
        case "N":
            return parse_number(left) == parse_number(right)
        case "NS":
            return len(left) == len(right) and set(map(parse_number, left)) == set(map(parse_number, right))
        case "SS" | "BS":
            return len(left) == len(right) and set(left) == set(right)
        case "L":
            return len(left) == len(right) and all(map(same, left, right))
        case "M":
            return left.keys() == right.keys() and all(same(value, right[name]) for name, value in left.items())
        case _:
            return bool(left == right)


def same_item(left: Mapping[str, AttributeValue] | None, right: Mapping[str, AttributeValue] | None) -> bool:
    """Whether two items mean the same; None is an absent item."""
    if left == right:  # nearly always, and told at once
        return True
    if left is None or right is None:
        return False
    return left.keys() == right.keys() and all(same(value, right[name]) for name, value in left.items())


def canonical(item: Mapping[str, AttributeValue]) -> Hashable:
    """A hashable form that is equal exactly for items that mean the same."""
    return frozenset((name, canonical_value(value)) for name, value in item.items())


def canonical_value(value: AttributeValue) -> Hashable:
    """Return one value in a hashable form; equal values have equal forms."""
    ((kind, content),) = value.items()
    match kind:
        case "N":
            return kind, parse_number(content)
        case "NS":
            return kind, frozenset(map(parse_number, content))
        case "SS" | "BS":
            return kind, frozenset(content)
        case "L":
            return kind, tuple(map(canonical_value, content))
        case "M":
            return kind, canonical(content)
        case _:
            return kind, content


def copy_item(item: Mapping[str, AttributeValue]) -> Item:
    """A copy that shares nothing mutable with `item`."""
    return {name: copy_value(value) for name, value in item.items()}


def copy_value(value: AttributeValue) -> AttributeValue:
    ((kind, content),) = value.items()
    match kind:
        case "M":
            return {kind: copy_item(content)}
        case "L":
            return {kind: [copy_value(element) for element in content]}
        case "SS" | "NS" | "BS":
            return {kind: list(content)}
        case _:
            return {kind: content}


# --- sizes


def size_bytes(item: Mapping[str, AttributeValue]) -> int:
    """The size that counts towards ITEM_BYTES_MAX: names in UTF-8 and values as `value_bytes`."""
    return sum(_text_bytes(name) + value_bytes(value) for name, value in item.items())


def value_bytes(value: AttributeValue) -> int:
    """Bytes of one value by the developer guide's rules.

    Text is its UTF-8, binary its length, null and Boolean one byte; a number one byte for two significant digits, one
    more, and one more if negative; a set the sum of its elements; a list or map three bytes and one an element besides
    the elements (and names) themselves.
    """
    ((kind, content),) = value.items()
    match kind:
        case "S":
            return _text_bytes(content)
        case "N":
            return _number_bytes(content)
        case "B":
            return len(content)
        case "SS":
            return sum(map(_text_bytes, content))
        case "NS":
            return sum(map(_number_bytes, content))
        case "BS":
            return sum(map(len, content))
        case "L":
            return 3 + sum(1 + value_bytes(element) for element in content)
        case "M":
            return 3 + len(content) + size_bytes(content)
        case _:
            return 1


def _text_bytes(text: str) -> int:
    return len(text) if text.isascii() else len(text.encode())


@lru_cache(maxsize=8192)
def _number_bytes(text: str) -> int:
    number = parse_number(text)
    return (len(number.as_tuple().digits) + 1) // 2 + 1 + (number < 0)


# --- what may be stored


def validate_item(item: Mapping[str, AttributeValue]) -> None:
    """ValidationError, in the service's words, if it would refuse to store `item` (whatever its key)."""
    _ = stored_item(item)
    if size_bytes(item) > ITEM_BYTES_MAX:
        raise ValidationError("Item size has exceeded the maximum allowed size")


def stored_item(item: Mapping[str, AttributeValue]) -> Item:
    """`item` as the service would give it back: numbers in stored form. ValidationError if a value is not allowed."""
    stored: Item = {}
    for name, value in item.items():
        if not name:
            raise ValidationError("Empty attribute name")
        if container_levels(value) > CONTAINERS_MAX:
            raise ValidationError(
                "Nesting Levels have exceeded supported limits: "
                "Attributes in the item have nested levels beyond supported limit"
            )
        stored[name] = stored_value(value)
    return stored


def container_levels(value: AttributeValue) -> int:
    """How many lists and maps lie one inside the other in `value`; 0 for a scalar or a set."""
    deepest = 0
    pending = [(value, 0)]
    while pending:
        current, level = pending.pop()
        contents = current.get("L")
        if contents is None and "M" in current:
            contents = current["M"].values()
        if contents is not None:
            deepest = max(deepest, level + 1)
            if deepest > CONTAINERS_MAX:
                return deepest
            pending.extend((content, level + 1) for content in contents)
    return deepest


def stored_value(value: AttributeValue) -> AttributeValue:
    """`value` as the service would give it back; ValidationError if it would refuse it. Shares what did not change."""
    if len(value) != 1:
        raise ValidationError(TWO_KINDS if value else EMPTY_VALUE)
    ((kind, content),) = value.items()
    match kind:
        case "S" | "B" | "BOOL":
            return value
        case "N":
            text = stored_number(content)
            return value if text == content else {kind: text}
        case "L":
            return {kind: [stored_value(element) for element in content]}
        case "M":
            return {kind: _stored_map(content)}
        case "NULL":
            if content is not True:
                raise ValidationError(INVALID_VALUES + "Null attribute value types must have the value of true")
            return value
        case "SS" | "NS" | "BS":
            return {kind: _stored_set(kind, content)}
        case _:
            raise ValidationError(EMPTY_VALUE)


def _stored_map(content: Mapping[str, AttributeValue]) -> dict[str, AttributeValue]:
    stored: dict[str, AttributeValue] = {}
    for name, value in content.items():
        if not name:
            raise ValidationError("Empty attribute name")
        stored[name] = stored_value(value)
    return stored


def _stored_set(kind: str, content: list[Any]) -> list[Any]:
    if not content:
        what = {"SS": "An string set  may not be empty", "NS": "An number set  may not be empty"}
        raise ValidationError(INVALID_VALUES + what.get(kind, "Binary sets should not be empty"))
    if kind == "NS":
        content = [stored_number(element) for element in content]
    if len(set(content)) == len(content):
        return content
    match kind:
        case "NS":
            raise ValidationError("Input collection contains duplicates")
        case "BS":
            raise ValidationError(INVALID_VALUES + "Input collection of type BS contains duplicates.")
        case _:
            raise ValidationError(INVALID_VALUES + f"Input collection [{', '.join(content)}] contains duplicates")
