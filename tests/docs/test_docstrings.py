"""Docstrings are read one by one, in an editor: none leans on the one before it."""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Final

SOURCE: Final = Path(__file__).parents[2] / "src" / "crossfade"
# What only means something behind another sentence: "The same for ...", "Of one ...", "Those that ...".
FRAGMENT: Final = re.compile(r"(The same|Of|Those|That|Likewise|As|And|But|With|By|From|To|It|Its|Who|Whoever|Where)\b")
KINDS: Final = (ast.FunctionDef, ast.AsyncFunctionDef, ast.ClassDef)


def test_each_begins_with_what_is_done_or_described() -> None:
    """A verb ("Return", "Raise", "Read"), or the thing itself."""
    assert [f"{place}: {said}" for place, said in docstrings() if FRAGMENT.match(said)] == []


def docstrings() -> Iterator[tuple[str, str]]:
    """Where each stands, and its first line."""
    for path in sorted(SOURCE.rglob("*.py")):
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            said = ast.get_docstring(node) if isinstance(node, KINDS) else None
            if said:
                yield f"{path.relative_to(SOURCE)}:{getattr(node, 'lineno', 0)}", said.splitlines()[0]
