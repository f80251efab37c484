"""What `watch` and `replicate` share: switching streams on, Ctrl-C, refusals."""

from __future__ import annotations

from collections.abc import Generator, Sequence
from contextlib import contextmanager, nullcontext
from typing import Any

import click

from crossfade.cli.moving import Waiting
from crossfade.cli.opened import Note, Opened, OpenedTables
from crossfade.cli.outcome import COULD_NOT_RUN, INTERRUPTED
from crossfade.cli.plans import Step
from crossfade.core.stages import Side
from crossfade.errors import ConfigurationError, Fenced, NotPossibleInStage
from crossfade.jobs.signals import StopEvent, stop_on_signals
from crossfade.streams.finding import VIEW_TYPES, stream_arn


@contextmanager
def following(opened: Opened, *, at_once: bool = False) -> Generator[tuple[StopEvent, Note], None, None]:
    """The stop event that Ctrl-C sets, and what tells who is waited for. Refusals end with status 2.

    `at_once`: for what does not look at the event, which Ctrl-C then ends where it is.
    """
    stop = StopEvent()
    waiting = Waiting(opened)

    def note(name: str, facts: dict[str, Any]) -> None:
        if name == "waiting" and stop.is_set():
            raise KeyboardInterrupt  # before it has begun there is nothing to finish
        waiting.note(name, facts)

    try:
        with nullcontext() if at_once else stop_on_signals(stop):
            yield stop, note
    except (NotPossibleInStage, Fenced) as error:
        opened.screen.error(error)
        raise click.exceptions.Exit(COULD_NOT_RUN) from None
    except KeyboardInterrupt:
        opened.screen.say("Interrupted; the same command goes on from what was written down.")
        raise click.exceptions.Exit(INTERRUPTED) from None


def switched_off(opened: OpenedTables, sides: Sequence[Side]) -> tuple[str, ...]:
    """The tables whose stream is off, as people tell them apart."""
    table = opened.migration.table
    return tuple(table(side).full_name for side in sides if not opened.run(stream_arn(side, table(side).name)))


def refuse_switched_off(tables: Sequence[str], command: str) -> None:
    if tables:
        raise ConfigurationError(f"no stream is switched on for table {' and '.join(tables)}", next_step=command)


def enabling_step(table: str, strategy: str) -> Step:
    """What exactly is changed."""
    return Step(
        f"switch on the stream of table {table}",
        f"UpdateTable with StreamSpecification {{StreamEnabled: true, StreamViewType: {VIEW_TYPES[strategy]}}} and"
        " nothing else:"
        " the table goes on serving; from then on its changes are kept for 24 hours; reading them is"
        " billed, writing them is not",
    )
