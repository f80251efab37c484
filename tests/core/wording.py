"""The service's words for what is wrong with a request: in most Regions they have a preamble, in us-east-1 not yet."""

from __future__ import annotations

from typing import Final

PREAMBLE: Final = "1 validation error detected: "


def without_preamble(text: str) -> str:
    """The text of an error as every Region has it."""
    return text.replace(PREAMBLE, "")
