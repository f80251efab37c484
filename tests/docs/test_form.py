"""Pages that people write can be read as they are: no line runs on, and every link leads somewhere."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.docs.commands import PAGES

LINE_MAX = 127
PRINTED = ("operations.md", "engine.md", "commands.md", "stages.md")  # by programs, from tables
WRITTEN = [page for page in PAGES if page.name not in PRINTED]


@pytest.mark.parametrize("page", WRITTEN, ids=lambda page: f"{page.parent.name}/{page.name}")
def test_lines_are_broken(page: Path) -> None:
    """Outside of tables and code no line is longer than a screen is wide."""
    assert [line for line in prose(page) if len(line) > LINE_MAX] == []


def prose(page: Path) -> Iterator[str]:
    text = re.sub(r"^```.*?^```", "", page.read_text(encoding="utf-8"), flags=re.DOTALL | re.MULTILINE)
    yield from (line for line in text.splitlines() if not line.startswith(("|", "    ")))


@pytest.mark.parametrize("page", PAGES, ids=lambda page: f"{page.parent.name}/{page.name}")
def test_links_lead_somewhere(page: Path) -> None:
    """Each link to a file names one, and each link to a heading one that is on that page."""
    links = re.findall(r"\]\((?!https?:)([^)#\s]*)(?:#([^)]*))?\)", page.read_text(encoding="utf-8"))
    assert [f"{file}#{heading}" for file, heading in links if not leads_somewhere(page, file, heading)] == []


def leads_somewhere(page: Path, file: str, heading: str) -> bool:
    there = page.parent / file if file else page
    return there.exists() and (not heading or heading in {*headings(there)})


def headings(page: Path) -> Iterator[str]:
    """As links name them."""
    for title in re.findall(r"^#+ (.*)$", page.read_text(encoding="utf-8"), re.MULTILINE):
        yield re.sub(r"[^\w\- ]", "", title.strip().lower()).replace(" ", "-")
