"""Every part is under an open-source licence, and one that is not is found."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest

from scripts.licences import is_open, python_parts, report, rust_parts

EXPRESSIONS = {
    "MIT": True,
    "(MIT OR Apache-2.0) AND Unicode-3.0": True,
    "Apache-2.0 WITH LLVM-exception OR MIT": True,
    "Apache-2.0 WITH LLVM-exception": True,
    "Apache-2.0 WITH Something-exception": False,
    "MIT OR Proprietary-thing": True,
    "MIT AND Proprietary": False,
    "Proprietary OR (MIT AND SSPL-1.0)": False,
    "MIT/Apache-2.0": True,
    "MIT/Proprietary": False,
    "BUSL-1.1": False,
    "LicenseRef-Amazon": False,
    "License :: OSI Approved :: MIT License": True,
    "License :: Other/Proprietary License": False,
    "Dual License": False,
    "see LICENSE": False,
    "": False,
}


@pytest.mark.parametrize(("expression", "open_source"), EXPRESSIONS.items())
def test_an_expression_is_open_source_if_it_can_be_satisfied_so(expression: str, open_source: bool) -> None:
    """One of an OR is enough, an AND needs all, and what is not understood is not open source."""
    assert is_open(expression) == open_source


@pytest.mark.parametrize(
    ("metadata", "open_source"),
    [
        (("License-Expression: MIT", "License: Proprietary"), True),
        (("License-Expression: LicenseRef-Ours", "Classifier: License :: OSI Approved :: MIT License"), False),
        (("License: Amazon Software License", "Classifier: License :: OSI Approved :: MIT License"), False),
        (("License: Dual License", "Classifier: License :: OSI Approved :: BSD License"), True),
        (("License: Dual License", "Classifier: License :: Other/Proprietary License"), False),
        (("Classifier: License :: OSI Approved :: MIT License", "Classifier: License :: Freeware"), False),
        (("Classifier: Programming Language :: Java",), False),
        ((), False),
    ],
)
def test_a_distribution_is_found_by_its_metadata(tmp_path: Path, metadata: tuple[str, ...], open_source: bool) -> None:
    """The expression is asked first, then the licence, then the classifiers; one without any is not open source."""
    plant(tmp_path, *metadata)
    (part,) = python_parts([str(tmp_path)])
    assert (part.name, part.version, part.is_open) == ("planted", "1.0", open_source)


def test_a_forbidden_licence_is_named(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """A distribution and a crate, beside others: the last lines name both, with what they say, and nothing else."""
    plant(tmp_path, "License: Amazon DynamoDB Local License Agreement")
    crates: list[dict[str, str | None]] = [
        {"name": "fine", "version": "1.2.3", "license": "MIT OR Apache-2.0"},
        {"name": "closed", "version": "0.1.0", "license": "BUSL-1.1"},
        {"name": "silent", "version": "0.2.0", "license": None},
    ]
    assert not report([*python_parts([str(tmp_path)]), *rust_parts(crates)])
    assert capsys.readouterr().out.splitlines()[4:] == [
        "not known to be open source: Python planted 1.0, which says Amazon DynamoDB Local License Agreement",
        "not known to be open source: Rust closed 0.1.0, which says BUSL-1.1",
        "not known to be open source: Rust silent 0.2.0, which says nothing",
    ]


def test_every_python_part_here_is_open_source() -> None:
    """Those of this environment, among them pip; `make licences` and `make test` ask Cargo as well."""
    parts = list(python_parts(sys.path))
    assert {"pip", "crossfade", "botocore"} <= {part.name for part in parts}
    assert [part for part in parts if not part.is_open] == []


def plant(folder: Path, *metadata: str) -> None:
    made = folder / "planted-1.0.dist-info"
    made.mkdir()
    _ = (made / "METADATA").write_text("\n".join(("Metadata-Version: 2.4", "Name: planted", "Version: 1.0", *metadata)))
