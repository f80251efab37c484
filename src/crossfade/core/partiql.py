"""PartiQL on the caller's own table, where that serves alone: the text goes out as it is, the stamps are not shown."""

from __future__ import annotations

from crossfade.core.effects import Forward, Reply, Routine
from crossfade.core.pair import without_stamp
from crossfade.errors import Rejected


def stated() -> Routine[Reply]:
    """One ExecuteStatement, BatchExecuteStatement or ExecuteTransaction."""
    try:
        reply = yield from Forward()
    except Rejected as error:
        raise Rejected(error.code, error.text, unstamped(dict(error.response))) from None
    return unstamped(reply)


def unstamped(reply: Reply) -> Reply:
    """The same, without stamps, wherever an answer or a refusal shows an item."""
    shown: Reply = dict(reply)
    if isinstance(shown.get("Item"), dict):
        shown["Item"] = without_stamp(shown["Item"])
    if "Items" in shown:
        shown["Items"] = [without_stamp(item) for item in shown["Items"]]
    if isinstance(shown.get("Error"), dict):
        shown["Error"] = unstamped(shown["Error"])
    for name in ("Responses", "CancellationReasons"):
        if isinstance(shown.get(name), list):
            shown[name] = [unstamped(each) for each in shown[name]]
    return shown
