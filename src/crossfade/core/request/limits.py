"""What the service allows one request, and what of it is left for what is added here: a stamp, a lock.

https://docs.aws.amazon.com/amazondynamodb/latest/developerguide/Constraints.html
"""

from __future__ import annotations

import re
from typing import Final

from crossfade.core.effects import Request
from crossfade.core.items import ITEM_BYTES_MAX, Item, size_bytes
from crossfade.core.mapping import STAMP
from crossfade.errors import NotPossibleInStage, ServiceRejected

EXPRESSION_BYTES_MAX: Final = 4096
TRANSACTION_BYTES_MAX: Final = 4 * 1024 * 1024  # of the items of one transaction
OPERATORS_MAX: Final = 300  # operators and functions of one expression
STAMP_BYTES: Final = len(STAMP) + 32  # 128 bits in hexadecimal digits

OPERATOR: Final = re.compile(r"<=|>=|<>|[=<>+-]|\b(?:AND|OR|NOT|IN|BETWEEN)\b|\w\s*\(", re.IGNORECASE)
ITEM_TOO_LARGE: Final = re.compile(r"Item size (?:to update )?has exceeded")
TRANSACTION_TOO_LARGE: Final = re.compile(r"aggregate size|Collection size|\b4 ?MB\b")


def is_allowed(expression: str) -> bool:
    """Whether an expression is no longer, and has no more operators, than the service takes. When in doubt, no."""
    if len(expression.encode()) > EXPRESSION_BYTES_MAX:
        return False
    return len(expression) <= OPERATORS_MAX or len(OPERATOR.findall(expression)) <= OPERATORS_MAX


def size_explained(error: ServiceRejected, table: str, item: Item | None = None) -> ServiceRejected:
    """A refusal of an item's size by a table whose items have stamps, with the part that the stamp has in it. `item`:
    as the caller gave it, whose own size may be too much."""
    if ITEM_TOO_LARGE.search(error.text) is None or (item is not None and size_bytes(item) > ITEM_BYTES_MAX):
        return error
    return error.with_text(
        f"{error.text}: {table} holds the item with the attribute {STAMP}, by which a migration tells its writes, and"
        f" that takes {STAMP_BYTES} of the {ITEM_BYTES_MAX:,} bytes; nothing was written; make the item smaller"
    )


def is_too_large(error: ServiceRejected) -> bool:
    """Whether a transaction was refused because its items are too large together."""
    return error.code == "ValidationException" and TRANSACTION_TOO_LARGE.search(error.text) is not None


def transaction_explained(error: ServiceRejected, actions: int) -> NotPossibleInStage | None:
    """What is to be said of a transaction that is too large with what is added to it; None for another refusal."""
    if not is_too_large(error):
        return None
    return NotPossibleInStage(
        f"a transaction of {actions} actions is too large: while both tables are used it is about the items of both, or"
        f" reads them first, and DynamoDB takes 4 MB; nothing was written ({error.text})",
        next_step="make it two transactions, or wait until the target alone is written",
    )


def write_explained(error: ServiceRejected, request: Request, table: str) -> NotPossibleInStage | None:
    """A refusal for a transaction of one `table` that our additions make too large; None where the caller's own items
    are too large by themselves, which is the service's to say."""
    if not is_too_large(error) or put_bytes(request) > TRANSACTION_BYTES_MAX:
        return None
    added = f"the attribute {STAMP} of each item, {STAMP_BYTES} bytes, by which a migration tells its writes"
    if "ClientRequestToken" in request:
        added += ", and the record of its ClientRequestToken"
    return NotPossibleInStage(
        f"a transaction of {len(request['TransactItems'])} actions is too large: {table} holds the items in its own"
        f" form, and crossfade adds {added}; DynamoDB takes 4 MB; nothing was written ({error.text})",
        next_step="make it two transactions",
    )


def put_bytes(request: Request) -> int:
    """Return the size of the items that the caller's transaction puts; 0 where one is malformed."""
    puts: list[Request] = [action["Put"] for action in request["TransactItems"] if "Put" in action]
    try:
        return sum(size_bytes(put["Item"]) for put in puts)
    except ServiceRejected:
        return 0
