"""Mendings that can be taken out of crossfade, so that it can be seen that their absence is found.

Each puts the behaviour back that was there before.
"""

from __future__ import annotations

from collections.abc import Callable
from contextlib import AbstractContextManager, nullcontext
from typing import Any, Final
from unittest.mock import patch

from crossfade.aws import hooks
from crossfade.aws.answers import client_error
from crossfade.aws.chain import HookChain
from crossfade.aws.hooks import Hooks
from crossfade.aws.operation import Forwarded
from crossfade.core.multi import batch
from crossfade.core.read import lookup
from crossfade.core.sync.retry import LOCKING, Backoff
from crossfade.errors import CrossfadeError, ServiceRejected, UnknownOutcome
from tests.faults.freeze.drops import FREEZE_DROPS


def put_right(
    self: Hooks, forwarded: Forwarded, outcome: Any, given: object, http_response: Any, parsed: dict[str, Any]
) -> None:
    """Where the outcome is unknown the answer stays what came, whatever request it was the answer to."""
    shared = self.running_of(forwarded).scope.left
    is_there = outcome is given and (not shared or isinstance(outcome, CrossfadeError))
    if not is_there and not isinstance(outcome, UnknownOutcome):
        self._replace(outcome, http_response, parsed, shared=shared)  # pyright: ignore[reportPrivateUsage]


def the_cause(outcome: UnknownOutcome, operation: str) -> None:
    """Whatever the cause is, it is raised, be it an error of ours."""
    if outcome.__cause__ is not None:
        raise outcome.__cause__
    raise client_error(outcome, operation)


def the_refusal(error: ServiceRejected) -> ServiceRejected:
    """A batch that is written in part ends with the refusal of one entry."""
    return error


def nothing_hidden(_refusal: Any) -> None:
    """The stamps stay in a refusal that is handed on."""


def every_attempt(line: HookChain, request_dict: dict[str, Any], **_: Any) -> None:
    """An attempt that was refused counts as one that may have been carried out."""
    for each in line.hooks:
        each.had_no_answer(request_dict["context"])


DROPS: Final[dict[str, Callable[[], AbstractContextManager[Any]]]] = {
    "": nullcontext,
    "put_right": lambda: patch.object(Hooks, "replace_reply", put_right),
    "cause": lambda: patch.object(hooks, "raise_as_botocore_would", the_cause),
    "part_of_a_batch": lambda: patch.object(batch, "after_a_part", the_refusal),
    "no_answer": lambda: patch.object(HookChain, "needs_retry", every_attempt),
    "limit_of_looks": lambda: patch.object(lookup, "LOCKING", Backoff(seconds_max=LOCKING.seconds_max)),
    "hide_stamps": lambda: patch.object(hooks, "hide_stamps", nothing_hidden),
    **FREEZE_DROPS,
}
