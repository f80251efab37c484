"""docs/commands.md, made from the commands themselves: `python -m crossfade.cli.document > docs/commands.md`."""

from __future__ import annotations

from collections.abc import Iterator

import click

from crossfade.cli.app import HELP_NAMES, HELP_WIDTH, app

HEAD = """\
# The commands

Every command with all of its options, as `--help` prints them. This page is made by
`python -m crossfade.cli.document > docs/commands.md`, and a test fails when it is not what the commands say.
"""


def page() -> str:
    return HEAD + "".join(_sections())


def _sections() -> Iterator[str]:
    with click.Context(app, info_name="crossfade", terminal_width=HELP_WIDTH, help_option_names=HELP_NAMES) as root:
        yield _section("crossfade", app.get_help(root))
        for name in app.list_commands(root):
            command = app.get_command(root, name)
            assert command is not None  # noqa: S101 - it was listed
            with click.Context(command, root, info_name=name, terminal_width=HELP_WIDTH) as context:
                yield _section(f"crossfade {name}", command.get_help(context))
                yield from _of_group(name, command, context)


def _of_group(name: str, command: click.Command, above: click.Context) -> Iterator[str]:
    if isinstance(command, click.Group):
        for each, part in command.commands.items():
            with click.Context(part, above, info_name=each, terminal_width=HELP_WIDTH) as context:
                yield _section(f"crossfade {name} {each}", part.get_help(context))


def _section(title: str, text: str) -> str:
    lines = "\n".join(line.rstrip() for line in text.splitlines())
    return f"\n## {title}\n\n```text\n{lines}\n```\n"


if __name__ == "__main__":
    click.echo(page(), nl=False)
