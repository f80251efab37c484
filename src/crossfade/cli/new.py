"""`crossfade new`: the file to begin with."""

from __future__ import annotations

import importlib
from pathlib import Path
from typing import Any

import click

from crossfade.cli.options import FILE_DEFAULT, quoted, refuse_options
from crossfade.cli.screen import Screen
from crossfade.errors import ConfigurationError
from crossfade.migration import MIGRATION_NAME, TABLE_NAME, template


@click.command(short_help="Write a migration file to edit.")
@click.argument("file", default=FILE_DEFAULT, type=click.Path(path_type=Path, dir_okay=False))
@click.option("--name", help="Name the migration; default `my-migration`, or the schema's name.")
@click.option("--source", default="orders", show_default=True, help="Migrate from this table.")
@click.option("--target", help="Migrate to this table; default `orders-v2`, or the schema's name.")
@click.option("--from", "url", metavar="URL", help="Migrate from MySQL: mysql://user@host:3306/schema")
@click.pass_obj
def new(screen: Screen, file: Path, name: str | None, source: str, target: str | None, url: str | None) -> None:
    """Write a migration file to edit: the two tables, their keys, and what changes between them.

    With --from it reads the schema of a MySQL or MariaDB and writes a function for each table: with keys, the columns'
    types and what becomes of them, and the foreign keys. The password comes from CROSSFADE_MYSQL_PASSWORD, or from the
    option file that CROSSFADE_MYSQL_OPTION_FILE names. Topics are declared where CROSSFADE_KAFKA_BOOTSTRAP is set.

    \b
    Examples:
      crossfade new migration.py --name orders --source orders --target orders-v2
      crossfade new --from mysql://app@db.example:3306/shop
    """
    if url is not None:
        refuse_options(("source",), "a migration of rows, whose tables are those of the schema")
        rows: Any = importlib.import_module("crossfade.cli.rows.writing")
        text = rows.file_from(url, name, target, file.name)
    else:
        name, target = name or "my-migration", target or "orders-v2"
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
    if url is not None:
        screen.say(f"Wrote {file}. It takes every table and column over: edit it, then try it on real rows:")
    else:
        screen.say(
            f"Wrote {file}. It has no mapping yet: correct the keys, say what changes, then try it on real items:"
        )
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
