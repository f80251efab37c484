"""A difference, attribute by attribute, for people.

    mismatched  customer='acme' order_id='7'
      - detail.status: 'paid'
      + detail.status: 'open'

`-` is what the source's item maps to, `+` is what the target holds; what is equal is not shown.
"""

from __future__ import annotations

from collections.abc import Iterator
from itertools import zip_longest
from typing import Any, Final

from crossfade.core.items import AttributeValue, Item, same
from crossfade.core.mapping.values import SHOWN_CHARACTERS, show_value
from crossfade.core.sync.compare import Difference
from crossfade.core.tables.expiry import DAY_SECONDS
from crossfade.core.tables.pair import Pair
from crossfade.core.tables.stamps import Stored
from crossfade.errors import MappingError

LINES_MAX: Final = 20  # a sample is a hint; the item itself can be read with its key
CONTEXT_CHARACTERS: Final = 20

Change = tuple[str, AttributeValue | None, AttributeValue | None]


def diff_lines(pair: Pair, difference: Difference) -> tuple[str, ...]:
    """At most LINES_MAX lines, without the key."""
    if difference.overdue_seconds is not None:
        here, there = ("target", "source") if difference.source is None else ("source", "target")
        days = difference.overdue_seconds / DAY_SECONDS
        return (f"! gone in the {there}, past its time for {days:,.0f} days in the {here}: is TTL on in both tables?",)
    mapped: Item | None = None
    if difference.source is not None:
        try:
            mapped = pair.mapping.forward(difference.source)
        except MappingError as error:
            return (f"! the source's item cannot be mapped: {error.message}",)
    lines = item_diff_lines(mapped, difference.target)
    other = pair.another("target", Stored(difference.target), difference.source_key)
    return lines if other is None else (f"! {other}", *lines[: LINES_MAX - 1])


def item_diff_lines(expected: Item | None, found: Item | None) -> tuple[str, ...]:
    """Two items in one form; None is absence."""
    lines: list[str] = []
    for path, left, right in changes(expected or {}, found or {}):
        left_text, right_text = shown_apart(left, right)
        lines += [f"- {path}: {left_text}"] if left_text is not None else []
        lines += [f"+ {path}: {right_text}"] if right_text is not None else []
    if len(lines) > LINES_MAX:
        return (*lines[: LINES_MAX - 1], f"  ({len(lines) - LINES_MAX + 1} more lines)")
    return tuple(lines)


def changes(left: Item, right: Item, prefix: str = "") -> Iterator[Change]:
    """What differs, by path; maps and lists are entered, everything else is compared as a whole."""
    for name in sorted({*left, *right}):
        yield from _changed(f"{prefix}{name}", left.get(name), right.get(name))


def _changed(path: str, before: AttributeValue | None, after: AttributeValue | None) -> Iterator[Change]:
    if same_or_absent(before, after):
        return
    if before is not None and after is not None and "M" in before and "M" in after:
        yield from changes(before["M"], after["M"], f"{path}.")
    elif before is not None and after is not None and "L" in before and "L" in after:
        left: list[AttributeValue] = before["L"]
        right: list[AttributeValue] = after["L"]
        for at, (one, other) in enumerate(zip_longest(left, right)):
            yield from _changed(f"{path}[{at}]", one, other)
    else:
        yield path, before, after


def same_or_absent(left: AttributeValue | None, right: AttributeValue | None) -> bool:
    return left is right or same(left, right)


def shown_apart(left: AttributeValue | None, right: AttributeValue | None) -> tuple[str | None, str | None]:
    """Both as text; where they would look alike, the type or the place where they part is shown."""
    if left is None or right is None:
        return _show(left), _show(right)
    left_text, right_text = show_value(left), show_value(right)
    if left_text != right_text:
        return left_text, right_text
    (left_kind, left_held), (right_kind, right_held) = _only(left), _only(right)
    if left_kind != right_kind:
        return f"{left_text} ({left_kind})", f"{right_text} ({right_kind})"
    return _around_first_difference(_whole(left_kind, left_held), _whole(right_kind, right_held))


def _show(value: AttributeValue | None) -> str | None:
    return None if value is None else show_value(value)


def _only(value: AttributeValue) -> tuple[str, Any]:
    ((kind, held),) = value.items()
    return kind, held


def _whole(kind: str, held: Any) -> str:
    return repr(sorted(held)) if kind in ("SS", "BS") else repr(held)  # sets have no order


def _around_first_difference(left: str, right: str) -> tuple[str, str]:
    limit = min(len(left), len(right))
    at = next((n for n in range(limit) if left[n] != right[n]), limit)
    start = max(0, at - CONTEXT_CHARACTERS)
    end = start + SHOWN_CHARACTERS
    return f"...{left[start:end]}... (from character {start})", f"...{right[start:end]}... (from character {start})"
