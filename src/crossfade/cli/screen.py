"""Where output goes: text for people, or JSON for programs, never both on standard output.

With `--json` whatever people should read goes to standard error. Nothing that comes from data is taken for markup.
"""

from __future__ import annotations

import json
import re
import sys
from collections.abc import Mapping
from dataclasses import asdict, is_dataclass
from enum import Enum
from typing import Any, Final, Protocol

import click
from rich.console import Console, RenderableType
from rich.text import Text

from crossfade.errors import CrossfadeError

WIDTH_WITHOUT_TERMINAL: Final = 100_000  # nothing is broken there: programs search it, and people paste from it
# A command within a text, of those that take the migration file.
COMMAND: Final = re.compile(
    r"\bcrossfade (?:etl (?:retry|replay|work)|etl|check|start|status|backfill|verify|watch|replicate|advance|rollback"
    r"|complete|cancel|cleanup|iam-policy)\b"
)
COMMAND_WITHOUT_FILE: Final = re.compile(r"\bcrossfade restore\b")


class Screen:
    """One a process: the context object of every command."""

    def __init__(self) -> None:
        self.as_json = False
        self.arguments = ""  # what a command must be given to mean this migration file and this database again
        self.database = ""  # what one without a migration file must be given
        self._out = _console(to_stderr=False)
        self._err = _console(to_stderr=True)

    @property
    def people(self) -> Console:
        """The console for text."""
        return self._err if self.as_json else self._out

    @property
    def is_terminal(self) -> bool:
        return self.people.is_terminal

    @property
    def can_ask(self) -> bool:
        """Whether somebody is there to type an answer."""
        return not self.as_json and sys.stdin.isatty() and sys.stdout.isatty()

    def say(self, text: str = "", style: str = "", *, whole: bool = False) -> None:
        """A line of text. Unless on a terminal it is not broken, so that it can be searched and pasted; with `whole`
        neither there, where a command in it is to be pasted."""
        self.people.print(Text(text, style=style), soft_wrap=whole or not self.is_terminal)

    def show(self, thing: RenderableType) -> None:
        """A table or the like. Unless on a terminal no line is broken, and none ends in spaces."""
        if self.is_terminal:
            self.people.print(thing)
            return
        with self.people.capture() as captured:
            self.people.print(thing)
        for line in captured.get().splitlines():
            self.say(line.rstrip())

    def document(self, value: Any) -> None:
        """The JSON document of this command, when JSON is wanted; indented, since people look at it as well."""
        if self.as_json:
            click.echo(json.dumps(plain(value), indent=2, ensure_ascii=False))

    def line(self, value: Any) -> None:
        """One of several JSON lines."""
        if self.as_json:
            click.echo(json.dumps(plain(value), ensure_ascii=False))

    def command(self, text: str) -> str:
        """The commands within a text as they must be typed here."""
        return _given(COMMAND_WITHOUT_FILE, self.database, _given(COMMAND, self.arguments, text))

    def error(self, error: CrossfadeError) -> None:
        """The message and the next step, on standard error; with `--json` also as a document."""
        next_step = self.command(error.next_step)
        self._err.print(Text(f"crossfade: {error.message}", style="red"), soft_wrap=not self._err.is_terminal)
        if next_step:
            self._err.print(Text(f"  next: {next_step}"), soft_wrap=not self._err.is_terminal)
        self.line({"error": {"kind": type(error).__name__, "message": error.message, "next_step": next_step}})


class HasScreen(Protocol):
    """Anything with a screen."""

    @property
    def screen(self) -> Screen: ...


def plain(value: Any) -> Any:
    """Dataclasses, enumerations and tuples as JSON has them."""
    if is_dataclass(value) and not isinstance(value, type):
        return plain(asdict(value))
    if isinstance(value, Enum):
        return value.value
    if isinstance(value, Mapping):
        return {str(plain(key)): plain(held) for key, held in value.items()}  # pyright: ignore[reportUnknownVariableType]
    if isinstance(value, (list, tuple, set, frozenset)):
        return [plain(held) for held in value]  # pyright: ignore[reportUnknownVariableType]
    if isinstance(value, bytes):
        return value.hex()
    return value


def counted(number: int, noun: str, plural: str = "") -> str:
    """`1 client`, `1,200 clients`."""
    return f"{number:,} {noun if number == 1 else plural or noun + 's'}"


def duration(seconds: float) -> str:
    """`7 s`, `3 min 20 s`, `2 h 05 min`, `4 d 3 h`."""
    whole = round(seconds)
    if whole < 60:
        return f"{whole} s"
    if whole < 3600:
        return f"{whole // 60} min {whole % 60:02} s"
    if whole < 86_400:
        return f"{whole // 3600} h {whole % 3600 // 60:02} min"
    return f"{whole // 86_400} d {whole % 86_400 // 3600} h"


def _console(*, to_stderr: bool) -> Console:
    console = Console(stderr=to_stderr, markup=False, highlight=False, emoji=False)
    if not console.is_terminal:
        console = Console(stderr=to_stderr, markup=False, highlight=False, emoji=False, width=WIDTH_WITHOUT_TERMINAL)
    return console


def _given(commands: re.Pattern[str], words: str, text: str) -> str:
    """The text, with these words behind each of the commands in it."""
    return commands.sub(lambda found: f"{found[0]} {words}", text) if words else text
