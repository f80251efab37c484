"""Protections that are no rules of the protocol, left out of one process by putting something else in their place.

Applications have no such door. The name is what `--drop` takes; a name that is not here is that of a rule.
"""

from __future__ import annotations

from collections.abc import Callable, Generator
from contextlib import AbstractContextManager, ExitStack, contextmanager, nullcontext
from typing import Any, Final
from unittest.mock import patch

from crossfade.aws.hooks import Hooks
from crossfade.control import comparisons, gates
from crossfade.control.evidence import Evidence
from crossfade.control.gates import Finding
from crossfade.core.effects import Request, Routine
from crossfade.core.items import Item
from crossfade.core.multi import transact_evaluated, transact_write
from crossfade.core.stages import Gate
from crossfade.core.sync import compare
from crossfade.core.sync.compare import Difference
from crossfade.jobs import repair
from crossfade.streams import applying
from crossfade.verify import compare as verifying


def forgotten(_hooks: Hooks, _context: dict[str, Any]) -> None:
    """An attempt that had no answer is not noted."""


def without_record(_pair: object, _request: Request, items: list[Request]) -> Routine[list[Request]]:
    """Nothing keeps the token of a transaction."""
    yield from ()
    return list(items)


def was_never_done(_pair: object, _request: Request) -> Routine[bool]:
    """No token is known."""
    yield from ()
    return False


def as_it_is(_pair: object, difference: Difference) -> Routine[Difference]:
    """Nobody asks whether an item's time is over."""
    yield from ()
    return difference


def is_never_over(_pair: object, _source: Item | None, _target: Item | None) -> Routine[None]:
    """No item's time is over."""
    yield from ()


def open_to_all(_evidence: Evidence) -> Finding:
    """Nobody asks what the clients are denied."""
    return Finding(Gate.ALLOWED, True, "not asked", "")


@contextmanager
def without_attempts() -> Generator[None]:
    """What was refused counts as not done, whatever came of the attempts before."""
    with patch.object(Hooks, "had_no_answer", forgotten):
        yield


@contextmanager
def without_tokens() -> Generator[None]:
    """A transaction that is sent again is another one."""
    with ExitStack() as stack:
        for module in (transact_write, transact_evaluated):
            _ = stack.enter_context(patch.object(module, "with_record", without_record))
            _ = stack.enter_context(patch.object(module, "was_done", was_never_done))
        yield


@contextmanager
def without_expiry() -> Generator[None]:
    """What one table has expired, and the other not yet, is a difference."""
    with ExitStack() as stack:
        for module in (compare, verifying, comparisons):
            _ = stack.enter_context(patch.object(module, "dated", as_it_is))
        for one in (repair, applying):
            _ = stack.enter_context(patch.object(one, "overdue", is_never_over))
        yield


@contextmanager
def without_rights() -> Generator[None]:
    """A stage is entered whatever its clients are denied there."""
    with patch.object(gates, "_allowed", open_to_all):
        yield


DOORS: Final[dict[str, Callable[[], AbstractContextManager[None]]]] = {
    "attempts": without_attempts,
    "expiry": without_expiry,
    "rights": without_rights,
    "tokens": without_tokens,
}


def left_out(name: str) -> AbstractContextManager[None]:
    """Leave this protection out of the process, where it has a door."""
    return DOORS[name]() if name in DOORS else nullcontext()


def rule_of(name: str) -> str:
    """Return the name where it is that of a rule, else nothing."""
    return "" if name in DOORS else name
