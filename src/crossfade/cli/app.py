"""The group `crossfade`: which commands there are, and what becomes of an error.

A command's module is imported when the command is used, so that `crossfade status` does not load a simulator.
"""

from __future__ import annotations

import difflib
import importlib
import importlib.util
import sys
from importlib.metadata import PackageNotFoundError, version
from typing import Any, Final

import click

from crossfade.cli.outcome import EXIT_STATUSES, INTERRUPTED, INTERRUPTED_LINE, status_of
from crossfade.cli.screen import Screen
from crossfade.errors import ConfigurationError, CrossfadeError

# In the order in which a migration needs them. Each is the object of that name in crossfade/cli/<name>.py (with `_` for
# `-`); the demo has a folder of its own, which a checkout has and an installed package has not.
COMMANDS: Final = (
    "advise",
    "new",
    "check",
    "start",
    "status",
    "exporter",
    "backfill",
    "verify",
    "watch",
    "replicate",
    "settle",
    "etl",
    "advance",
    "rollback",
    "complete",
    "cancel",
    "recover",
    "cleanup",
    "restore",
    "iam-policy",
    "local",
    "simulate",
    "demo",
)
# What a migration of rows needs and others do not, and the exporter.
EXTRAS: Final = {"pymysql": "mysql", "confluent_kafka": "kafka", "prometheus_client": "prometheus"}
HELP_WIDTH: Final = 100
WANTS_JSON: Final = "crossfade.wants_json"
HELP_NAMES: Final = ["-h", "--help"]


def is_there(name: str) -> bool:
    return name != "demo" or importlib.util.find_spec("crossfade.demo") is not None


@click.command(hidden=True, add_help_option=False, context_settings={"ignore_unknown_options": True})
@click.argument("words", nargs=-1)
def demo_elsewhere(words: tuple[str, ...]) -> None:  # noqa: ARG001 - whatever they are
    """Say where the demo is, in place of `crossfade demo`."""
    raise ConfigurationError(
        "the demo is no part of the installed package: it plays in a checkout of crossfade",
        next_step="make demo, in the root of a checkout",
    )


class App(click.Group):
    """Loads commands when they are asked for; turns crossfade's errors into a line, a next step and an exit status."""

    def list_commands(self, ctx: click.Context) -> list[str]:  # noqa: ARG002 - click's signature
        return [name for name in COMMANDS if is_there(name)]

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:  # noqa: ARG002
        if cmd_name not in COMMANDS:
            return None
        if not is_there(cmd_name):
            return demo_elsewhere
        name = cmd_name.replace("-", "_")
        module = "crossfade.demo.command" if cmd_name == "demo" else f"crossfade.cli.{name}"
        found: Any = getattr(importlib.import_module(module), name)
        assert isinstance(found, click.Command)  # noqa: S101 - the impossible
        say_interrupted(found)
        return found

    def parse_args(self, ctx: click.Context, args: list[str]) -> list[str]:
        """Looks for --json before anything can be wrong with the other options."""
        ctx.meta[WANTS_JSON] = "--json" in args
        return super().parse_args(ctx, args)

    def resolve_command(
        self, ctx: click.Context, args: list[str]
    ) -> tuple[str | None, click.Command | None, list[str]]:
        """Names the command that was probably meant."""
        try:
            return super().resolve_command(ctx, args)
        except click.UsageError:
            close = difflib.get_close_matches(args[0], self.list_commands(ctx), n=1)
            if not close:
                raise
            raise click.UsageError(f"No such command {args[0]!r}. Did you mean {close[0]}?", ctx) from None

    def invoke(self, ctx: click.Context) -> Any:
        screen = ctx.ensure_object(Screen)
        try:
            return super().invoke(ctx)
        except click.UsageError as error:
            if ctx.meta[WANTS_JSON]:
                screen.as_json = True
                screen.line(usage_error(error))
            raise
        except CrossfadeError as error:
            screen.error(error)
            ctx.exit(status_of(error))
        except ModuleNotFoundError as error:
            extra = EXTRAS.get((error.name or "").partition(".")[0])
            if extra is None:
                raise
            needed = ConfigurationError(f"{error.name} is not installed", next_step=f"pip install 'crossfade[{extra}]'")
            screen.error(needed)
            ctx.exit(status_of(needed))
        except (KeyboardInterrupt, click.Abort):  # the latter: at a question
            print("\ncrossfade: interrupted", file=sys.stderr)
            ctx.exit(INTERRUPTED)

    def make_context(
        self, info_name: str | None, args: list[str], parent: click.Context | None = None, **extra: Any
    ) -> click.Context:
        """Ends as `invoke` does where Ctrl-C comes before it."""
        try:
            return super().make_context(info_name, args, parent, **extra)
        except KeyboardInterrupt:
            print("\ncrossfade: interrupted", file=sys.stderr)
            raise click.exceptions.Exit(INTERRUPTED) from None

    def format_epilog(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        with formatter.section("Exit statuses"):
            formatter.write_dl([(str(status), meaning) for status, meaning in EXIT_STATUSES.items()])
        super().format_epilog(ctx, formatter)


def say_interrupted(command: click.Command) -> None:
    """Have the help of a command, and of those below it, say what Ctrl-C ends it with."""
    command.epilog = INTERRUPTED_LINE
    if isinstance(command, click.Group):
        for below in command.commands.values():
            say_interrupted(below)


def usage_error(error: click.UsageError) -> dict[str, Any]:
    """Return the error as a document."""
    help_of = error.ctx.command_path if error.ctx is not None else "crossfade"
    return {
        "error": {"kind": "UsageError", "message": error.format_message(), "next_step": f"{help_of} --help"},
    }


def installed_version() -> str:
    try:
        return version("crossfade")
    except PackageNotFoundError:  # run from a folder that is not installed
        return "unknown"


@click.group(
    cls=App,
    context_settings={"help_option_names": HELP_NAMES, "max_content_width": HELP_WIDTH},
    epilog="FILE is the migration file: by default what CROSSFADE_MIGRATION names, or ./migration.py.",
)
@click.version_option(installed_version(), message="crossfade %(version)s")
def app() -> None:
    """Move a live application to a new DynamoDB table: no downtime, no lost write, and a way back.

    \b
    crossfade advise --log FILE     before you begin: is the key hot, and how many suffixes would carry it
    crossfade new migration.py      write the file that describes the migration, then edit it
    crossfade new --from mysql://user@host/schema      the same, for rows of MySQL
    crossfade check                 try it on a sample of the real table
    crossfade start --execute       record it; then deploy the applications with crossfade attached
    crossfade status                where we are, what holds us back, what to type next

    Credentials, Region and endpoint come from the usual AWS environment. What changes something prints its plan first
    and acts only with --execute, or after a yes typed at a terminal.
    """
