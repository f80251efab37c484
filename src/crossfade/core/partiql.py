"""PartiQL on the caller's own table, where that serves alone: the text goes out as it is, the stamps are not shown."""

from __future__ import annotations

from crossfade.core.effects import Forward, Reply, Routine
from crossfade.core.pages import without_stamps
from crossfade.core.reads import shown
from crossfade.errors import Rejected


def stated() -> Routine[Reply]:
    """One ExecuteStatement, BatchExecuteStatement or ExecuteTransaction."""
    try:
        reply = yield from Forward()
    except Rejected as error:
        raise Rejected(error.code, error.text, unstamped(dict(error.response))) from None
    return unstamped(reply)


def unstamped(reply: Reply) -> Reply:
    """Return the reply without stamps, wherever an answer or an error shows an item."""
    answer = {**shown(without_stamps(reply))}
    if isinstance(answer.get("Error"), dict):
        answer["Error"] = unstamped(answer["Error"])
    for name in ("Responses", "CancellationReasons"):
        if isinstance(answer.get(name), list):
            answer[name] = [unstamped(each) for each in answer[name]]
    return answer
