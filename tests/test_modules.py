"""Modules are of one thought, and so can be read at one sitting."""

from __future__ import annotations

from pathlib import Path
from typing import Final

import crossfade

PACKAGE: Final = Path(crossfade.__file__).parent
LINES_MAX: Final = 400


def test_no_module_is_longer_than_can_be_read_at_once() -> None:
    """One that grows beyond it holds two thoughts, and is cut between them."""
    lines = {file: len(file.read_text(encoding="utf-8").splitlines()) for file in PACKAGE.rglob("*.py")}
    assert len(lines) > 400
    assert {str(file.relative_to(PACKAGE)): count for file, count in lines.items() if count > LINES_MAX} == {}
