"""`crossfade local`: a DynamoDB to play with."""

from __future__ import annotations

from pathlib import Path

import click

from crossfade.cli.outcome import COULD_NOT_RUN
from crossfade.cli.screen import Screen
from crossfade.local import DynamoDBLocal, LocalDatabaseError


@click.command(short_help="Run DynamoDB Local, to play with.")
@click.option("--path", type=click.Path(file_okay=False, path_type=Path), help="Keep the tables in this folder.")
@click.option("--port", type=click.IntRange(0, 65535), default=8000, show_default=True, help="0 is any free one.")
@click.pass_obj
def local(screen: Screen, path: Path | None, port: int) -> None:
    """Run Amazon's DynamoDB Local in the foreground, on 127.0.0.1, until Ctrl-C; in memory unless --path is given.

    Fetched once per user (51 MB). Its licence allows use for development and testing, not redistribution.

    \b
    Examples:
      crossfade local
      crossfade local --path ./tables --port 8100
    """
    try:
        with DynamoDBLocal.start(path, port=port) as server:
            show(screen, server, path)
            try:
                server.wait()
            except KeyboardInterrupt:
                screen.say("\nStopped." if server.process_id else "\nLeft running: it is not ours.")
            else:
                raise LocalDatabaseError("DynamoDB Local ended by itself", next_step="start it again")
    except LocalDatabaseError as error:
        screen.error(error)
        raise click.exceptions.Exit(COULD_NOT_RUN) from None


def show(screen: Screen, server: DynamoDBLocal, path: Path | None) -> None:
    options = server.client_options()
    where = f"tables in {path}" if path else "in memory: the tables go when it ends"
    screen.say(f"DynamoDB Local answers at {server.endpoint_url} ({where}). In another terminal:", "bold")
    screen.say()
    for name, value in (
        ("AWS_ENDPOINT_URL_DYNAMODB", options["endpoint_url"]),
        ("AWS_DEFAULT_REGION", options["region_name"]),
        ("AWS_ACCESS_KEY_ID", options["aws_access_key_id"]),
        ("AWS_SECRET_ACCESS_KEY", options["aws_secret_access_key"]),
    ):
        screen.say(f"  export {name}={value}")
    screen.say()
    screen.say("Ctrl-C ends it.")
