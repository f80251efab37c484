"""Whether there was an item, told by the answer to the write itself.

An update, or a write with a condition, is decided upon what was there. In `rampdown` one that found nothing is followed
by a look into the source. To know of it costs no further request: the old item is asked for, which the service gives
without a charge, and is taken out of the answer again.
https://docs.aws.amazon.com/amazondynamodb/latest/APIReference/API_UpdateItem.html#DDB-UpdateItem-request-ReturnValues

Where the caller asks for the new values (ALL_NEW, UPDATED_NEW), there is no room for the old ones, and a successful
update does not tell. A put without a condition needs nothing: what it replaces does not matter.
"""

from __future__ import annotations

from crossfade.core.effects import Reply, Request
from crossfade.errors import Rejected

RETURNED = "ReturnValues"
RETURNED_IF_REFUSED = "ReturnValuesOnConditionCheckFailure"
OLD = ("ALL_OLD", "UPDATED_OLD")


def telling(operation: str, request: Request) -> Request:
    """Return the write, made to tell in its answer whether there was an item."""
    told = dict(request)
    if "ConditionExpression" in request:
        told[RETURNED_IF_REFUSED] = "ALL_OLD"
    decided = operation == "UpdateItem" or "ConditionExpression" in request
    if decided and request.get(RETURNED, "NONE") == "NONE":
        told[RETURNED] = "ALL_OLD"
    return told


def made_anew(told: Request, reply: Reply) -> bool:
    """Whether a write that was carried out found no item (of UPDATED_OLD: or one without these attributes)."""
    return told.get(RETURNED) in OLD and "Attributes" not in reply


def refused_for_absence(error: Rejected) -> bool:
    return error.code == "ConditionalCheckFailedException" and "Item" not in error.response


def answer_as_asked(request: Request, reply: Reply) -> Reply:
    """Return the reply without the old item, where only we asked for it."""
    if request.get(RETURNED, "NONE") != "NONE" or "Attributes" not in reply:
        return reply
    return {name: value for name, value in reply.items() if name != "Attributes"}


def as_asked(request: Request, error: Rejected) -> Rejected:
    """Return the error without the old item, where only we asked for it."""
    if request.get(RETURNED_IF_REFUSED, "NONE") != "NONE" or "Item" not in error.response:
        return error
    return Rejected(error.code, error.text, {name: value for name, value in error.response.items() if name != "Item"})
