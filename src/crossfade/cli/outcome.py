"""Exit statuses, and which error means which. `crossfade --help` prints the table."""

from __future__ import annotations

from typing import Final

import click

from crossfade.cdc.kafka import KafkaFailed
from crossfade.cdc.mysql.errors import SourceError
from crossfade.errors import ConfigurationError, CrossfadeError, DatabaseError, StreamGap
from crossfade.jobs.signals import StopEvent

DONE: Final = 0
NOT_YET: Final = 1
COULD_NOT_RUN: Final = 2
INTERRUPTED: Final = 130  # what shells give a program that Ctrl-C ended

EXIT_STATUSES: Final = {
    DONE: "done, clean, or only a plan was printed; advise recommends something, be it to leave the key",
    NOT_YET: "not now: a gate is closed, or the stage has no such step (start, advance, rollback, complete, cancel, "
    "cleanup); check found errors, verify differences, watch stray writes; a backfill is incomplete; advise found "
    "no design that carries the traffic",
    COULD_NOT_RUN: "could not run: options, migration file, credentials, a table, the network; a job that has nothing "
    "to do in this stage (backfill, verify, watch, replicate); a gap in a stream",
    INTERRUPTED: "Ctrl-C; nothing is half done, the same command goes on",
}
INTERRUPTED_LINE: Final = f"Ctrl-C ends it with exit status {INTERRUPTED}."  # at the end of every command's help


UNTRIED: Final = (ConfigurationError, DatabaseError, StreamGap, SourceError, KafkaFailed)


def ended(stop: StopEvent, status: int, *, complete: bool = False) -> click.exceptions.Exit:
    """Return the exit of what may have been stopped: with Ctrl-C it is 130, unless all was done before that."""
    return click.exceptions.Exit(INTERRUPTED if stop.interrupted and not complete else status)


def status_of(error: CrossfadeError) -> int:
    """A refusal is an answer; a wrong file or an unreachable database means that nothing could be tried."""
    return COULD_NOT_RUN if isinstance(error, UNTRIED) else NOT_YET
