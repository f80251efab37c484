"""The digest of a mapping: another one where other items may be made, the same where none can be."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any, Final

import pytest

from crossfade import Table
from crossfade.cdc import RowMigration
from crossfade.cdc.digest import digest_of
from crossfade.cdc.rows import Rows
from crossfade.migration import load

FILE: Final = """
import enum
import functools
import math
import os
import re
from dataclasses import dataclass
from datetime import date
from decimal import Decimal
from operator import itemgetter

from crossfade import Table
from crossfade.cdc import Child, MySQL, RowMigration, key

migration = RowMigration("shop", MySQL(server_id=7001), Table("shop", key={"pk": "S", "sk": "S"}))
PREFIX = "customer"
RATE = Decimal("1.19")
SHOUTED = {"de", "at", "ch"}
WORDS = re.compile("[a-z]+")
FROM_OUTSIDE = os.environ.get("SHOP_NAME", "")
UNUSED = 1
SKU_OF = itemgetter("sku")


class Kind(enum.Enum):
    GOOD = "good"
    BAD = "bad"


@dataclass(frozen=True)
class Shape:
    size: int = 3
    since: date = date(2020, 1, 1)

    def cut(self, text):
        return text[: self.size]


SHAPE = Shape(5)


def named(text):
    return odd(text) if text else PREFIX


def odd(text):
    return named(text[1:])


def made(suffix):
    def inner(function):
        @functools.wraps(function)
        def wrapped(row):
            return {**function(row), "suffix": suffix}

        return wrapped

    return inner


@functools.cache
def costly(number):
    return math.floor(number * RATE)


@migration.table("shop.customers")
@made("end")
def customer(row, *, low=0):
    found = [each for each in SHOUTED if each == FROM_OUTSIDE]
    shape, kind = SHAPE.cut(row["name"]), Kind.GOOD
    words = WORDS.findall(row["name"])
    return {"pk": named(row["id"]), "sk": "profile", "cost": costly(row["n"]), "all": [found, shape, kind, words, low]}


@migration.fold("shop.orders", into=lambda id: {"pk": key("order", id), "sk": "o"}, lines=Child("shop.lines", "order"))
def order(row, lines):
    return {"total": row["total"], "skus": [SKU_OF(line) for line in lines]}
"""


def digest(folder: Path, text: str = FILE) -> str:
    file = folder / "migration.py"
    _ = file.write_text(text)
    return load(file, RowMigration).mapping_digest


OTHER: Final = [
    ('PREFIX = "customer"', 'PREFIX = "client"'),  # a constant of a helper's helper
    ('itemgetter("sku")', 'itemgetter("name")'),
    ("math.floor", "math.ceil"),
    ('Decimal("1.19")', 'Decimal("1.2")'),
    ('"ch"}', '"fr"}'),
    ('"[a-z]+"', '"[a-z]*"'),
    ('GOOD = "good"', 'GOOD = "fine"'),
    ("text[: self.size]", "text[self.size :]"),
    ("Shape(5)", "Shape(6)"),
    ("date(2020, 1, 1)", "date(2020, 1, 2)"),
    ("text[1:]", "text[2:]"),
    ('@made("end")', '@made("ending")'),
    ('"suffix": suffix}', '"suffix": suffix + "."}'),
    ("number * RATE", "number / RATE"),
    ("low=0", "low=1"),
    ('"sk": "profile"', '"sk": "person"'),
    ('"shop.customers"', '"shop.clients"'),
    ('key("order", id)', 'key("orders", id)'),
    ('Child("shop.lines", "order")', 'Child("shop.lines", "parent")'),
    ('row["total"]', 'row["sum"]'),
]


@pytest.mark.parametrize(("before", "after"), OTHER)
def test_what_makes_other_items_has_another_digest(tmp_path: Path, before: str, after: str) -> None:
    """In the function, in what it calls, and in what either uses."""
    assert before in FILE
    assert digest(tmp_path) != digest(tmp_path, FILE.replace(before, after))


SAME: Final[list[Callable[[str], str]]] = [
    lambda text: "# A comment.\n\n" + text.replace("    found =", "    # another one\n    found ="),
    lambda text: text.replace('return {"total"', 'return {\n        "total"').replace("lines]}", "lines],\n    }"),
    lambda text: text.replace("def odd(text):", 'def odd(text: str) -> str:\n    """Go on with the rest."""'),
    lambda text: text.replace("UNUSED = 1", "UNUSED = 2"),
    lambda text: text.replace('{"de", "at", "ch"}', '{"ch", "at", "de"}'),
    lambda text: text.replace("def customer(", "def client("),
    lambda text: text.replace("7001", "7002"),
]


@pytest.mark.parametrize("changed", SAME)
def test_what_makes_the_same_items_has_the_same_digest(tmp_path: Path, changed: Callable[[str], str]) -> None:
    """Comments, layout, docstrings and annotations, what is not used, and where the file lies."""
    other = changed(FILE)
    assert other != FILE
    elsewhere = tmp_path / "elsewhere"
    elsewhere.mkdir()
    assert digest(tmp_path) == digest(elsewhere, other)


def test_every_process_finds_the_same(tmp_path: Path) -> None:
    """Whatever order it gives to sets; and a value from outside belongs to the mapping."""
    wanted = digest(tmp_path)
    program = (
        "from crossfade.cdc import RowMigration; from crossfade.migration import load\n"
        "print(load('migration.py', RowMigration).mapping_digest)"
    )

    def found(**more: str) -> str:
        environment = {**os.environ, "PYTHONPATH": os.pathsep.join(sys.path), **more}
        command = [sys.executable, "-c", program]
        return subprocess.run(command, cwd=tmp_path, env=environment, check=True, capture_output=True).stdout.decode()

    assert {found(PYTHONHASHSEED=seed).strip() for seed in "123"} == {wanted}
    assert found(SHOP_NAME="corner").strip() != wanted


def test_a_helper_beside_the_file_belongs_to_it(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Imported as a name or as a module; what it does not use of that module does not."""
    monkeypatch.setattr(sys, "path", [str(tmp_path), *sys.path])

    def found(helper: str) -> tuple[str, str]:
        for name in [name for name in sys.modules if name == "shop_helper"]:
            del sys.modules[name]
        for compiled in tmp_path.glob("__pycache__/*"):
            compiled.unlink()
        _ = (tmp_path / "shop_helper.py").write_text(helper)
        by_name = FILE.replace("import enum\n", "import enum\nfrom shop_helper import named_there\n")
        by_module = FILE.replace("import enum\n", "import enum\nimport shop_helper\n")
        return (
            digest(tmp_path, by_name.replace("named(row", "named_there(row")),
            digest(tmp_path, by_module.replace("named(row", "shop_helper.named_there(row")),
        )

    helper = "UNUSED = 1\nPREFIX = 'c'\n\n\ndef named_there(id):\n    return PREFIX + str(id)\n"
    before = found(helper)
    assert all(one != other for one, other in zip(before, found(helper.replace("'c'", "'d'")), strict=True))
    assert found(helper.replace("UNUSED = 1", "UNUSED = 2")) == before


def test_a_function_without_source_text_is_told_by_its_instructions() -> None:
    """As one that `exec` has made is."""

    def found(body: str) -> str:
        rows = Rows(Table("shop", key={"pk": "S"}))
        names: dict[str, Any] = {}
        exec(f"def make(row):\n    return {body}", names)  # noqa: S102
        _ = rows.table("shop.customers")(names["make"])
        return digest_of(rows)

    assert found("[1 for _ in row]") == found("[1   for _ in row]")
    assert len({found("{'pk': row['id']}"), found("{'pk': row['name']}"), found("[1 for _ in row]")}) == 3
    assert found("[1 for _ in row]") != found("[2 for _ in row]")
