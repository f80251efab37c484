"""The commands that texts tell people to type: found in pages and in the strings of the source, and looked at by the
parser of the command line itself, which runs nothing."""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from shlex import split
from typing import Any, Final

import click

from crossfade.cli.app import COMMANDS, HELP_NAMES, app

ROOT: Final = Path(__file__).parents[2]
PAGES: Final = (ROOT / "README.md", *sorted((ROOT / "docs").glob("*.md")), *sorted((ROOT / "examples").rglob("*.md")))
SOURCES: Final = tuple(sorted((ROOT / "src" / "crossfade").rglob("*.py")))

GIVEN: Final = "\N{SECTION SIGN}"  # stands for what a formatted string takes in
# A command ends with its line, at punctuation, at a comment, and where a table or a list goes on after some spaces.
TYPED: Final = re.compile(rf"\bcrossfade ({'|'.join(COMMANDS)})(?![\w-])((?:(?!  | # | > )[^\n`;,()])*)")
PLACEHOLDER: Final = re.compile(rf"[A-Z]+|.*{GIVEN}.*")
# What a command wants as well where it is to do something, and says only when it runs.
WANTED: Final = {
    ("complete", "--execute"): "--confirm",
    ("verify", "--repair"): "--execute",
    ("watch", "--repair"): "--execute",
    ("watch", "--enable-stream"): "--execute",
    ("advance", "--force"): "--why",
    ("rollback", "--force"): "--why",
}


@dataclass(frozen=True, slots=True)
class Typed:
    """A command in a text: its name, and the words after it that are its own and not the sentence's."""

    place: str
    name: str
    words: tuple[str, ...]

    def __str__(self) -> str:
        return f"{self.place}: crossfade {self.name} {' '.join(self.words)}".replace(GIVEN, "{}").rstrip()

    @property
    def fault(self) -> str:
        """What the command line has to say against it. The name alone is a mention, whatever the command needs."""
        if not self.words:
            return ""
        command = command_of(self.name)
        try:
            _ = command.make_context(self.name, list(filled(command, self.words)), parent())
        except click.UsageError as error:
            return error.format_message()
        for (name, option), other in WANTED.items():
            if name == self.name and option in self.words and other not in self.words:
                return f"{option} wants {other}"
        return ""


def parent() -> click.Context:
    """As when it is typed; a command keeps the names of its help that it was first asked with."""
    return click.Context(app, help_option_names=HELP_NAMES)


def command_of(name: str) -> click.Command:
    found = app.get_command(parent(), name)
    assert isinstance(found, click.Command)
    return found


def in_pages() -> Iterator[Typed]:
    for page in PAGES:
        for number, line in enumerate(page.read_text(encoding="utf-8").splitlines(), 1):
            if not line.startswith("Usage:"):
                yield from in_text(line, f"{page.relative_to(ROOT)}:{number}")


def in_sources() -> Iterator[Typed]:
    for source in SOURCES:
        for line, text in strings_of(ast.parse(source.read_text(encoding="utf-8"))):
            yield from in_text(text, f"{source.relative_to(ROOT)}:{line}")


def strings_of(node: ast.AST) -> Iterator[tuple[int, str]]:
    """Each string with its line; a formatted one as a whole."""
    if isinstance(node, ast.Constant):
        if isinstance(node.value, str):
            yield node.lineno, node.value
        return
    if isinstance(node, ast.JoinedStr):
        yield node.lineno, "".join(str(part.value) if isinstance(part, ast.Constant) else GIVEN for part in node.values)
    for child in ast.iter_child_nodes(node):
        if not (isinstance(node, ast.JoinedStr) and isinstance(child, ast.Constant)):
            yield from strings_of(child)


def in_text(text: str, place: str) -> Iterator[Typed]:
    for found in TYPED.finditer(text):
        yield Typed(place, found[1], tuple(own_words(command_of(found[1]), found[2])))


def own_words(command: click.Command, rest: str) -> Iterator[str]:
    """Options with their values, and as many other words as the command takes and a sentence would not begin with."""
    words = rest.split()
    with suppress(ValueError):  # an apostrophe
        words = split(rest)
    options = {name: param for param in command.params for name in param.opts if isinstance(param, click.Option)}
    wanted = sum(param.required for param in command.params if isinstance(param, click.Argument))
    remaining = iter(words)
    for word in remaining:
        option = word.rstrip(".:").partition(GIVEN)[0]
        if option.startswith("--"):
            yield option
            if option not in options:
                continue  # for the parser to say
            if not getattr(options[option], "is_flag", False):
                yield next(remaining, "").rstrip(",:")
        elif wanted:
            wanted -= 1
            yield word
        elif not word.endswith(".py") and word != GIVEN:
            return


def filled(command: click.Command, words: tuple[str, ...]) -> Iterator[str]:
    """The words, with a value of the right type wherever a text has a placeholder."""
    options: dict[str, Any] = {name: param for param in command.params for name in param.opts}
    before = ""
    for word in words:
        is_value = before in options and not options[before].is_flag
        yield sample(options[before].type) if is_value and PLACEHOLDER.fullmatch(word) else word
        before = "" if is_value else word


def sample(kind: click.ParamType[Any]) -> str:
    """A value that an option takes."""
    if isinstance(kind, click.Choice):
        return str(kind.choices[0])
    return "shadow" if kind.name == "stage" else "1"
