"""What one step can come to: a request to the service, or a method of a repository.

A step is told as `(operation, request)`, or as `("source.append", {})`.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Final, Literal

from crossfade.core.request.names import WRITES
from tests.faults.ways import LASTING as LASTING_WAYS
from tests.faults.ways import NAMED as WAYS_NAMED
from tests.faults.ways import WAYS, Body, Way


class Down(Exception):
    """The store has not answered: whether it was carried out is not known."""


class NoSuchThing(Exception):
    """The store has refused it: nothing was written, or will be. Declared to the switch as one of `refusals`."""


Ends = Literal["answer", "raise", "refuse", "cancel", "kill", "take", "slow"]


@dataclass(frozen=True, slots=True)
class Mishap:
    """`way`: of a request. `done`: whether it is carried out; `late`: as late as it may be. `lasting`: so is all that
    follows at that place, for a while. `kafka`: of this step of Kafka's client, with the error of that name. `take`:
    Kafka takes the worker's partitions meanwhile. `slow`: the answer comes behind all that could land when it was asked
    for."""

    name: str
    ends: Ends
    way: Way | None = None
    done: bool = False
    late: bool = False
    lasting: bool = False
    kafka: str = ""
    error: str = ""

    @property
    def kind(self) -> str:
        return self.way.kind if self.way is not None else self.name.split()[0].rstrip(",")

    def is_for(self, step: str, body: Body) -> bool:
        if self.ends == "take":
            return True
        if is_kafkas(step):
            return self.kafka == step or (self.ends == "kill" and (step == COMMIT or not self.done) and not self.late)
        if self.kafka:
            return False
        if is_method(step):
            if self.way is not None:
                return False
            if self.ends == "refuse":
                return not is_mirrors(step)
            if self.ends == "slow":
                return is_mirrors(step)
            return writes(step) or not self.done
        if self.way is not None:
            return self.way.is_for(step, body) and (step in WRITES or not self.late)
        return self.ends in ("kill", "cancel") and (step in WRITES or not self.done)


POLL: Final = "kafka.poll"
COMMIT: Final = "kafka.commit"


def is_kafkas(step: str) -> bool:
    return step in (POLL, COMMIT)


def is_method(step: str) -> bool:
    return "." in step


def is_mirrors(step: str) -> bool:
    """Whether it is a method of the mirror's."""
    return step.endswith((".image", ".store"))


def writes(step: str) -> bool:
    return not step.endswith((".find", ".look", ".image"))


def of_request(way: Way) -> Mishap:
    return Mishap(way.name, "answer", way, done=way.carried_out, lasting=way.lasting)


REQUESTS: Final = (
    *map(of_request, WAYS),
    Mishap("timeout, done later", "answer", WAYS_NAMED["timeout after"], done=True, late=True),
)
METHODS: Final = (
    Mishap("raised before", "raise"),
    Mishap("raised after", "raise", done=True),
    Mishap("raised, done later", "raise", done=True, late=True),
    Mishap("refused", "refuse"),
    Mishap("slow", "slow", done=True),
)
EITHER: Final = (
    Mishap("cancelled before", "cancel"),
    Mishap("cancelled after", "cancel", done=True),
    Mishap("cancelled, done later", "cancel", done=True, late=True),
    Mishap("killed before", "kill"),
    Mishap("killed after", "kill", done=True),
    Mishap("killed, done later", "kill", done=True, late=True),
)
KAFKAS: Final = (
    Mishap("partitions revoked", "take"),
    Mishap("partitions lost", "take"),
    Mishap("offsets, no broker", "raise", kafka=COMMIT, error="_TRANSPORT"),
    Mishap("offsets, no answer", "raise", done=True, kafka=COMMIT, error="REQUEST_TIMED_OUT"),
    Mishap("offsets, of another generation", "raise", kafka=COMMIT, error="ILLEGAL_GENERATION"),
    Mishap("offsets, denied", "raise", kafka=COMMIT, error="GROUP_AUTHORIZATION_FAILED"),
    Mishap("messages, no broker", "raise", kafka=POLL, error="_TRANSPORT"),
    Mishap("messages, denied", "raise", kafka=POLL, error="TOPIC_AUTHORIZATION_FAILED"),
)
OF_WORKERS: Final = (*REQUESTS, *(each for each in EITHER if each.ends == "kill"), *KAFKAS)
WORKERS_LASTING: Final = tuple(map(of_request, LASTING_WAYS))
MISHAPS: Final = (*REQUESTS, *METHODS, *EITHER)
LASTING: Final = (
    *map(of_request, LASTING_WAYS),
    Mishap("raised for good", "raise", lasting=True),
)
NAMED: Final = {mishap.name: mishap for mishap in (*MISHAPS, *LASTING, *KAFKAS)}
IN_PAIRS: Final = tuple(
    NAMED[name]
    for name in (
        "500 before", "reset after", "timeout, done later", "denied", "raised before", "raised, done later",
        "cancelled after", "killed after", "slow",
    )
)  # fmt: skip

WORKERS_IN_PAIRS: Final = tuple(
    NAMED[name]
    for name in (
        "500 before", "reset after", "timeout, done later", "denied", "killed after", "partitions revoked",
        "partitions lost", "offsets, no answer", "offsets, of another generation",
    )
)  # fmt: skip


def named(steps: Sequence[tuple[int, Mishap]]) -> str:
    return " and ".join(f"step {n} {mishap.name}" for n, mishap in steps) or "undisturbed"


Fate = tuple[tuple[int, Mishap], ...]  # which steps fail, counted from 1, and how
Told = tuple[str, dict[str, Any]]
