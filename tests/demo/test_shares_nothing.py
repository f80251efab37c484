"""The proof shares nothing with the router."""

from __future__ import annotations

import ast
import importlib.util
import sys
from pathlib import Path


def imported_by(module: str) -> set[str]:
    """The modules that a module names in its imports."""
    found = importlib.util.find_spec(module)
    assert found is not None
    assert found.origin is not None
    names: set[str] = set()
    for node in ast.walk(ast.parse(Path(found.origin).read_text(encoding="utf-8"))):
        if isinstance(node, ast.Import):
            names |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom):
            names.add(node.module or "")
    return names


def test_what_proves_imports_only_the_standard_library_and_its_own_folder() -> None:
    """From the proof on, all that is imported is the demo's own or Python's: no router, no botocore."""
    waiting, seen = {"crossfade.demo.proving"}, set[str]()
    while waiting:
        module = waiting.pop()
        seen.add(module)
        for name in imported_by(module):
            if name.startswith("crossfade.demo."):
                waiting |= {name} - seen
            else:
                assert name.partition(".")[0] in sys.stdlib_module_names, f"{module} imports {name}"
    assert {"crossfade.demo.comparing", "crossfade.demo.judging", "crossfade.demo.wire"} <= seen
