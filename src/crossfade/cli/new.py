"""`crossfade new`: the file to begin with."""

from __future__ import annotations

from pathlib import Path

import click

from crossfade.cli.options import FILE_DEFAULT, quoted
from crossfade.cli.screen import Screen
from crossfade.errors import ConfigurationError
from crossfade.migration import MIGRATION_NAME, TABLE_NAME, template


@click.command(short_help="Write a migration file to edit.")
@click.argument("file", default=FILE_DEFAULT, type=click.Path(path_type=Path, dir_okay=False))
@click.option("--name", default="my-migration", show_default=True, help="The migration's name.")
@click.option("--source", default="orders", show_default=True, help="The table that there is.")
@click.option("--target", default="orders-v2", show_default=True, help="The table that replaces it.")
@click.pass_obj
def new(screen: Screen, file: Path, name: str, source: str, target: str) -> None:
    """Write a migration file to edit: the two tables, their keys, and what changes between them.

    \b
    Example:
      crossfade new migration.py --name orders --source orders --target orders-v2
    """
    check_names(name, source, target)
    text = template(name, source, target, file.name)
    try:
        with file.open("x", encoding="utf-8") as output:
            _ = output.write(text)
    except FileExistsError:
        raise ConfigurationError(
            f"{file} is there already, and was not changed", next_step="name another file, or move that one away"
        ) from None
    except OSError as error:
        raise ConfigurationError(f"{file} cannot be written: {error.strerror}") from error
    given = "" if file == Path(FILE_DEFAULT) else f" {quoted(str(file))}"
    screen.say(f"Wrote {file}. It has no mapping yet: correct the keys, say what changes, then try it on real items:")
    screen.say(f"  crossfade check{given}")


def check_names(name: str, source: str, target: str) -> None:
    """They become part of a Python file. Raises ConfigurationError."""
    if not MIGRATION_NAME.fullmatch(name):
        raise ConfigurationError(f"--name {name!r}: 1 to 100 letters, digits, '-', '_' or '.', a letter or digit first")
    for option, table in (("--source", source), ("--target", target)):
        if not TABLE_NAME.fullmatch(table):
            raise ConfigurationError(f"{option} {table!r}: a table name is 3 to 255 letters, digits, '-', '_' or '.'")
    if source == target:
        raise ConfigurationError(f"--source and --target are both {source!r}", next_step="a migration goes elsewhere")
