"""A name means one thing: to find where something is done, one search is enough."""

from __future__ import annotations

import ast
from collections import defaultdict
from pathlib import Path

import crossfade

ROOT = Path(crossfade.__file__).parent


def names_in(module: ast.Module) -> set[str]:
    """What a module defines at its top, without what is private to it."""
    found = set[str]()
    for each in module.body:
        match each:
            case ast.FunctionDef(name=name) | ast.AsyncFunctionDef(name=name) | ast.ClassDef(name=name):
                found.add(name)
            case ast.AnnAssign(target=ast.Name(id=name)):
                found.add(name)
            case ast.Assign(targets=targets):
                found.update(target.id for target in targets if isinstance(target, ast.Name))
            case _:
                pass
    return {name for name in found if not name.startswith("_")}


def test_no_public_name_stands_twice_in_core_or_aws() -> None:
    """In two files of them one name would have two meanings."""
    files = [file for room in ("core", "aws") for file in sorted((ROOT / room).rglob("*.py"))]
    assert len(files) > 100
    places = defaultdict[str, list[str]](list)
    for file in files:
        for name in names_in(ast.parse(file.read_text(encoding="utf-8"))):
            places[name].append(str(file.relative_to(ROOT)))
    assert {name: found for name, found in places.items() if len(found) > 1} == {}
