"""The page of stages is the table of stages."""

from __future__ import annotations

from pathlib import Path

from scripts.print_stages import page

ROOT = Path(__file__).parents[2]


def test_the_page_is_printed_from_the_table() -> None:
    """docs/stages.md is what the script prints from the table that routing obeys."""
    assert (ROOT / "docs" / "stages.md").read_text(encoding="utf-8") == page()
