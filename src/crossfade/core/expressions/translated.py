"""Expressions that `core/legacy` wrote for a request with legacy parameters, known by their placeholders.

The form that they come from has no limit on its text (an expression may have 4 KB) nor on its operators (an expression
may have 300), and words of its own for an attribute that holds another type than an update needs. So expressions with
these placeholders are held to the rules of that form.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Final, TypeVar

from crossfade.core.expressions.errors import ExpressionError, incorrect_data_type
from crossfade.core.expressions.syntax import PathNode

PREFIX: Final = "xfl"  # with `#` for names and `:` for values
TYPE_MISMATCH: Final = "Type mismatch for attribute to update"
Built = TypeVar("Built")


def is_translated(written: str | PathNode) -> bool:
    """Whether an expression, or a path in one, was written by `core/legacy`."""
    text = written if isinstance(written, str) else str(written.steps[0])
    return f"#{PREFIX}" in text


def in_legacy_words(act: Callable[[], Built]) -> Built:
    """What `act` gives; where a value has a type that does not fit, the error is the one for AttributeUpdates."""
    try:
        return act()
    except ExpressionError as error:
        if error.message == incorrect_data_type().message:
            raise ExpressionError(TYPE_MISMATCH) from None
        raise
