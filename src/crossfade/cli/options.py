"""Options that commands have in common, and their types."""

from __future__ import annotations

import difflib
import functools
import os
import shlex
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final, TypeAlias, TypeVar

import click
from click.core import ParameterSource

from crossfade.cli.screen import Screen
from crossfade.control.days import VERIFIED_DAYS
from crossfade.core.stages import Stage
from crossfade.migration import FILE_VARIABLE

F = TypeVar("F", bound=Callable[..., Any])
Command: TypeAlias = Callable[..., None]
Decorator: TypeAlias = Callable[[Command], Command]

FILE_DEFAULT: Final = "migration.py"


@dataclass(frozen=True, slots=True)
class Where:
    """The migration file and the database, as given on the command line."""

    file: Path
    endpoint_url: str | None
    region: str | None
    profile: str | None

    def arguments(self) -> str:
        """What must be typed after a command's name to mean the same again."""
        file = "" if self.file == default_file() else quoted(str(self.file))
        return f"{file} {self.database()}".strip()

    def database(self) -> str:
        """Return those words for a command without a migration file."""
        given = [("--endpoint-url", self.endpoint_url), ("--region", self.region), ("--profile", self.profile)]
        return " ".join(quoted(word) for name, value in given if value for word in (name, value))


def default_file() -> Path:
    return Path(os.environ.get(FILE_VARIABLE) or FILE_DEFAULT)


def quoted(word: str) -> str:
    return shlex.quote(word)


class StageName(click.ParamType[Stage]):
    name = "stage"

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> Stage:
        if isinstance(value, Stage):
            return value
        names = [stage.value for stage in Stage]
        if value in names:
            return Stage(value)
        close = difflib.get_close_matches(str(value), names, n=1, cutoff=0.5)
        meant = f"did you mean {close[0]}? - " if close else ""
        raise click.BadParameter(f"{value!r} is no stage: {meant}stages: {', '.join(names)}", ctx, param)

    def get_metavar(self, param: click.Parameter, ctx: click.Context) -> str:  # noqa: ARG002 - click's signature
        return "STAGE"


def with_where(command: Callable[..., None]) -> Callable[..., None]:
    """FILE, --endpoint-url, --region, --profile: the command gets them as `where`."""

    @functools.wraps(command)
    def gathered(
        *args: Any, file: str | None, endpoint_url: str | None, region: str | None, profile: str | None, **rest: Any
    ) -> None:
        path = default_file() if file is None else Path(file)
        where = Where(path, endpoint_url, region, profile)
        screen = click.get_current_context().ensure_object(Screen)
        screen.arguments, screen.database = where.arguments(), where.database()
        command(*args, where=where, **rest)

    return _with_options(gathered, (*_database_options(), click.argument("file", required=False)))


def with_database(command: Callable[..., None]) -> Callable[..., None]:
    """Give the command --endpoint-url, --region and --profile, without FILE."""

    @functools.wraps(command)
    def gathered(*args: Any, endpoint_url: str | None, region: str | None, profile: str | None, **rest: Any) -> None:
        command(*args, where=Where(default_file(), endpoint_url, region, profile), **rest)

    return _with_options(gathered, _database_options())


def _with_options(command: Command, options: tuple[Decorator, ...]) -> Command:
    for option in options:
        command = option(command)
    return command


def _database_options() -> tuple[Decorator, ...]:
    return (
        click.option("--profile", metavar="NAME", help="Use this AWS profile."),
        click.option("--region", metavar="NAME", help="Use this AWS Region."),
        click.option("--endpoint-url", metavar="URL", help="Use another DynamoDB, such as `crossfade local`."),
    )


def with_json(command: F) -> F:
    """--json: the `Screen` learns of it before anything is said."""

    def told(ctx: click.Context, param: click.Parameter, value: bool) -> None:  # noqa: ARG001
        ctx.ensure_object(Screen).as_json = value

    option = click.option("--json", is_flag=True, expose_value=False, is_eager=True, callback=told, help="Output JSON.")
    return option(command)


def with_execute(command: F) -> F:
    return click.option("--execute", is_flag=True, help="Carry out the plan instead of only printing it.")(command)


def with_verified(command: F) -> F:
    """--verified-within: how old the verify may be."""
    return click.option(
        "--verified-within",
        metavar="DAYS",
        type=click.IntRange(min=1),
        help=f"Accept a verify that began up to so many days ago (default {VERIFIED_DAYS}).",
    )(command)


def verified_days(given: int | None) -> int:
    return VERIFIED_DAYS if given is None else given


def verified_again(given: int | None) -> str:
    """Return what is to be typed for the same once more."""
    return "" if given is None else f" --verified-within {given}"


def refuse_options(names: tuple[str, ...], kind: str) -> None:
    """Raise UsageError for an option that was given and says nothing of this kind of migration."""
    context = click.get_current_context()
    for name in names:
        if context.get_parameter_source(name) is ParameterSource.COMMANDLINE:
            raise click.UsageError(f"--{name.replace('_', '-')} says nothing of {kind}")
