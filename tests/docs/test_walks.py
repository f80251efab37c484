"""docs/getting-started.md and the README are walked, command by command: each works, and says what the page shows."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path
from typing import Final

import pytest

from tests.docs.walking import ROOT, Shown, Terminal, blocks_of, shown_on

GETTING_STARTED: Final = ROOT / "docs" / "getting-started.md"
README: Final = ROOT / "README.md"
LOCAL: Final = "crossfade local"


@pytest.fixture
def terminal(tmp_path: Path) -> Iterator[Terminal]:
    """A folder with nothing in it, and a database that was started as the page starts it."""
    made = Terminal(tmp_path)
    said = made.leave_running(f"{LOCAL} --port 0")
    made.variables = dict(re.findall(r"^  export (\w+)=(\S+)$", said, re.MULTILINE))
    assert "AWS_ENDPOINT_URL_DYNAMODB" in made.variables
    yield made
    made.close()


def test_getting_started_is_walked(terminal: Terminal) -> None:
    """From an empty folder to `complete`."""
    tables, migration, app = blocks_of(GETTING_STARTED, "python")
    shown = list(shown_on(GETTING_STARTED))
    assert [each.command for each in shown if each.command != "crossfade check"] == [LOCAL, *typed_on(GETTING_STARTED)]
    terminal.save("tables.py", tables)
    _ = terminal.type("python tables.py")
    assert "crossfade check" in terminal.type("crossfade new migration.py")
    terminal.save("migration.py", migration)
    terminal.save("app.py", app)
    for each in shown:
        assert_says_it(terminal, each)
    assert terminal.running[-1].poll() is None, "the application has ended"


def assert_says_it(terminal: Terminal, shown: Shown) -> None:
    if shown.command == LOCAL:
        said = (terminal.folder / "said-0").read_text(encoding="utf-8")
    elif shown.command == "python app.py":
        said = terminal.leave_running(shown.command)
    else:
        said = terminal.type(shown.command)
    assert shown.matches(said), f"$ {shown.command}\n{said}\n--- is not\n{shown.answer}"


def typed_on(page: Path) -> list[str]:
    """The commands of the block that goes from `start` to `cleanup`, without what is said of them."""
    for block in blocks_of(page, ""):
        if "crossfade start" in block and "crossfade cleanup" in block:
            return [line.partition("  #")[0].rstrip() for line in block.splitlines()]
    raise AssertionError(page)


TOTAL: Final = '"total": {"S": str(n)}'
DETAIL: Final = TOTAL + ', "detail": {"M": {"status": {"S": "new"}}}'
ON_AND_ON: Final = """
import time
number = 0
while True:
    number += 1
    item = {"customer": "big", "order_id": f"{number:06}", "total": str(number), "detail": {"status": "new"}}
    table.put_item(Item=item)
    print(number, flush=True)
    time.sleep(0.2)
"""


def test_the_readme_is_walked(terminal: Terminal) -> None:
    """Its migration, its application and its commands, with getting-started's tables and something to do."""
    migration, application = blocks_of(README, "python")
    tables, _, _ = blocks_of(GETTING_STARTED, "python")
    assert TOTAL in tables
    terminal.save("tables.py", tables.replace(TOTAL, DETAIL))
    _ = terminal.type("python tables.py")
    terminal.save("migration.py", migration)
    terminal.save("app.py", application + ON_AND_ON)
    for command in typed_on(README):
        in_another_terminal = command.startswith("crossfade replicate")  # as the page says
        _ = terminal.leave_running(command) if in_another_terminal else terminal.type(command)
        if command.startswith("crossfade start"):  # and then: deploy the application now
            _ = terminal.leave_running("python app.py")


@pytest.mark.parametrize(
    ("answer", "said", "wanted"),
    [
        ("a\n...\nb\n", "a\nb\n", True),
        ("a\n...\nb\n", "a\nx\ny\nb\n", True),
        ("a\n...\nb\n", "a\nx\n", False),
        ("at http://... (us)\n", "at http://127.0.0.1:1 (us)\n", True),
        ("1,000 items\n", "1.000 items\n", False),
    ],
)
def test_what_is_shown_is_told_from_what_is_not(answer: str, said: str, wanted: bool) -> None:
    """So that a page which shows something else is noticed."""
    assert Shown("crossfade status", answer).matches(said) is wanted
