"""The errors as callers meet them: where they are found, what a log has of them, what a traceback shows."""

from __future__ import annotations

import copy
import inspect
import pickle
import traceback
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

import crossfade
from crossfade import errors
from crossfade.cdc.etl.errors import RowsRemoved
from crossfade.cdc.kafka import KafkaFailed
from crossfade.cdc.mysql.errors import RowsUntold, SourceMoved
from crossfade.cleanup.steps import SnapshotDamaged
from crossfade.core.items import ValidationError
from crossfade.errors import CrossfadeError, GateClosed, NotStarted, ServiceRejected, Undeclared, in_full
from crossfade.switch.invoking import Raised
from crossfade.switch.mirror import SaveFailed

SAMPLES: list[CrossfadeError] = [
    NotStarted("no migration", next_step="crossfade start"),
    GateClosed("complete is not possible yet\n  CLOSED verified: no verify", next_step="crossfade verify"),
    CrossfadeError("nothing can be done"),
    Undeclared("no such method", next_step="declare it"),
    ServiceRejected("ConditionalCheckFailedException", "The conditional request failed", {"Item": {"n": {"N": "1"}}}),
    ValidationError("One or more parameter values were invalid"),
    KafkaFailed("no broker", next_step="start one", retryable=True),
    SourceMoved("another server"),
    RowsUntold("TRUNCATE", where="mysql-bin.1:4"),
    SnapshotDamaged("data.json", "is no JSON"),
    SaveFailed("no answer", 1.5),
    RowsRemoved("rows are gone", next_step="look at them"),
    Raised(KeyError("order")),
]


def copied_flat(error: Any) -> Any:
    return copy.copy(error)


def copied_whole(error: Any) -> Any:
    return copy.deepcopy(error)


def sent_to_another_process(error: Any) -> Any:
    return pickle.loads(pickle.dumps(error))  # noqa: S301 - what it dumped


def test_every_error_is_found_where_users_look() -> None:
    """Each class of `crossfade.errors` is a name of the package itself, and stands in the tree of its docstring and on
    the page."""
    classes = {name for name, kind in inspect.getmembers(errors, inspect.isclass) if issubclass(kind, CrossfadeError)}
    assert classes <= set(crossfade.__all__)
    page = (Path(__file__).parents[1] / "docs" / "reference.md").read_text(encoding="utf-8")
    section = page.split("\n## Errors\n")[1]
    assert [name for name in classes if name not in str(errors.__doc__) or f"| `{name}` |" not in section] == []


@pytest.mark.parametrize("error", SAMPLES, ids=lambda error: type(error).__name__)
def test_one_line_for_a_log_and_the_next_step_once_in_a_traceback(error: CrossfadeError) -> None:
    """What a traceback ends in is the message and each note, none of them twice."""
    assert "\n" not in str(error)
    assert error.message.startswith(str(error)) or not error.next_step
    shown = "".join(traceback.format_exception_only(error))
    assert shown.count("next: ") == bool(error.next_step)
    assert all(shown.count(line.strip()) == 1 for line in in_full(error).splitlines())
    if error.next_step:
        assert shown.endswith(f"\n  next: {error.next_step}\n")


@pytest.mark.parametrize("error", SAMPLES, ids=lambda error: type(error).__name__)
@pytest.mark.parametrize("copied", [copied_flat, copied_whole, sent_to_another_process])
def test_a_copy_is_the_same_error(error: CrossfadeError, copied: Callable[[Any], CrossfadeError]) -> None:
    """Also from another process. What is noted on the copy later is noted on it alone."""
    other = copied(error)
    assert type(other) is type(error)
    assert (str(other), in_full(other), other.args) == (str(error), in_full(error), error.args)
    assert {name for name in vars(error) if name != "error"} == {name for name in vars(other) if name != "error"}
    assert (other.message, other.next_step, other.retryable) == (error.message, error.next_step, error.retryable)
    before = in_full(error)
    other.add_note("seen again")
    assert in_full(error) == before
    assert in_full(other).endswith("seen again")
