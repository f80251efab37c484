"""The one attribute that crossfade adds to the items of a target table."""

from __future__ import annotations

from typing import Final

STAMP: Final = "_crossfade"
"""Holds a fresh unique value per write (rule 3 of the protocol). No mapping may use the name; clients never see it."""
