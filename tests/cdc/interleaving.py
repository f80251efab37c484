"""Changes carried out by many at once, one effect at a time, in an order that a seed draws; some answers are lost.

Each change is handed to a worker of its own, and any worker may go on next: so changes come late, in any order, twice,
and between any two requests of one another. A lost answer is either of a request that was carried out, or of one that
was not.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from random import Random
from typing import Any, Final

from crossfade.core.effects import Call, Effect, Reply, Request, Routine, Sleep, Stamp, Today
from crossfade.errors import ServiceRejected, UnknownOutcome

STEPS_MAX: Final = 20_000
NOW: Final = 1_800_000_000
Perform = Callable[[str, Request], Reply]  # one request to a store; raises ServiceRejected


class Interleaving:
    """A store, and chance."""

    def __init__(self, perform: Perform, seed: int, *, lost_share: float = 0.1) -> None:
        self._perform = perform
        self._random = Random(seed)
        self._lost_share = lost_share
        self._stamps = 0

    def run(self, routines: Sequence[Callable[[], Routine[Any]]]) -> list[Any]:
        """All of them to their end; what they returned, or the error that ended them, in their order."""
        running = {number: make() for number, make in enumerate(routines)}
        answers: dict[int, Any] = dict.fromkeys(running)
        ended: dict[int, Any] = {}
        for _ in range(STEPS_MAX):
            if not running:
                return [ended[number] for number in range(len(routines))]
            number = self._random.choice(list(running))
            answer, routine = answers[number], running[number]
            try:
                effect = routine.throw(answer) if isinstance(answer, Exception) else routine.send(answer)
            except StopIteration as stop:
                ended[number] = stop.value
                del running[number]
            except ServiceRejected as error:
                ended[number] = error
                del running[number]
            else:
                answers[number] = self._performed(effect)
        raise AssertionError(f"{len(running)} routines have not ended")

    def _performed(self, effect: Effect[Any]) -> Any:
        match effect:
            case Call(_, operation, request):
                return self._sent(operation, request)
            case Stamp():
                self._stamps += 1
                return f"{self._stamps:032x}"
            case Today():
                return NOW
            case Sleep():
                return None
            case _:
                raise AssertionError(effect)

    def _sent(self, operation: str, request: Request) -> Reply | Exception:
        lost = self._random.random() < self._lost_share
        if lost and self._random.random() < 0.5:
            return UnknownOutcome("it never got there")
        try:
            reply = self._perform(operation, request)
        except ServiceRejected as error:
            return UnknownOutcome("nobody heard the refusal") if lost else error
        return UnknownOutcome("nobody heard it") if lost else reply
