"""What is wrong with an expression, in the service's words.

One class carries them all: the service has one code for them (ValidationException) and tells them apart by message
only, so callers do too. The helpers here are the messages that more than one module needs.
"""

from __future__ import annotations

from collections.abc import Sequence

from crossfade.core.items import ValidationError

PathStep = str | int  # one step of a document path: an attribute's name or placeholder, or a list index


class ExpressionError(ValidationError):
    """An expression, its placeholders or its operands are not valid; `message` is the service's own wording."""


def invalid_expression(kind: str, reason: str) -> ExpressionError:
    """`kind` is the request parameter (`UpdateExpression`, ...) that holds the expression."""
    return ExpressionError(f"Invalid {kind}: {reason}")


def wrong_operand_type(kind: str, function: str, operand_type: str) -> ExpressionError:
    """`operand_type` is the type of the value given, such as `N`."""
    return invalid_expression(
        kind,
        "Incorrect operand type for operator or function; "
        f"operator or function: {function}, operand type: {operand_type}",
    )


def misused_function(kind: str, function: str) -> ExpressionError:
    """A function in a place where another sort of function belongs."""
    return invalid_expression(
        kind, f"The function is not allowed to be used this way in an expression; function: {function}"
    )


def show_path(path: Sequence[PathStep]) -> str:
    """A document path as the service's messages print it: `[a, [0], b]`."""
    return "[" + ", ".join(f"[{step}]" if isinstance(step, int) else step for step in path) + "]"


def incorrect_data_type() -> ExpressionError:
    """What an update meets at run time: the item's value has the wrong type for the operation."""
    return ExpressionError("An operand in the update expression has an incorrect data type")
