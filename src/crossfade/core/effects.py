"""What a routine may ask of the world, and nothing else.

A routine is a generator that yields effects and returns a result; it does no I/O, reads no clock and draws no chance.
A driver performs each effect and sends its value (or throws its error) back in. `yield from` an effect and the type
checkers know what comes back: `reply = yield from Call("source", "GetItem", request)`.

    Forward    the caller's own call, as it was made or with      -> Reply, or raises ServiceRejected / UnknownOutcome
               another request in it
    Call       one request to one of the tables                   -> Reply, or raises ServiceRejected / UnknownOutcome
    Gather     several calls at once                              -> their replies, in order; the first error is raised
    MayLand    whether a write that the operation has sent and    -> bool
               that had no answer may still be carried out
    Turn       wait until nobody else in this process is      -> None; perhaps it has been carried out by then
               about to write the same item
    Later      run a routine in the background, after the answer  -> None
    Sleep      wait; drivers add jitter                           -> None
    Now        monotonic seconds                                  -> float
    Today      seconds since 1970, for what others are to forget  -> int
    Stamp      a fresh unique stamp                               -> str
    Note       tell whoever watches                               -> None
"""

from __future__ import annotations

from collections.abc import Callable, Generator
from dataclasses import dataclass
from typing import Any, Generic, Literal, Protocol, TypeAlias, TypeVar

T_co = TypeVar("T_co", covariant=True)
Request: TypeAlias = dict[str, Any]  # the parameters of a DynamoDB operation, in botocore's low-level form
Reply: TypeAlias = dict[str, Any]  # the parsed answer, likewise
Place = Literal["source", "target", "control"]  # whose endpoint a call goes to; the request itself names the table


class Effect(Generic[T_co]):
    __slots__ = ()

    def __iter__(self) -> Generator[Effect[Any], Any, T_co]:
        result: T_co = yield self
        return result


Routine: TypeAlias = Generator[Effect[Any], Any, T_co]


def relayed(routine: Routine[T_co], effect_of: Callable[[Effect[Any]], Effect[Any] | Routine[Any]]) -> Routine[T_co]:
    """Run the routine with each of its effects replaced by what `effect_of` makes of it, an effect or several."""
    answer: Any = None
    error: Exception | None = None
    try:
        while True:
            try:
                effect = routine.send(answer) if error is None else routine.throw(error)
            except StopIteration as stop:
                result: T_co = stop.value
                return result
            answer, error = None, None
            try:
                answer = yield from effect_of(effect)
            except Exception as raised:  # noqa: BLE001 - the routine's to deal with
                error = raised
    finally:
        routine.close()


@dataclass(frozen=True, slots=True)
class Forward(Effect[Reply]):
    """Let the caller's own call go out, untouched or with another request in it, where `Call` would make a second one
    inside it. At most one a routine."""

    request: Request | None = None


@dataclass(frozen=True, slots=True)
class Call(Effect[Reply]):
    place: Place
    operation: str
    request: Request


@dataclass(frozen=True, slots=True)
class Gather(Effect[tuple[Reply, ...]]):
    calls: tuple[Call, ...]


@dataclass(frozen=True, slots=True)
class MayLand(Effect[bool]):
    pass


class Line(Protocol):
    """A queue of writes of one item in this process, the first to come first."""

    def share(self, first: Queued, most: int) -> None:
        """Have those behind the first join it, while they are of its kind."""
        ...

    def leave(self, queued: Queued) -> None:
        """Let the next one have its turn. Those who have joined and have no outcome are the next."""
        ...


class Queued:
    """One write that is to have its turn. Without a `kind` it has it alone; writes of one kind may be carried out
    together, and then the first gives each its `outcome`."""

    __slots__ = ("company", "is_gone", "key", "kind", "line", "outcome", "work")

    def __init__(self, key: tuple[str, ...], work: Any = None, kind: object = None) -> None:
        self.key = key
        self.work = work
        self.kind = kind
        self.outcome: Reply | Exception | None = None
        self.company: list[Queued] = []  # those who have joined this one
        self.is_gone = False
        self.line: Line | None = None  # where the driver has put it

    def share(self, most: int) -> None:
        if self.line is not None and self.kind is not None:
            self.line.share(self, most)

    def leave(self) -> None:
        """End the turn, or the wait for it; from whatever thread."""
        if self.line is not None:
            self.line.leave(self)


@dataclass(frozen=True, slots=True)
class Turn(Effect[None]):
    queued: Queued


@dataclass(frozen=True, slots=True)
class Later(Effect[None]):
    """Background work. Mirrors of one `key` are coalesced and drained; comparisons may be dropped, and looks into the
    source where too many wait."""

    kind: Literal["mirror", "compare", "look"]
    key: str
    routine: Routine[None]
    delay_seconds: float = 0.0


@dataclass(frozen=True, slots=True)
class Sleep(Effect[None]):
    seconds: float


@dataclass(frozen=True, slots=True)
class Now(Effect[float]):
    pass


@dataclass(frozen=True, slots=True)
class Today(Effect[int]):
    pass


@dataclass(frozen=True, slots=True)
class Stamp(Effect[str]):
    pass


@dataclass(frozen=True, slots=True)
class Note(Effect[None]):
    """An event for metrics, logs and `status`; `facts` holds plain values only."""

    name: str
    facts: dict[str, Any]
