"""`crossfade exporter`: the figures of the whole migration, out of the control table, for Prometheus."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Final

import click

from crossfade.cli.opened import Opened, open_migration
from crossfade.cli.options import Where, with_where
from crossfade.cli.screen import Screen
from crossfade.control.sightings import Sightings
from crossfade.control.survey import survey
from crossfade.observe.fleet import Figure, figures

PORT: Final = 9464


@click.command(short_help="Serve the migration's figures to Prometheus.")
@with_where
@click.option("--port", type=click.IntRange(0, 65535), default=PORT, show_default=True, help="0: any that is free.")
@click.pass_obj
def exporter(screen: Screen, where: Where, port: int) -> None:
    """Serve what the control table tells of the whole migration to Prometheus, until Ctrl-C.

    It listens on 127.0.0.1 alone, at /metrics. It changes nothing. docs/metrics.md has the names.

    \b
    Examples:
      crossfade exporter
      crossfade exporter migration.py --port 9470
    """
    opened = open_migration(screen, where)
    _ = opened.state()  # what is wrong with the file or the migration is said now
    from crossfade.observe.exporting import HOST, PATH, Figures, serving  # prometheus_client is in an extra

    sightings = Sightings()
    server = serving(Figures(lambda: look(opened, sightings)), port)
    screen.say(f"http://{HOST}:{server.server_port}{PATH}")
    try:
        server.serve_forever()
    finally:
        server.server_close()


def look(opened: Opened, sightings: Sightings) -> Iterator[Figure]:
    """Return what the control table tells now."""
    leases = opened.run(opened.control.leases())
    yield from figures(opened.run(survey(opened.control, sightings)), leases)
