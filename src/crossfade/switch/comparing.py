"""A read, asked of the other side as well, after its caller has the answer."""

from __future__ import annotations

from collections.abc import AsyncIterator, Iterator
from dataclasses import dataclass
from typing import Any, Final

from crossfade.core.effects import Note, Routine, Sleep
from crossfade.core.stages import Side
from crossfade.switch.declaring import Read
from crossfade.switch.invoking import Invoke, Raised

# Waits before a difference that may be a write on its way is told. It is confirmed when two late looks have seen the
# same; or, at the last look, when one side stands still while the other is written. Where both are, each look may have
# caught another write: that is in flight.
RECHECK_SECONDS: Final = (0.1, 0.5, 2.0, 2.0, 2.0)


@dataclass(frozen=True, slots=True)
class Answer:
    """What a side said: a value, cleaned, or the error that it raised."""

    value: Any = None
    error: BaseException | None = None

    def agrees(self, other: Answer) -> bool:
        if self.error is not None or other.error is not None:
            return type(self.error) is type(other.error)
        return bool(self.value == other.value)


def can_compare(value: Any) -> bool:
    """An iterator can be read once, and that is the caller's to do."""
    return not isinstance(value, Iterator | AsyncIterator)


def compare(read: Read, invoke: Invoke, text: str, side: Side, served: Answer) -> Routine[None]:
    """Tell the observers whether both sides agree. `served`: what `side` has just answered, not cleaned yet."""
    answers: dict[Side, Answer] = {side: served}
    before: tuple[Answer, Answer] | None = None
    for wait in (*RECHECK_SECONDS, None):
        source = yield from asked(read, invoke, "source", answers.get("source"))
        target = yield from asked(read, invoke, "target", answers.get("target"))
        if source.agrees(target):
            yield from Note("compare", {"outcome": "matching"})
            return
        stays = before is not None and (source.agrees(before[0]), target.agrees(before[1]))
        if wait is None or (wait == RECHECK_SECONDS[-1] and stays == (True, True)):
            facts = told(read, invoke, text, source, target)
            if stays == (False, False) and facts["outcome"] != "ignored":
                facts["outcome"] = "in_flight"
            yield from Note("compare", facts)
            return
        answers, before = {}, (source, target)  # the caller may have changed what it was given
        yield from Sleep(wait)


def told(read: Read, invoke: Invoke, text: str, source: Answer, target: Answer) -> dict[str, Any]:
    facts = {"key": text, "operation": invoke.method, "source": shown(source), "target": shown(target)}
    return {"outcome": outcome(read, source, target), **facts}


def asked(read: Read, invoke: Invoke, side: Side, served: Answer | None = None) -> Routine[Answer]:
    if served is not None:
        return cleaned(read, served)
    try:
        value = yield from invoke.on(side)
    except Raised as raised:
        return Answer(error=raised.error)
    return cleaned(read, Answer(value))


def cleaned(read: Read, answer: Answer) -> Answer:
    """Raises what `clean` raises, which is told as the comparison's error."""
    if read.clean is None or answer.error is not None:
        return answer
    return Answer(read.clean(answer.value))


def outcome(read: Read, source: Answer, target: Answer) -> str:
    if source.error is None and target.error is None:
        if read.ignore is not None and read.ignore(source.value, target.value):
            return "ignored"
        if source.value is None:
            return "extra"
        return "missing" if target.value is None else "mismatched"
    return "mismatched"


def shown(answer: Answer) -> Any:
    return answer.value if answer.error is None else f"{type(answer.error).__name__}: {answer.error}"
