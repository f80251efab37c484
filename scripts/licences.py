"""List every Python distribution of this environment and every Rust crate of the engine, with its licence.

    python -m scripts.licences         the table; exit status 1, and the names, where one is not open source

A part counts as open source if its licence, an SPDX expression, can be satisfied with licences of the list below. One
that says nothing, or something that is not understood, does not.
"""

from __future__ import annotations

import importlib.metadata
import sys
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any, Final

import license_expression  # type: ignore[import-untyped]

from scripts import build_engine

# Approved by the Open Source Initiative, by their SPDX ids: https://spdx.org/licenses/
OPEN: Final = {
    "0BSD",
    "AGPL-3.0-only",
    "AGPL-3.0-or-later",
    "Apache-2.0",
    "BSD-2-Clause",
    "BSD-3-Clause",
    "BSL-1.0",
    "EPL-2.0",
    "GPL-2.0-only",
    "GPL-2.0-or-later",
    "GPL-3.0-only",
    "GPL-3.0-or-later",
    "ISC",
    "LGPL-2.1-only",
    "LGPL-2.1-or-later",
    "LGPL-3.0-only",
    "LGPL-3.0-or-later",
    "MIT",
    "MIT-0",
    "MPL-2.0",
    "Unicode-3.0",
    "Unlicense",
    "Zlib",
    "PSF-2.0",  # the first part of Python-2.0, which is approved; later code of Python's is under that part alone
    "Python-2.0",
}
EXCEPTIONS: Final = {"LLVM-exception"}  # each allows more than its licence does
CLASSIFIER: Final = "License :: OSI Approved :: "
ASK_CLASSIFIERS: Final = "Dual License"  # does not say of what

# What metadata said before there were expressions. "BSD" is one of two, both of which are open.
EITHER_BSD: Final = "BSD-2-Clause OR BSD-3-Clause"
OLDER: Final[Mapping[str, str]] = {
    "Apache 2.0": "Apache-2.0",
    "Apache License 2.0": "Apache-2.0",
    "BSD": EITHER_BSD,
    "BSD 2-Clause License": "BSD-2-Clause",
    "New BSD": "BSD-3-Clause",
    f"{CLASSIFIER}Apache Software License": "Apache-2.0",
    f"{CLASSIFIER}BSD License": EITHER_BSD,
    f"{CLASSIFIER}GNU General Public License v2 (GPLv2)": "GPL-2.0-only",
    f"{CLASSIFIER}MIT License": "MIT",
    f"{CLASSIFIER}Mozilla Public License 2.0 (MPL 2.0)": "MPL-2.0",
    f"{CLASSIFIER}Python Software Foundation License": "PSF-2.0",
    "Apache-2.0/MIT": "Apache-2.0 OR MIT",  # Cargo's older way to write OR
    "MIT/Apache-2.0": "MIT OR Apache-2.0",
}

_SPDX: Final[Any] = license_expression.get_spdx_licensing()
_WITH: Final[Any] = license_expression.LicenseWithExceptionSymbol


@dataclass(frozen=True, slots=True, order=True)
class Part:
    """`told` is what it says of its licence, all of which must be open source; () where it says nothing."""

    kind: str
    name: str
    version: str
    told: tuple[str, ...]

    @property
    def is_open(self) -> bool:
        return bool(self.told) and all(is_open(each) for each in self.told)


def is_open(licence: str) -> bool:
    """Whether an SPDX expression, or what was written before there were any, can be satisfied with OPEN alone."""
    try:
        parsed = _SPDX.parse(OLDER.get(licence, licence))
    except license_expression.ExpressionError:
        return False
    return parsed is not None and _satisfied(parsed)


def _satisfied(expression: Any) -> bool:
    if isinstance(expression, _SPDX.OR):
        return any(_satisfied(each) for each in expression.args)
    if isinstance(expression, _SPDX.AND):
        return all(_satisfied(each) for each in expression.args)
    if isinstance(expression, _WITH):
        return expression.license_symbol.key in OPEN and expression.exception_symbol.key in EXCEPTIONS
    return expression.key in OPEN


def python_parts(folders: list[str]) -> Iterator[Part]:
    """Every distribution in these folders."""
    for found in importlib.metadata.distributions(path=folders):
        headers: Any = found.metadata
        yield Part("Python", headers.get("Name") or str(found), headers.get("Version") or "?", told(headers))


def told(headers: Any) -> tuple[str, ...]:
    """Of the metadata of a distribution: the expression, else the licence, else its classifiers."""
    for name in ("License-Expression", "License"):
        said = " ".join((headers.get(name) or "").split())
        if said and said != ASK_CLASSIFIERS:
            return (said,)
    return tuple(each for each in headers.get_all("Classifier", ()) if each.startswith("License ::"))


def rust_parts(crates: Iterable[Mapping[str, Any]]) -> Iterator[Part]:
    """What `cargo metadata` tells of crates."""
    for crate in crates:
        licence = crate.get("license")
        yield Part("Rust", crate["name"], crate["version"], (licence,) if licence else ())


def report(parts: Iterable[Part]) -> bool:
    """Print the table, and below it what is not open source; True if nothing is."""
    ordered = sorted(parts, key=lambda part: (part.kind, part.name.lower()))
    wide = max((len(part.name) for part in ordered), default=0)
    for part in ordered:
        shown = ", ".join(part.told).replace(CLASSIFIER, "") or "-"
        print(f"{part.kind:6}  {part.name:{wide}}  {part.version:14}  {shown[:120]}")
    closed = [part for part in ordered if not part.is_open]
    for part in closed:
        shown = ", ".join(part.told)[:120] or "nothing"
        print(f"not known to be open source: {part.kind} {part.name} {part.version}, which says {shown}")
    if not closed:
        print(f"{len(ordered)} parts, all open source")
    return not closed


def main() -> int:
    try:
        crates = build_engine.crates()
    except build_engine.EngineError as error:
        print(error)
        return 1
    return 0 if report([*python_parts(sys.path), *rust_parts(crates)]) else 1


if __name__ == "__main__":
    sys.exit(main())
