"""Nothing in the tree fetches or starts a part that is not open source."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path
from typing import Final

ROOT: Final = Path(__file__).parents[2]
MADE: Final = {"target", "licences", "Cargo.lock", "__pycache__", "dist"}  # by the build
# What Amazon's DynamoDB Local was fetched and started by. Its name may be said: it is one of
# the endpoints that can be used in the place of the embedded engine. (In pieces, since this file is looked at as well.)
CLOSED: Final = (
    "com.amazonaws:Dynamo" + "DBLocal",
    "Dynamo" + "DBLocal.jar",
    "dynamodb_local" + ".sha256",
    "loop" + "back.xml",
    "DDB_LOCAL" + "_TELEMETRY",
)


def files(folder: Path = ROOT) -> Iterator[Path]:
    """What is written by hand."""
    for path in sorted(folder.iterdir()):
        if path.name.startswith(".") or path.name in MADE:
            continue
        if path.is_dir():
            yield from files(path)
        else:
            yield path


def test_the_tree_names_no_closed_artifact() -> None:
    """Neither the files nor what is in them: no jar, no runtime, and nothing that would fetch one."""
    closed = re.compile(rf"\b(?:{'|'.join(map(re.escape, CLOSED))})\b", re.IGNORECASE)
    found: list[str] = []
    looked_at = 0
    for path in files():
        name = path.relative_to(ROOT).as_posix()
        found += [f"{name}: {word}" for word in closed.findall(f"{name}\n{path.read_bytes().decode(errors='replace')}")]
        looked_at += 1
    assert found == []
    assert looked_at > 400
