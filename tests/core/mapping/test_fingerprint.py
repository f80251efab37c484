"""The fingerprint of functions: another one where another item may be made, the same in every process of a fleet."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any, Final

import pytest

from crossfade.core.mapping import Piece, compile_mapping
from crossfade.core.mapping.convert import Converter, convert
from crossfade.core.mapping.custom import custom
from crossfade.errors import ConfigurationError, MappingInvalid
from crossfade.migration import load

FILE: Final = """
import contextlib
import enum
import functools
import logging
import math
import re
from dataclasses import dataclass, field
from decimal import Decimal
from typing import NamedTuple

import fingerprinted_helper
from crossfade import Migration, Table
from crossfade.mapping import convert, custom

log = logging.getLogger(__name__)
RATE = Decimal("1.19")
SIGNS = {"a": "1", "b": "2"}
WORDS = {"de", "at", "ch"}
PATTERN = re.compile("[a-z]+")
UNUSED = 1


class Kind(enum.Enum):
    GOOD = "good"


class Pair(NamedTuple):
    left: str = "l"


@dataclass(frozen=True)
class Shape:
    size: int = 3
    names: list = field(default_factory=list)
    step = 1

    def cut(self, text):
        return text[: self.size * self.step]


SHAPE = Shape(5)
PAIR = Pair()


def made(sign):
    def inner(text):
        return text + sign

    return inner


ending = made("!")


def shouting(function):
    @functools.wraps(function)
    def wrapped(item):
        return function(item)

    return wrapped


@contextlib.contextmanager
def around(text):
    yield text + "<"


@functools.cache
def odd(text):
    return even(text[1:]) if text else "o"


def even(text):
    return odd(text[1:]) if text else "e"


@shouting
def forward(item, *, low=0):
    log.debug("forward")
    with around("x") as shown:
        found = [each for each in WORDS if PATTERN.match(each)]
    parts = [SIGNS, ending("x"), odd("x"), SHAPE.cut("x"), PAIR.left, Kind.GOOD, math.floor(RATE), found, low, shown]
    return {**item, "made": {"S": str(parts)}, "more": {"S": fingerprinted_helper.inner.named("x")}}


def backward(item):
    return {name: value for name, value in item.items() if name not in ("made", "more")}


PAIRS = [lambda value: {"S": value["S"] + "1"}, lambda value: {"S": value["S"][:-1]}]
migration = Migration(
    "x", Table("one", key={"k": "S"}), Table("two", key={"k": "S"}),
    mapping=[custom(forward, backward), convert("t", forward=PAIRS[0], backward=PAIRS[1])],
)
"""
HELPER: Final = """
UNUSED = 1
PREFIX = "h"


def named(text):
    return PREFIX + text
"""


def fingerprint(folder: Path, text: str = FILE, helper: str = HELPER) -> str:
    """Return that of the file, its helper module being the one given."""
    folder.mkdir(exist_ok=True)
    package = folder / "fingerprinted_helper"
    package.mkdir(exist_ok=True)
    _ = (package / "__init__.py").write_text("from fingerprinted_helper import inner")
    _ = (package / "inner.py").write_text(helper)
    file = folder / "migration.py"
    _ = file.write_text(text)
    for name in [name for name in sys.modules if name.startswith("fingerprinted_helper")]:
        del sys.modules[name]
    for compiled in package.glob("__pycache__/*"):
        compiled.unlink()
    sys.path.insert(0, str(folder))
    try:
        return load(file).fingerprint
    finally:
        sys.path.remove(str(folder))


OTHER: Final = [
    ('Decimal("1.19")', 'Decimal("1.2")'),  # constants
    ('{"a": "1", "b": "2"}', '{"a": "1", "b": "3"}'),
    ('{"a": "1", "b": "2"}', '{"b": "2", "a": "1"}'),  # whose order is part of what it does
    ('"ch"}', '"fr"}'),
    ('"[a-z]+"', '"[a-z]*"'),
    ('made("!")', 'made("?")'),  # closures
    ("text + sign", "sign + text"),
    ("even(text[1:])", "even(text[2:])"),  # a helper, and that helper's helper
    ("odd(text[1:])", "odd(text[2:])"),
    ('text + "<"', 'text + ">"'),  # behind a decorator of the standard library
    ("math.floor", "math.ceil"),
    ('GOOD = "good"', 'GOOD = "fine"'),
    ('left: str = "l"', 'left: str = "r"'),
    ("step = 1", "step = 2"),
    ("default_factory=list", "default_factory=dict"),
    ("Shape(5)", "Shape(6)"),
    ("self.size * self.step", "self.size + self.step"),
    ("return function(item)", "return function({**item})"),  # a decorator
    ("low=0", "low=1"),
    ("low=0", "low=False"),
    ('"made": {"S": str(parts)}', '"made": {"S": repr(parts)}'),
    ("forward=PAIRS[0], backward=PAIRS[1]", "forward=PAIRS[1], backward=PAIRS[0]"),  # of two lambdas in one line
]


@pytest.mark.parametrize(("before", "after"), OTHER)
def test_what_may_make_other_items_has_another_fingerprint(tmp_path: Path, before: str, after: str) -> None:
    """In the function, in what it calls, and in the values that either uses."""
    assert before in FILE
    assert fingerprint(tmp_path) != fingerprint(tmp_path, FILE.replace(before, after))


def test_a_module_beside_the_file_belongs_to_it(tmp_path: Path) -> None:
    """As far as it is used."""
    before = fingerprint(tmp_path)
    assert fingerprint(tmp_path, helper=HELPER.replace('"h"', '"i"')) != before
    assert fingerprint(tmp_path, helper=HELPER.replace("UNUSED = 1", "UNUSED = 2")) == before


SAME: Final[list[Callable[[str], str]]] = [
    lambda text: "# A comment.\n\n" + text.replace("    found =", "    # another one\n        found ="),
    lambda text: text.replace("def even(text):", 'def even(text: str) -> str:\n    """Go on with the rest."""'),
    lambda text: text.replace("UNUSED = 1", "UNUSED = 2"),
    lambda text: text.replace('{"de", "at", "ch"}', '{"ch", "at", "de"}'),
]


@pytest.mark.parametrize("changed", SAME)
def test_what_makes_the_same_items_has_the_same_fingerprint(tmp_path: Path, changed: Callable[[str], str]) -> None:
    """Comments, layout, docstrings, annotations, what is not used; wherever the file lies."""
    other = changed(FILE)
    assert other != FILE
    assert fingerprint(tmp_path / "a") == fingerprint(tmp_path / "elsewhere", other)


def test_every_process_finds_the_same_fingerprint(tmp_path: Path) -> None:
    """Whatever order it gives to sets, and whether the file is loaded or imported under a name of its own."""
    wanted = fingerprint(tmp_path)
    programs = (
        "from crossfade.migration import load; print(load('migration.py').fingerprint)",
        "import migration; print(migration.migration.fingerprint)",
    )
    for number, program in enumerate(programs * 2):
        path = os.pathsep.join([str(tmp_path), *sys.path])
        environment = {**os.environ, "PYTHONPATH": path, "PYTHONHASHSEED": str(number)}
        command = [sys.executable, "-c", program]
        found = subprocess.run(command, cwd=tmp_path, env=environment, check=True, capture_output=True, text=True)
        assert found.stdout.strip() == wanted


REFUSED: Final = [
    ("import orjson", "orjson.loads(item['a']['S'])", "orjson.loads, which is written in C"),
    ("import threading\nlock = threading.Lock()", "[lock, item][1]", "an object of _thread.lock"),
    ("class Count:\n    n = 0\ncount = Count()", "{**item, 'n': count.n}", "an object of "),
    ("numbers = iter([1])", "{**item, 'n': next(numbers)}", "an object of builtins.list_iterator"),
    ("import os", "{**item, 'n': {'S': os.environ['HOME']}}", "an object of os._Environ"),
    ("import os", "{**item, 'n': {'S': os.getenv('HOME')}}", "os.getenv, which reads what is outside"),
    ("", "open('x').read()", "which reads what is outside"),
    ("", "{**item, 'n': {'S': __file__}}", "__file__, which is another one elsewhere"),
    ("", "below(item)", "below, which is not there yet"),
    ("import fingerprinted", "helped(fingerprinted)", "the module fingerprinted as a value"),
]


@pytest.mark.parametrize(("above", "body", "shown"), REFUSED)
def test_what_cannot_be_covered_asks_for_a_version(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, above: str, body: str, shown: str
) -> None:
    """When the migration file is read, with the line; and a version settles it."""
    monkeypatch.syspath_prepend(tmp_path)  # pyright: ignore[reportUnknownMemberType] - typed so by pytest
    _ = (tmp_path / "fingerprinted.py").write_text("")
    head = f"from crossfade import Migration, Table\nfrom crossfade.mapping import custom\n{above}\nhelped = dict\n"
    functions = f"def change(item):\n    return {body}\n\n"
    made = 'migration = Migration("x", Table("one", key={"k": "S"}), Table("two", key={"k": "S"}), mapping=%s)\n'
    below = "def below(item):\n    return item\n"

    def written(mapping: str) -> Path:
        file = tmp_path / "migration.py"
        _ = file.write_text(head + functions + made % mapping + below)
        return file

    with pytest.raises(ConfigurationError) as raised:
        _ = load(written("custom(change, change)"))
    assert shown in raised.value.message
    assert "change uses" in raised.value.message
    assert "line" in raised.value.message
    assert 'version="1"' in raised.value.next_step or "above the Migration" in raised.value.next_step
    one, two = (
        load(written('custom(change, change, version="1")')),
        load(written('custom(change, change, version="2")')),
    )
    assert one.fingerprint != two.fingerprint


calls_made = 0


def counted(item: Any) -> Any:
    """A function that leaves something behind for its next call."""
    global calls_made
    calls_made += 1
    return item


def test_a_function_that_changes_what_it_uses_asks_for_a_version() -> None:
    """A global name, or a name around it."""
    calls = 0

    def closed(item: Any) -> Any:
        nonlocal calls
        calls += 1
        return item

    for function, name in ((counted, "calls_made"), (closed, "calls")):
        with pytest.raises(MappingInvalid, match=f"{name}, which it changes"):
            _ = found(custom(function, function))
    assert len({found(custom(counted, counted, version=each)) for each in ("1", "2", "1")}) == 2


def test_a_function_without_source_text_asks_for_a_version() -> None:
    """As one that `exec` has made."""
    names: dict[str, Any] = {}
    exec("def change(item):\n    return item", names)  # noqa: S102
    with pytest.raises(MappingInvalid, match="change is a function whose source text is not at hand") as raised:
        _ = found(custom(names["change"], names["change"]))
    assert 'version="1"' in raised.value.next_step


def test_a_converter_takes_a_version_too() -> None:
    """Given with functions, or with a Converter, which keeps it when it is reversed; and it must be a text."""
    pieces = [convert("a", forward=counted, backward=counted, version=each) for each in ("1", "2")]
    converter = Converter("c", counted, counted, version="1")
    pieces += [convert("a", converter), convert("a", converter.reversed())]
    assert len({found(piece) for piece in pieces}) == len(pieces)
    wrong: Any = 1
    for make in (
        lambda: custom(counted, counted, version=wrong),
        lambda: convert("a", forward=counted, backward=counted, version=wrong),
        lambda: Converter("c", counted, counted, version=""),
    ):
        with pytest.raises(MappingInvalid, match=r"version=(1|'') is no text"):
            _ = make()


def test_what_is_changed_below_the_migration_is_refused(tmp_path: Path) -> None:
    """Clients would compare what was there before it."""
    text = FILE + "\nRATE = Decimal(2)\n"
    with pytest.raises(ConfigurationError, match="is changed below the Migration"):
        _ = fingerprint(tmp_path, text)


def found(piece: Piece) -> str:
    """Return the fingerprint of a mapping of one piece."""
    return compile_mapping(piece, {"k": "S"}, {"k": "S"}).fingerprint
