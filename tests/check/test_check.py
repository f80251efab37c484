"""`check` on a real database: what would go wrong later is said before anything starts."""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Generator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any, Final

import pytest
from botocore.exceptions import ClientError, EndpointConnectionError

from crossfade.check import run_check
from crossfade.core.items import AttributeValue, Item
from crossfade.core.mapping import STAMP, Piece
from crossfade.errors import ConfigurationError
from crossfade.mapping import (
    Converter,
    convert,
    custom,
    derive_key,
    drop,
    identity,
    move,
    rename,
    set_default,
    split,
    suffix,
    text_to_number,
    use_as_key,
)
from crossfade.migration import Migration, Strategy, Table
from tests.check.bench import KEY, Bench, codes, finding, global_index


@dataclass(frozen=True, slots=True)
class Refusal:
    """What the service answers, and where AWS says so."""

    operation: str
    error: str
    source: str


# By attribute; the embedded engine takes these items.
LAXER: Final = {
    "rank": Refusal(
        "PutItem",
        "ValidationException",
        "https://docs.aws.amazon.com/amazondynamodb/latest/developerguide/Constraints.html (Sort key length: at most"
        " 1,024 bytes, in a table or a secondary index)",
    )
}


@contextmanager
def refused_by_the_service(attribute: str) -> Generator[None, None, None]:
    """What is in here is refused, by an engine that is as strict as the service; where it is not, that is known."""
    code = ""
    try:
        yield
    except ClientError as error:
        reply: Any = error.response
        code = str(reply["Error"]["Code"])
    assert code == "ValidationException" or (not code and attribute in LAXER)


def test_a_sound_migration_has_no_error(tables: Bench) -> None:
    """Items all over the table go there and back; the report is plain data and says what passes through."""
    items: list[Item] = [{"total": {"S": str(n)}, "detail": {"M": {"status": {"S": "new"}}}} for n in range(40)]
    tables.put(*items)
    report = tables.check(suffix("customer", 4), move("detail.status", "status"), convert("total", text_to_number))
    assert report.ok, report.findings
    assert (report.sampled_items, report.whole_table) == (40, True)
    assert "40 items in the source" in finding(report, "largest-partition").what
    assert finding(report, "suffix-spread").count == 40
    assert codes(report) == set()
    again = json.loads(json.dumps(report.to_json()))
    assert again["ok"] is True
    assert len(again["mapping"]) == 3


def test_attributes_that_no_piece_names_are_listed(tables: Bench) -> None:
    """They pass through as they are, and the report says which and how often; a custom function may touch any."""
    tables.put({"a": {"S": "x"}, "b": {"N": "1"}}, {"b": {"N": "1"}})
    assert finding(tables.check(rename("a", "c")), "passed-through").what.endswith("as they are: b (2)")

    def same(item: Item) -> Item:
        return item

    assert "passed-through" not in {each.code for each in tables.check(custom(same, same)).findings}


def test_tables_that_are_not_there_are_findings(bench: Bench) -> None:
    """Both are reported at once; for the target, with the command that makes it."""
    report = bench.check(identity())
    assert not report.ok
    missing = [each for each in report.findings if each.code == "no-table"]
    assert [each.what.split()[0] for each in missing] == ["source", "target"]
    assert f"--table-name {bench.target}" in missing[1].next_step
    assert "AttributeName=order,KeyType=RANGE" in missing[1].next_step


def test_a_declared_key_is_compared_with_the_real_one(bench: Bench) -> None:
    """Names, order and types of the key attributes of both tables."""
    bench.create(bench.source, {"order": "S", "customer": "S"})
    bench.create(bench.target, {"customer": "S", "order": "N"})
    report = bench.check(identity())
    said = [each.what for each in report.findings if each.code == "key-schema"]
    assert "the key is order (S), customer (S), but the migration declares customer (S), order (S)" in said[0]
    assert "the key is customer (S), order (N), but" in said[1]


def test_hazard_17_items_that_would_become_one_are_found(tables: Bench) -> None:
    """A converter that maps two keys to one cannot bring both back, and the check names the items."""
    tables.put(
        {"customer": {"S": "Acme"}}, {"customer": {"S": "ACME"}, "order": {"S": "0000"}}, {"customer": {"S": "a"}}
    )
    lower = Converter(
        "lower", lambda value: {"S": value["S"].lower()}, lambda value: {"S": value["S"].lower()}, ("S", "S")
    )
    report = tables.check(convert("customer", lower))
    fault = finding(report, "unmappable")
    assert not report.ok
    assert fault.count == 2
    assert any("'Acme', which would come back as 'acme'" in sample for sample in fault.samples)


def test_hazard_24_values_that_would_not_come_back_are_found(tables: Bench) -> None:
    """Counted by piece, with at most five samples that show the key and the value."""
    tables.put(*({"total": {"S": f"0{number}"}} for number in range(1, 9)), {"total": {"S": "12"}})
    report = tables.check(convert("total", text_to_number))
    fault = finding(report, "unmappable")
    assert (fault.severity, fault.count, len(fault.samples)) == ("error", 8, 5)
    assert "[convert: total by text_to_number]" in fault.what
    assert all("would come back as" in sample and sample.startswith("customer='acme'") for sample in fault.samples)


@pytest.mark.parametrize(
    ("strategy", "said"),
    [
        ("dual-write", "lockstep_source cannot be entered then before a verify finds nothing"),
        ("copy-on-write", "from the stage drain on a write that would bring such an item into"),
        ("freeze", "the stages that hold writes cannot be entered then before a verify"),
    ],
)
def test_what_becomes_of_items_that_the_target_cannot_hold_is_said(
    tables: Bench, strategy: Strategy, said: str
) -> None:
    """Of such items alone; a value that a move puts too deep is one."""
    tables.put({"a": deep(31)})
    report = tables.check(move("a", "b.c"), strategy=strategy)
    assert "more than 32 levels" in finding(report, "unmappable").samples[0]
    assert said in finding(report, "not-mirrored").what
    assert "not-mirrored" not in {each.code for each in tables.check(rename("a", "b"), strategy=strategy).findings}


INDEX: dict[str, Any] = {
    "GlobalSecondaryIndexes": [
        {
            "IndexName": "by-status",
            "KeySchema": [{"AttributeName": "status", "KeyType": "HASH"}, {"AttributeName": "due", "KeyType": "RANGE"}],
            "Projection": {"ProjectionType": "ALL"},
        }
    ],
    "LocalSecondaryIndexes": [
        {
            "IndexName": "by-rank",
            "KeySchema": [
                {"AttributeName": "customer", "KeyType": "HASH"},
                {"AttributeName": "rank", "KeyType": "RANGE"},
            ],
            "Projection": {"ProjectionType": "ALL"},
        }
    ],
}


def test_hazard_25_values_that_an_index_of_the_target_refuses_are_found(bench: Bench) -> None:
    """Empty, wrong-typed and too long values in index keys, which the source holds without complaint."""
    bench.create(bench.source)
    bench.create(bench.target, kinds={"status": "S", "due": "N", "rank": "S"}, **INDEX)
    wrong: list[Item] = [
        {"state": {"S": ""}},
        {"state": {"NULL": True}},
        {"due": {"S": "tomorrow"}},
        {"rank": {"S": "r" * 1_025}},
    ]
    bench.put(*wrong, {"state": {"S": "new"}, "due": {"N": "1"}, "rank": {"S": "r"}}, {})
    report = bench.check(rename("state", "status"))
    found = {each.what.split(" cannot")[0]: each for each in report.findings if each.code == "index-key"}
    assert {name: each.count for name, each in found.items()} == {
        "status of index by-status": 2,
        "due of index by-status": 1,
        "rank of index by-rank": 1,
    }
    assert "it is empty" in found["status of index by-status"].samples[0]
    for item in wrong:
        target = {**item, "customer": {"S": "a"}, "order": {"S": "1"}}
        if "state" in target:
            target["status"] = target.pop("state")
        with refused_by_the_service(*item):
            _ = bench.client.put_item(TableName=bench.target, Item=target)


def test_hazard_26_items_that_become_too_large_are_found(tables: Bench) -> None:
    """An item that fits in the source, but not with a suffix and a stamp; and one that is about to be too large."""
    tables.put({"text": {"S": "x" * (400 * 1024 - 40)}}, {"text": {"S": "x" * 390 * 1024}}, {"text": {"S": "x"}})
    report = tables.check(suffix("customer", 16))
    assert finding(report, "item-too-large").count == 1
    assert finding(report, "item-large").severity == "warning"
    assert not report.ok
    assert "0000" in finding(report, "item-too-large").samples[0]


def test_hazard_26_keys_that_become_too_long_are_found(tables: Bench) -> None:
    """A partition key of 2,048 bytes has no room for a suffix."""
    tables.put({"customer": {"S": "c" * 2_048}}, {})
    report = tables.check(suffix("customer", 16))
    assert finding(report, "key-too-large").count == 1


def deep(levels: int) -> AttributeValue:
    """So many lists, one inside the other."""
    value: AttributeValue = {"L": []}
    for _ in range(levels - 1):
        value = {"L": [value]}
    return value


def made(value: AttributeValue) -> Piece:
    """What a converter of one's own may make of the text "x"."""
    return convert("text", forward=lambda _: value, backward=lambda _: {"S": "x"})


@pytest.mark.parametrize(
    ("piece", "item", "said"),
    [
        pytest.param(made(deep(32)), {"text": {"S": "x"}}, "Nesting", id="converted deeper"),
        pytest.param(made({"N": "1E126"}), {"text": {"S": "x"}}, "Number overflow", id="too large a number"),
        pytest.param(made({"N": "1E-131"}), {"text": {"S": "x"}}, "Number underflow", id="too small a number"),
        pytest.param(made({"N": "1" * 39}), {"text": {"S": "x"}}, "38 significant digits", id="too many digits"),
        pytest.param(made({"SS": []}), {"text": {"S": "x"}}, "may not be empty", id="an empty set"),
        pytest.param(made({"NS": ["1", "1.0"]}), {"text": {"S": "x"}}, "duplicates", id="a set with one number twice"),
        pytest.param(made({"M": {"": {"S": "x"}}}), {"text": {"S": "x"}}, "Empty attribute name", id="an empty name"),
    ],
)
def test_what_no_table_stores_is_found_in_what_a_mapping_makes(
    tables: Bench, piece: Piece, item: Item, said: str
) -> None:
    """The source is within DynamoDB's limits, and the mapped item is not; one that stays within them is no error."""
    tables.put(item, {name: value for name, value in item.items() if name == "a"})
    found = finding(tables.check(piece), "item-refused")
    assert (found.severity, found.count) == ("error", 1)
    assert said in found.samples[0]
    assert "0000" in found.samples[0]


def test_the_deepest_that_a_table_stores_is_no_error(tables: Bench) -> None:
    """31 lists, and the scalar inside them would be the 32nd level."""
    tables.put({"doc": deep(30), "a": {"M": {"x": {"N": "1"}}}})
    assert "item-refused" not in {found.code for found in tables.check(move("doc", "a.doc")).findings}


def test_a_key_that_becomes_empty_is_found(bench: Bench) -> None:
    """A part of a text may be nothing."""
    source, target = Table(bench.source, {"customer": "S"}), Table(bench.target, {"tenant": "S", "user": "S"})
    bench.create(source.name, dict(source.key))
    bench.create(target.name, dict(target.key))
    for text in ("a#b", "#b", "a#"):
        bench.client.put_item(TableName=source.name, Item={"customer": {"S": text}})
    migration = Migration("test", source, target, split("customer", into=("tenant", "user")))
    report = run_check(bench.client, bench.client, migration)
    assert finding(report, "unmappable").count == 2
    assert not report.ok


@pytest.mark.parametrize(
    ("piece", "meant"),
    [
        (rename("totl", "sum"), "did you mean 'total'?"),
        (move("detail.stats", "status"), "did you mean 'detail.status'?"),
        (drop("nothing-like-it"), "in any sampled item"),
    ],
)
def test_hazard_35_a_misspelt_attribute_is_an_error(tables: Bench, piece: Piece, meant: str) -> None:
    """A piece that finds nothing to do in any item is an error, with the attribute that was probably meant."""
    tables.put({"total": {"N": "1"}, "detail": {"M": {"status": {"S": "new"}}}})
    report = tables.check(piece)
    assert not report.ok
    assert finding(report, "piece-without-match").what.endswith(meant)


def test_declared_losses_are_counted_apart(tables: Bench) -> None:
    """drop() loses what it says: a note with the number of items, not an error."""
    tables.put({"legacy": {"S": "x"}}, {"legacy": {"S": "old"}}, {"other": {"S": "y"}})
    report = tables.check(drop("legacy", "old"), set_default("version", 2))
    assert report.ok
    loss = finding(report, "declared-loss")
    assert (loss.severity, loss.count) == ("info", 2)  # one holds another value, one would come back with a value


def test_a_target_that_is_in_use_is_told(tables: Bench) -> None:
    """Items without crossfade's stamp are a warning; with it, the migration has begun and that is a note."""
    tables.put({})
    tables.put({STAMP: {"S": "s"}}, table=tables.target)
    assert finding(tables.check(identity()), "target-in-use").severity == "info"
    tables.put({}, {}, table=tables.target)
    strange = finding(tables.check(identity()), "target-not-empty")
    assert (strange.severity, strange.count) == ("warning", 2)


def test_a_sample_comes_from_all_over_the_table(tables: Bench) -> None:
    """One hot partition with two thirds of all items fills no more of the sample than its own segment."""
    with_batches(tables, [f"c{number}" for number in range(60)], items_each=2)
    with_batches(tables, ["hot"], items_each=240)
    report = tables.check(suffix("customer", 2), sample_items=64)
    assert (report.sampled_items, report.whole_table) == (64, False)
    assert finding(report, "passed-through").what.endswith("n (64)")
    found = re.search(r"has (\d+) items in the source", finding(report, "largest-partition").what)
    assert found is not None
    assert int(found[1]) <= 64 // 4  # 64 items are taken from 4 segments


def with_batches(bench: Bench, customers: list[str], items_each: int) -> None:
    puts = [
        {"PutRequest": {"Item": {"customer": {"S": customer}, "order": {"S": str(n)}, "n": {"N": str(n)}}}}
        for customer in customers
        for n in range(items_each)
    ]
    for start in range(0, len(puts), 25):
        _ = bench.client.batch_write_item(RequestItems={bench.source: puts[start : start + 25]})


def test_an_empty_source_is_a_warning(tables: Bench) -> None:
    """Nothing could be tried, and the report does not pretend that it was."""
    report = tables.check(rename("a", "b"))
    assert codes(report) == {"source-empty"}
    assert (report.sampled_items, report.whole_table) == (0, True)


class Silent:
    """A client of a database that refuses or does not answer."""

    def __init__(self, fail: Callable[[], Exception]) -> None:
        self._fail = fail

    def describe_table(self, **request: Any) -> Any:
        del request
        raise self._fail()


def test_a_database_that_cannot_be_asked_is_a_configuration_error() -> None:
    """No permission and no connection end the check with what to look at, not with a traceback of botocore."""
    migration = Migration("test", Table("abc", KEY), Table("abcd", KEY), mapping=identity())
    refused = {"Error": {"Code": "AccessDeniedException", "Message": "no"}}
    for fail, shown in (
        (lambda: ClientError(refused, "DescribeTable"), "the database refused"),
        (lambda: EndpointConnectionError(endpoint_url="http://127.0.0.1:1"), "cannot be asked"),
    ):
        client = Silent(fail)
        with pytest.raises(ConfigurationError, match=shown):
            _ = run_check(client, client, migration)
    with pytest.raises(ConfigurationError, match="sample_items is 0"):
        _ = run_check(None, None, migration, sample_items=0)


def test_items_that_share_a_new_key_are_found(tables: Bench) -> None:
    """Where an attribute becomes the key, it must be one item's alone."""
    tables.put({"guid": {"S": "one"}}, {"guid": {"S": "one"}})
    client, name = tables.client, f"by-guid-{tables.target}"
    tables.create(name, {"guid": "S"})
    migration = Migration(
        "test", Table(tables.source, KEY), Table(name, {"guid": "S"}), use_as_key("guid"), "copy-on-write"
    )
    assert finding(run_check(client, client, migration), "key-collision").count == 1


def test_an_index_by_the_old_key_is_looked_for_where_the_new_one_is_another(bench: Bench) -> None:
    """The command for the target makes it. Without one, Queries by the old key are refused; with a global one, those
    that are strongly consistent."""
    namespace = "6ba7b810-9dad-11d1-80b4-00c04fd430c8"
    target = Table(bench.target, {"guid": "S"})
    migration = Migration(
        "test", Table(bench.source, KEY), target, derive_key("guid", tuple(KEY), namespace), "copy-on-write"
    )
    bench.create(bench.source, KEY)
    advised = finding(run_check(bench.client, bench.client, migration), "no-table").next_step
    assert '{"IndexName":"by-old-key"' in advised
    bench.create(bench.target, {"guid": "S"})
    told = finding(run_check(bench.client, bench.client, migration), "old-key-index")
    assert (told.severity, "a global index by customer, order" in told.next_step) == ("warning", True)
    bench.client.delete_table(TableName=bench.target)
    index = [global_index("by-old-key", **KEY)]
    bench.create(bench.target, {"guid": "S"}, kinds=KEY, GlobalSecondaryIndexes=index)
    told = finding(run_check(bench.client, bench.client, migration), "old-key-index")
    assert (told.severity, "global index by-old-key" in told.what) == ("info", True)
