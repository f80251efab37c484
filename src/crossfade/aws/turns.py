"""The migrations of a chain, each in its turn: a request goes down the row, its reply or its error comes back up.

A turn is a call of one migration's hooks. It is yielded to be made: at once on a client that blocks, and awaited on
asyncio.
"""

from __future__ import annotations

from collections.abc import Callable, Generator, Iterable, Sequence
from contextlib import contextmanager
from functools import partial
from typing import Any, TypeVar

from crossfade.aws.hooks import Hooks, Short
from crossfade.aws.own_calls import CARRIED
from crossfade.core.effects import Reply

Outcome = TypeVar("Outcome")
Turns = Generator[Callable[[], Any], Any, Outcome]


def down(row: Sequence[Hooks], model: Any, params: dict[str, Any], context: dict[str, Any]) -> Turns[Short | None]:
    """Return the answer of the migration that takes the request over, if one does."""
    for place, hooks in enumerate(row):
        before = row[:place]
        try:
            with carrying(before, context):
                short: Short | None = yield partial(hooks.before_call, model, params, context)
        except Exception as error:  # noqa: BLE001 - goes on to the others and comes out
            raise (yield from error_up(before[::-1], error, context)) from error.__cause__
        if short is not None:
            return short
    return None


def up(row: Sequence[Hooks], http_response: Any, parsed: Reply, context: dict[str, Any]) -> Turns[None]:
    """An answer on its way back through this row."""
    for place, hooks in enumerate(row, 1):
        try:
            with carrying(row[place:], context):
                yield partial(hooks.after_call, http_response, parsed, context)
        except Exception as error:  # noqa: BLE001 - goes on to the others and comes out
            raise (yield from error_up(row[place:], error, context)) from error.__cause__


def error_up(row: Sequence[Hooks], error: Exception, context: dict[str, Any]) -> Turns[Exception]:
    """An error on its way back through this row; return what it is in the end."""
    for place, hooks in enumerate(row, 1):
        try:
            with carrying(row[place:], context):
                yield partial(hooks.after_call_error, error, context)
        except Exception as other:  # noqa: BLE001 - that one goes on
            error = other
    return error


@contextmanager
def carrying(before: Iterable[Hooks], context: dict[str, Any]) -> Generator[None]:
    """Attach the earlier migrations' state to every request that the current migration sends."""
    token = CARRIED.set(tuple(part for each in before if (part := each.carried(context)) is not None))
    try:
        yield
    finally:
        CARRIED.reset(token)


def make(turns: Turns[Outcome]) -> Outcome:
    """Make each turn here."""
    try:
        turn = next(turns)
        while True:
            try:
                value = turn()
            except Exception as error:  # noqa: BLE001 - the turns know what becomes of it
                turn = turns.throw(error)
            else:
                turn = turns.send(value)
    except StopIteration as stop:
        outcome: Outcome = stop.value
        return outcome
    finally:
        turns.close()  # where the caller was interrupted


async def make_async(turns: Turns[Outcome]) -> Outcome:
    """Await each turn."""
    try:
        turn = next(turns)
        while True:
            try:
                value = await turn()
            except Exception as error:  # noqa: BLE001 - the turns know what becomes of it
                turn = turns.throw(error)
            else:
                turn = turns.send(value)
    except StopIteration as stop:
        outcome: Outcome = stop.value
        return outcome
    finally:
        turns.close()  # where the caller was cancelled
