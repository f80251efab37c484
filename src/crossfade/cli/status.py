"""`crossfade status`: the one screen."""

from __future__ import annotations

import time
from contextlib import nullcontext
from dataclasses import dataclass
from typing import Any, Final

import click
from rich.live import Live

from crossfade.cli.moving import what_next
from crossfade.cli.opened import Opened, open_migration, strangeness
from crossfade.cli.options import Where, with_json, with_where
from crossfade.cli.outcome import INTERRUPTED
from crossfade.cli.screen import Screen
from crossfade.cli.status_screen import View, status_screen, watch_screen
from crossfade.control.records import Lease
from crossfade.control.sightings import Sightings
from crossfade.control.survey import Survey, survey
from crossfade.errors import UnknownOutcome

SECOND_LOOK_SECONDS: Final = 1.5  # a client renews every second: who has not by then is shown as silent
WATCH_SECONDS: Final = 1.0


@click.command(short_help="Where it is, what holds it back, what to type next.")
@with_where
@click.option("--watch", is_flag=True, help="Refresh every second until Ctrl-C; with --json, print one line each time.")
@with_json
@click.pass_obj
def status(screen: Screen, where: Where, watch: bool) -> None:
    """Show where the migration is, who takes part, what holds it back, and the next command to type.

    It changes nothing. It looks twice, a second and a half apart, to see which clients renew their lease.

    \b
    Examples:
      crossfade status
      crossfade status migration.py --watch
    """
    opened = open_migration(screen, where)
    looks = Looks(opened, Sightings())
    if watch:
        watch_it(screen, looks)
        return
    view = looks.again()
    if view.survey.clients:
        time.sleep(SECOND_LOOK_SECONDS)
        view = looks.again()
    screen.show(status_screen(opened, view))
    screen.document(as_json(view))


@dataclass(frozen=True, slots=True)
class Looks:
    """Looks of one watcher, who therefore knows for how long each client has said nothing."""

    opened: Opened
    sightings: Sightings

    def again(self) -> View:
        now: Survey = self.opened.run(survey(self.opened.control, self.sightings))
        leases: tuple[Lease, ...] = self.opened.run(self.opened.control.leases())
        epochs = {lease.client: lease.epoch for lease in leases}
        return View(now, epochs, strangeness(self.opened.migration, now.state), what_next(self.opened, now))


def watch_it(screen: Screen, looks: Looks) -> None:
    """Until Ctrl-C. A look that gets no answer leaves the last one standing, and says so."""
    opened = looks.opened
    view = looks.again()
    live = None
    if screen.is_terminal:
        live = Live(watch_screen(opened, view), console=screen.people, auto_refresh=False, screen=True)
    with live or nullcontext():
        try:
            while True:
                screen.line(as_json(view))
                time.sleep(WATCH_SECONDS)
                try:
                    view = looks.again()
                except UnknownOutcome as error:
                    view = view.aged(f"no answer from the control table ({error.message}); this is the last one")
                if live is not None:
                    live.update(watch_screen(opened, view), refresh=True)
        except KeyboardInterrupt:
            pass
    screen.show(status_screen(opened, view))  # the last, which a pipe was not shown, and a terminal no longer shows
    raise click.exceptions.Exit(INTERRUPTED)


def as_json(view: View) -> dict[str, Any]:
    """The survey as it is, with what this command adds."""
    document = view.survey.as_json()
    for client in document["clients"]:
        client["epoch"] = view.epochs.get(client["client"], 0)
    return document | view.next_step.as_json() | {"note": view.note, "held_back_by": view.survey.held_back_by}
