"""What people are told to type can be typed: pages, help, errors and next steps before the command line's parser."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path

import pytest

from crossfade.core.stages import LADDERS, Gate, Stage, ladder
from tests.docs.commands import ROOT, Typed, in_pages, in_sources, in_text


def test_every_command_in_a_page_is_one() -> None:
    """Each command of the README, the pages and the examples is taken by the command line, with all of its options."""
    typed = list(in_pages())
    assert len(typed) > 100
    assert [f"{each}: {each.fault}" for each in typed if each.fault] == []


def test_every_command_in_the_source_is_one() -> None:
    """So is each in a string of the source: an example of the help, an error's next step, a line of the demo."""
    typed = list(in_sources())
    assert len(typed) > 100
    assert [f"{each}: {each.fault}" for each in typed if each.fault] == []


@pytest.mark.parametrize(
    ("text", "fault"),
    [
        ("crossfade backfill --stop-when-it-fails ends early", "No such option"),
        ("Next: crossfade restore backups/orders", "Missing option '--table'"),
        ("crossfade complete --execute", "--execute wants --confirm"),
        ("crossfade verify --repair, then", "--repair wants --execute"),
        ("crossfade advance --to bogus --execute", "is no stage"),
        ("crossfade verify tells whether anything is missing", ""),
        ("crossfade complete --execute --confirm NAME --quiet-days N, with fewer days", ""),
    ],
)
def test_what_is_looked_for_is_found(text: str, fault: str) -> None:
    """Each kind of command that cannot be typed is noticed, and a sentence that goes on is no part of one."""
    (typed,) = in_text(text, "here")
    assert fault in typed.fault
    assert bool(fault) == bool(typed.fault)


STEPS = [ROOT / "README.md", ROOT / "docs" / "getting-started.md"]


@pytest.mark.parametrize("page", STEPS, ids=lambda page: page.name)
def test_the_commands_of_a_walk_can_be_typed_in_their_order(page: Path) -> None:
    """Each is of a stage that the ones before it lead to, from `off` to the end."""
    walks = list(walks_of(page.read_text(encoding="utf-8")))
    assert walks
    for walk in walks:
        stage = Stage.OFF
        for typed in walk:
            stage = after(stage, typed)
        assert stage is Stage.COMPLETE


def walks_of(text: str) -> Iterator[list[Typed]]:
    """The blocks that go up to the end. Where answers are shown as well, there are ways back among them."""
    for kind, block in re.findall(r"^```(\w*)\n(.*?)^```$", text, re.DOTALL | re.MULTILINE):
        walk = list(in_text(block, "a walk"))
        if kind != "console" and {"advance", "complete"} <= {typed.name for typed in walk}:
            yield walk


def after(stage: Stage, typed: Typed) -> Stage:
    """The stage that a command leads to. Asserts that it is possible in the one before."""
    rows, order = LADDERS["dual-write"], ladder("dual-write")
    to = Stage(typed.words[typed.words.index("--to") + 1]) if "--to" in typed.words else stage
    match typed.name:
        case "advance":
            assert order.index(to) >= order.index(stage), typed
        case "rollback":
            assert order.index(to) < order.index(stage), typed
        case "complete":
            assert stage is Stage.RAMPDOWN, typed
            assert Gate.CONFIRMED in rows[Stage.COMPLETE].gates
            return Stage.COMPLETE
        case "backfill":
            assert stage in (Stage.DUALWRITE, Stage.SHADOW), typed
        case "verify" | "replicate":
            assert rows[stage].keeps_equal, typed
        case _:
            pass
    return to
