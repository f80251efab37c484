"""What a mapping of rows does, as a short text: another text, and what was verified is another mapping's work.

A constant that comes from the environment or a file counts by its value. A function without source text (`exec`, or a
file that has changed since) counts by its bytecode, which differs from one version of Python to the next: that costs a
verify and no item. How a function becomes a text: `digests/digest.py`.
"""

from __future__ import annotations

from crossfade.cdc.rows import Rows
from crossfade.digests.digest import Digest


def digest_of(rows: Rows) -> str:
    """Return what tells this mapping from one that may make other items."""
    digest = Digest(strict=False)
    for single in sorted(rows.singles, key=lambda each: each.table):
        digest.add("single", single.table)
        digest.value(single.make)
    for fold in sorted(rows.folds, key=lambda each: each.table):
        children = {name: (child.table, child.columns) for name, child in fold.children.items()}
        digest.add("fold", fold.table)
        for value in (children, fold.into, fold.make):
            digest.value(value)
    return digest.result()
