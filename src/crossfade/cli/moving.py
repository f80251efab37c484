"""Carrying out a step of the coordinator: what is said while it waits, and what is said at the end.

Every step is safe to interrupt: the state changes in one transaction, and whoever gives the same command again waits
for the rest.
"""

from __future__ import annotations

import importlib
import os
import time
from collections.abc import Callable, Sequence
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass
from typing import Any, Final, TypeVar, cast

import click
from rich.status import Status

from crossfade.cleanup.connections import CHANGING
from crossfade.cleanup.ledger import Ledger
from crossfade.cleanup.survey import look_at_cleanup
from crossfade.cli.opened import Opened, OpenedRows
from crossfade.cli.outcome import INTERRUPTED, NOT_YET
from crossfade.cli.planning import neighbour, step_findings
from crossfade.cli.plans import show_gates
from crossfade.cli.screen import HasScreen, counted, duration
from crossfade.control.coordinator import Coordinator
from crossfade.control.days import Days
from crossfade.control.gates import USUAL_DAYS, Finding
from crossfade.control.survey import Survey, survey
from crossfade.core.effects import Routine
from crossfade.core.stages import Stage
from crossfade.errors import GateClosed

T = TypeVar("T")

SAY_AGAIN_SECONDS: Final = 10.0  # without a terminal, the same clients are named again after this
CLIENTS_SHOWN: Final = 8


class Waiting:
    """Tells who is waited for: a live text on a terminal, a line now and then elsewhere. `note` is for drivers."""

    def __init__(self, opened: HasScreen, clock: Callable[[], float] = time.monotonic) -> None:
        self._opened = opened
        self._clock = clock
        self._live: Status | None = None
        self._said_at = 0.0
        self._said: Sequence[str] = ()

    def showing(self) -> AbstractContextManager[object]:
        """While it is entered there is a live text, where the screen is a terminal."""
        screen = self._opened.screen
        if not screen.is_terminal:
            return nullcontext()
        self._live = screen.people.status("asking the control table")
        return self._live

    def note(self, name: str, facts: dict[str, Any]) -> None:
        screen = self._opened.screen
        if name == "waiting":
            self._waiting(facts)
        elif name == CHANGING:
            self._changing(facts)
        elif name == "moved":
            told = [f"epoch {facts['epoch']}"]
            told += ["by force"] if facts.get("forced") else []
            told += [f"with {option}" for option in facts.get("fewer_days", ())]
            screen.say(f"  {facts['what']} ({', '.join(told)})", "green")
        elif name == "client_gone":
            mark = "; verify again before the authority moves" if facts.get("unclean") else ""
            screen.say(f"  client {facts['client']} on {facts['host']} is counted as gone{mark}", "yellow")

    def _waiting(self, facts: dict[str, Any]) -> None:
        clients = cast("list[dict[str, Any]]", facts["clients"])
        lines = [client_line(client) for client in clients[:CLIENTS_SHOWN]]
        if len(clients) > CLIENTS_SHOWN:
            lines.append(f"and {len(clients) - CLIENTS_SHOWN} more")
        head = (
            f"waiting for {counted(len(clients), 'client')} since {duration(facts['waited_seconds'])}:"
            f" {facts['purpose']}  (Ctrl-C is safe)"
        )
        if self._live is not None:
            self._live.update("\n".join([head, *(f"    {line}" for line in lines)]))
            return
        names, now = [str(client["client"]) for client in clients], self._clock()
        if names != self._said or now - self._said_at >= SAY_AGAIN_SECONDS:
            self._said, self._said_at = names, now
            self._opened.screen.say(f"  {head}")
            for line in lines:
                self._opened.screen.say(f"      {line}")

    def _changing(self, facts: dict[str, Any]) -> None:
        """A table that the service is still changing, by `crossfade.cleanup.connections`."""
        seen, now = f"{facts['table']}: {facts['seen']}", self._clock()
        if [seen] != self._said or now - self._said_at >= SAY_AGAIN_SECONDS:
            self._said, self._said_at = [seen], now
            waited, most = duration(facts["waited_seconds"]), duration(facts["seconds_max"])
            self._opened.screen.say(f"  waiting since {waited}, for {most} at most: {seen}  (Ctrl-C is safe)")


def client_line(client: dict[str, Any]) -> str:
    return f"{client['role']} {client['client']} on {client['host']}, pid {client['pid']}: {client['reason']}"


def coordinator(opened: Opened, force_because: str = "", *, days: Days = USUAL_DAYS) -> Coordinator:
    return Coordinator(
        opened.control,
        opened.caller,
        force_because=force_because,
        quiet_days=days.quiet,
        refused_days=days.refused,
        verified_days=days.verified,
    )


def carry_out(opened: Opened, routine: Routine[T], gates: Callable[[], Sequence[Finding]], again: str) -> T:
    """Run a routine of the coordinator. `gates` is asked what is closed when it says so; `again` is the command."""
    waiting = Waiting(opened)
    try:
        with waiting.showing():
            return opened.run(routine, waiting.note)
    except GateClosed as error:
        raise refused_by_gates(opened, error, gates()) from None
    except KeyboardInterrupt:
        raise interrupted(opened, again) from None


def refused_by_gates(opened: Opened, error: GateClosed, findings: Sequence[Finding]) -> click.exceptions.Exit:
    """Every finding with what to do; the exit."""
    screen = opened.screen
    screen.say(error.message.splitlines()[0], "bold yellow")
    show_gates(opened, findings)
    screen.say("The stages that were entered before stay as they are; do what is said above, then the same again.")
    screen.document(
        {
            "executed": False,
            "error": {"kind": "GateClosed", "message": error.message.splitlines()[0], "gates": findings},
        }
    )
    return click.exceptions.Exit(NOT_YET)


def interrupted(opened: Opened, again: str) -> click.exceptions.Exit:
    """Say where things are after Ctrl-C."""
    screen = opened.screen
    state = opened.state()
    screen.say()
    screen.say(
        f"Interrupted. The migration is in stage {state.stage}, epoch {state.epoch}; nothing is half done: clients"
        " go on entering it by themselves."
    )
    screen.say(f"To go on: {opened.command(again)}")
    screen.document({"executed": False, "interrupted": True, "stage": state.stage, "epoch": state.epoch})
    return click.exceptions.Exit(INTERRUPTED)


def look(opened: Opened) -> Survey:
    return opened.run(survey(opened.control))


def gates_beside(opened: Opened, by: int, days: Days = USUAL_DAYS) -> tuple[Finding, ...]:
    """The gates of the step up (1) or down (-1) from where a walk has stopped."""
    now = look(opened)
    goal = neighbour(now.state, by)
    return () if goal is None else step_findings(now, now.state, goal, days=days)


def report(opened: Opened, before: Survey) -> None:
    """Show where the migration is now, and the next command."""
    after = look(opened)
    screen = opened.screen
    ramp = f", ramp {after.state.ramp_percent} %" if after.state.ramp_percent else ""
    screen.say(f"Migration {after.migration} is in stage {after.state.stage}{ramp}: {after.summary}.", "bold")
    step = what_next(opened, after)
    screen.say(f"Next: {step}")
    screen.document(
        {
            "executed": True,
            "migration": after.migration,
            "from": before.state.stage,
            "stage": after.state.stage,
            "epoch": after.state.epoch,
            "ramp_percent": after.state.ramp_percent,
            **step.as_json(),
        }
    )


@dataclass(frozen=True, slots=True)
class Next:
    """What to type now, and what is to be said of it; either may be empty."""

    command: str
    remark: str = ""

    def __str__(self) -> str:
        if not self.command or not self.remark:
            return self.command or self.remark
        return f"{self.command}   ({self.remark})"

    def as_json(self) -> dict[str, str]:
        return {"next_command": self.command, "next_remark": self.remark}


def what_next(opened: Opened, look_: Survey) -> Next:
    """The next command, in full; none when the old table is retired."""
    if look_.state.stage is Stage.COMPLETE and is_retired(opened):
        return Next("", "nothing: every step after the end is done")
    return Next(opened.command(look_.next_command), opened.command(look_.next_remark))


def is_retired(opened: Opened) -> bool:
    ledger = Ledger(opened.control, opened.caller, os.getpid())
    if isinstance(opened, OpenedRows):
        retiring: Any = importlib.import_module("crossfade.cdc.retiring")  # it takes the drivers
        left: bool = opened.run(retiring.look_at_retiring(ledger, opened.migration)).next is not None
        return not left
    return opened.run(look_at_cleanup(ledger)).next is None
