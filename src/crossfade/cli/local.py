"""`crossfade local`: a DynamoDB to play with."""

from __future__ import annotations

from pathlib import Path

import click

from crossfade.cli.outcome import COULD_NOT_RUN, INTERRUPTED
from crossfade.cli.screen import Screen
from crossfade.local import ENDPOINT_VARIABLE, LocalDatabaseError, LocalEngine


@click.command(short_help="Run an embedded DynamoDB, to play with.")
@click.option("--path", type=click.Path(file_okay=False, path_type=Path), help="Keep the tables in this folder.")
@click.option(
    "--port",
    type=click.IntRange(0, 65535),
    default=8000,
    show_default=True,
    help="Listen on this port; 0 takes any free one.",
)
@click.pass_obj
def local(screen: Screen, path: Path | None, port: int) -> None:
    """Run an embedded DynamoDB in the foreground, on 127.0.0.1, until Ctrl-C; in memory unless --path is given.

    It is dynoxide, an open engine on SQLite, and comes with crossfade[local]. For development and tests: it checks no
    credentials.

    \b
    Examples:
      crossfade local
      crossfade local --path ./tables --port 8100
    """
    try:
        with LocalEngine.start(path, port=port) as server:
            try:
                show(screen, server, path)
                server.wait()
            except KeyboardInterrupt:
                screen.say("\nStopped." if server.process_id else "\nLeft running: it is not ours.")
                raise click.exceptions.Exit(INTERRUPTED) from None
            else:
                raise LocalDatabaseError(
                    f"the embedded engine ended by itself; the last it said:\n{server.said}", next_step="start it again"
                )
    except LocalDatabaseError as error:
        screen.error(error)
        raise click.exceptions.Exit(COULD_NOT_RUN) from None


def show(screen: Screen, server: LocalEngine, path: Path | None) -> None:
    options = server.client_options()
    where = f"tables in {path}" if path else "in memory: the tables go when it ends"
    if server.process_id is None:
        where = f"named by {ENDPOINT_VARIABLE}: nothing was started"
    screen.say(f"DynamoDB answers at {server.endpoint_url} ({where}). In another terminal:", "bold")
    screen.say()
    for name, value in (
        ("AWS_ENDPOINT_URL_DYNAMODB", options["endpoint_url"]),
        ("AWS_DEFAULT_REGION", options["region_name"]),
        ("AWS_ACCESS_KEY_ID", options["aws_access_key_id"]),
        ("AWS_SECRET_ACCESS_KEY", options["aws_secret_access_key"]),
    ):
        screen.say(f"  export {name}={value}")
    screen.say()
    screen.say("Ctrl-C ends it." if server.process_id else "Ctrl-C ends this command, and leaves that one running.")
