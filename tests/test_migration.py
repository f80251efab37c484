"""A migration says what is wrong with it when it is made; a migration file says so with the line."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from crossfade.errors import ConfigurationError, MappingInvalid
from crossfade.mapping import identity, suffix
from crossfade.migration import Index, Migration, Table, load, template

SOURCE = Table("orders", key={"customer": "S", "order_id": "S"})
TARGET = Table("orders-v2", key={"customer": "S", "order_id": "S"})

HEAD = "from crossfade.migration import Migration, Table\nfrom crossfade.mapping import *\n"
TABLES = 'source=Table("orders", key={"id": "S"}), target=Table("orders-v2", key={"id": "S"})'
GOOD = f'{HEAD}migration = Migration(name="x", {TABLES}, mapping=identity())\n'


def test_a_migration_knows_its_tables_and_its_compiled_mapping() -> None:
    """Names, keys and places, as routing and the jobs ask for them."""
    migration = Migration("orders-v2", SOURCE, TARGET, mapping=[suffix("customer")])
    assert migration.source.key_names == ("customer", "order_id")
    assert (migration.source.partition_key, migration.source.sort_key) == ("customer", "order_id")
    assert Table("abc", {"id": "N"}).sort_key is None
    assert migration.table("target") is TARGET
    assert [migration.table_name(place) for place in ("source", "target", "control")] == [
        "orders",
        "orders-v2",
        "crossfade",
    ]
    assert len(migration.compiled.partitions({"S": "acme"})) == 16
    assert hash(migration) == hash(Migration("orders-v2", SOURCE, TARGET, mapping=[suffix("customer")]))


@pytest.mark.parametrize(
    ("changes", "shown"),
    [
        ({"name": "orders v2"}, "migration name 'orders v2'"),
        ({"name": ""}, "migration name ''"),
        ({"name": "x" * 101}, "1 to 100 letters"),
        ({"target": SOURCE}, "source and target are both 'orders'"),
        ({"target": "orders-v2"}, "target='orders-v2' is no Table"),
        ({"strategy": "copy-on-right"}, "unknown strategy 'copy-on-right'"),
        ({"strategy": "dual_write"}, "unknown strategy 'dual_write'"),
        ({"control_table": "orders"}, "is one of the tables to migrate"),
        ({"control_table": "x"}, "a table name is 3 to 255"),
        ({"mapping": None}, "migration orders-v2: there is no mapping"),
        ({"mapping": []}, "there is no mapping"),
    ],
)
def test_a_migration_that_cannot_work_is_refused(changes: dict[str, Any], shown: str) -> None:
    """Names, strategy, tables and mapping are checked when the value is made."""
    arguments: dict[str, Any] = {"name": "orders-v2", "source": SOURCE, "target": TARGET, "mapping": identity()}
    with pytest.raises(ConfigurationError) as raised:
        _ = Migration(**{**arguments, **changes})
    assert shown in raised.value.message


@pytest.mark.parametrize(
    ("name", "key", "shown"),
    [
        ("or", {"id": "S"}, "a table name is 3 to 255"),
        ("orders", {}, "not one or two attributes"),
        ("orders", {"a": "S", "b": "S", "c": "S"}, "not one or two attributes"),
        ("orders", "id", "not one or two attributes"),
        ("orders", {"id": "BOOL"}, "'BOOL'; S, N or B is needed"),
        ("orders", {"id" * 128: "S"}, "is no name for a key attribute"),
    ],
)
def test_a_table_that_cannot_be_is_refused(name: str, key: Any, shown: str) -> None:
    """Table names and keys follow DynamoDB's rules."""
    with pytest.raises(ConfigurationError) as raised:
        _ = Table(name, key)
    assert shown in raised.value.message


def write(folder: Path, text: str) -> Path:
    file = folder / "migration.py"
    _ = file.write_text(text, encoding="utf-8")
    return file


def test_an_index_is_declared_like_a_table_or_with_several_attributes() -> None:
    """Either way its key is known, with the types."""
    several = Index(partition={"tenant": "S", "kind": "S"}, sort={"day": "N"})
    table = Table("orders", {"id": "S"}, indexes={"by-day": {"day": "N", "id": "S"}, "by-three": several})
    one = table.index("by-day")
    assert one is not None
    assert (one.names.partition, one.names.sort, one.kinds) == (("day",), ("id",), {"day": "N", "id": "S"})
    assert table.index("by-three") == several
    assert (several.names.partition, several.names.sort) == (("tenant", "kind"), ("day",))
    assert table.index("by-night") is None


@pytest.mark.parametrize(
    ("given", "shown"),
    [
        ({"by-day": {"a": "S", "b": "S", "c": "S"}}, "index by-day: {'a': 'S', 'b': 'S', 'c': 'S'} is not one or two"),
        ({"by-day": {}}, "is not one or two attributes"),
        ({"by-day": "day"}, "is not one or two attributes"),
        ({"by-day": {"day": "BOOL"}}, "index by-day: key attribute 'day' is 'BOOL'"),
        ({"by-day": {"": "S"}}, "is no name for a key attribute"),
        (["by-day"], "indexes=['by-day'] is no mapping"),
    ],
)
def test_an_index_that_cannot_be_is_refused(given: Any, shown: str) -> None:
    """With the index that it is about."""
    with pytest.raises(ConfigurationError) as raised:
        _ = Table("orders", {"id": "S"}, indexes=given)
    assert shown in raised.value.message


@pytest.mark.parametrize(
    ("partition", "sort", "shown"),
    [
        ({}, {}, "partition={} is not 1 to 4 attributes"),
        (dict.fromkeys("abcde", "S"), {}, "is not 1 to 4 attributes"),
        ({"a": "S"}, dict.fromkeys("bcdef", "S"), "is not 0 to 4 attributes"),
        ({"a": "S", "b": "S"}, {"b": "S"}, "b is of its partition and its sort key"),
        ({"a": "BOOL"}, {}, "key attribute 'a' is 'BOOL'"),
        ("a", {}, "partition='a' is not 1 to 4 attributes"),
    ],
)
def test_an_index_of_several_attributes_that_cannot_be_is_refused(partition: Any, sort: Any, shown: str) -> None:
    """DynamoDB takes four of each."""
    with pytest.raises(ConfigurationError) as raised:
        _ = Index(partition, sort)
    assert shown in raised.value.message


def test_load_gives_the_migration_of_the_file(tmp_path: Path) -> None:
    """The one Migration in the file, under whatever name; two loads of one file have one fingerprint."""
    functions = "def one(item):\n    return item\n\n"
    text = f'{HEAD}{functions}plan = Migration(name="x", {TABLES}, mapping=custom(one, one))\nsame = plan\n'
    first, second = load(write(tmp_path, text)), load(str(write(tmp_path, text)))
    other = tmp_path / "copy"
    other.mkdir()
    third = load(write(other, "# moved\n" + text))
    assert first.name == "x"
    assert first.compiled.fingerprint == second.compiled.fingerprint == third.compiled.fingerprint
    changed = load(write(tmp_path, text.replace("return item", "return dict(item)")))
    assert changed.compiled.fingerprint != first.compiled.fingerprint


@pytest.mark.parametrize(
    ("text", "shown", "next_step"),
    [
        ("x = 1\n", "makes no Migration", "assign one"),
        (
            f'{GOOD}other = Migration(name="y", {TABLES}, mapping=identity())\n',
            "makes 2 migrations (migration, other)",
            "",
        ),
        ("a = (1\nb = 2\n", "line 1: '(' was never closed\n  | a = (1", "correct that line"),
        (f'{HEAD}m = renam("a", "b")\n', "line 3: NameError: name 'renam' is not defined", "did you mean rename?"),
        ("from crossfade.mapping import sufix\n", "line 1: ImportError", "did you mean suffix?"),
        ("import no_such_module_here\n", "line 1: ModuleNotFoundError", "is no_such_module_here installed"),
        (GOOD.replace("mapping=", "maping="), "line 3: TypeError", "did you mean mapping?"),
        (f'{HEAD}\nm = suffix("a", cuont=3)\n', "line 4: TypeError", "did you mean count?"),
        (f'{HEAD}m = rename("a", "a")\n', "line 3: rename: 'a' to itself\n  | m = rename", "remove the piece"),
        (GOOD.replace("identity()", "[]"), "line 3: migration x: there is no mapping", "identity()"),
        ("raise SystemExit(3)\n", "line 1: SystemExit: 3", "correct that line"),
        ("x = 1 / 0\n", "line 1: ZeroDivisionError", "correct that line"),
    ],
)
def test_hazard_35_a_wrong_migration_file_is_told_with_its_line(
    tmp_path: Path, text: str, shown: str, next_step: str
) -> None:
    """Syntax errors, misspelt names and failures name the file, the line and what was probably meant."""
    file = write(tmp_path, text)
    with pytest.raises(ConfigurationError) as raised:
        _ = load(file)
    assert raised.value.message.startswith(str(file))
    assert shown in raised.value.message
    assert next_step in raised.value.next_step


def test_a_wrong_mapping_keeps_its_class(tmp_path: Path) -> None:
    """MappingInvalid stays MappingInvalid when it comes out of a file."""
    with pytest.raises(MappingInvalid):
        _ = load(write(tmp_path, GOOD.replace("identity()", "[]")))


def test_a_file_that_is_not_there_is_told(tmp_path: Path) -> None:
    """The next step is the command that writes one."""
    with pytest.raises(ConfigurationError, match="no such file") as raised:
        _ = load(tmp_path / "nothing.py")
    assert "crossfade new" in raised.value.next_step
    with pytest.raises(ConfigurationError, match="cannot be read"):
        _ = load(tmp_path)


def test_the_template_has_no_mapping_until_it_is_given_one(tmp_path: Path) -> None:
    """A new file fails for its empty mapping alone; with a piece uncommented it loads."""
    text = template("orders-v3", "orders", "orders-v3")
    with pytest.raises(MappingInvalid, match="migration orders-v3: there is no mapping"):
        _ = load(write(tmp_path, text))
    migration = load(write(tmp_path, text.replace('# suffix("customer"', 'suffix("customer"')))
    assert (migration.name, migration.source.name, migration.target.name) == ("orders-v3", "orders", "orders-v3")
