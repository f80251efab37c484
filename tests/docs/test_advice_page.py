"""docs/advice.md shows what the command says, and cites each rule of the model."""

from __future__ import annotations

from pathlib import Path

from crossfade.partitions.limits import DOCUMENTED
from tests.docs.walking import ROOT, Terminal, shown_on

PAGE = ROOT / "docs" / "advice.md"


def test_its_example_is_what_the_command_says(tmp_path: Path) -> None:
    """The figures of the generated workload are those of the page."""
    (shown,) = shown_on(PAGE)
    said = "\n".join(line.rstrip() for line in Terminal(tmp_path).type(shown.command).splitlines())
    assert shown.matches(said), said


def test_each_source_of_the_model_is_on_the_page() -> None:
    """But for the units of a request, which the page of costs has."""
    text = PAGE.read_text(encoding="utf-8")
    missing = {rule.source for rule in DOCUMENTED if rule.source not in text}
    assert {source.rpartition("/")[2] for source in missing} <= {"read-write-operations.html"}
