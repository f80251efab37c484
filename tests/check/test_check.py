"""`check` on a real database: what would go wrong later is said before anything starts."""

from __future__ import annotations

import json
import re
from collections.abc import Callable
from typing import Any
from uuid import uuid4

import pytest
from botocore.exceptions import ClientError, EndpointConnectionError

from crossfade.check import CheckReport, Finding, run_check
from crossfade.core.items import Item
from crossfade.core.mapping import STAMP, Kind, Piece
from crossfade.errors import ConfigurationError
from crossfade.mapping import (
    Converter,
    convert,
    custom,
    derive_key,
    drop,
    identity,
    move,
    number_to_text,
    rename,
    set_default,
    suffix,
    text_to_number,
    use_as_key,
)
from crossfade.migration import Migration, Strategy, Table
from tests.conftest import Database

KEY: dict[str, Kind] = {"customer": "S", "order": "S"}


class Bench:
    """A source and a target of its own, and a check of one mapping between them."""

    def __init__(self, client: Any) -> None:
        self.client = client
        mark = uuid4().hex[:10]
        self.source, self.target = f"source-{mark}", f"target-{mark}"

    def create(self, name: str, key: dict[str, Kind] | None = None, **more: Any) -> None:
        key = key or KEY
        schema = [{"AttributeName": part, "KeyType": role} for part, role in zip(key, ("HASH", "RANGE"), strict=False)]
        kinds = {**key, **more.pop("kinds", {})}
        definitions = [{"AttributeName": part, "AttributeType": kind} for part, kind in kinds.items()]
        _ = self.client.create_table(
            TableName=name, KeySchema=schema, AttributeDefinitions=definitions, BillingMode="PAY_PER_REQUEST", **more
        )

    def put(self, *items: Item, table: str | None = None) -> None:
        for number, item in enumerate(items):
            whole = {"customer": {"S": "acme"}, "order": {"S": f"{number:04}"}, **item}
            _ = self.client.put_item(TableName=table or self.source, Item=whole)

    def check(
        self,
        *pieces: Piece,
        target_key: dict[str, Kind] | None = None,
        sample_items: int = 1_000,
        strategy: Strategy = "dual-write",
    ) -> CheckReport:
        source, target = Table(self.source, KEY), Table(self.target, target_key or KEY)
        migration = Migration("test", source, target, list(pieces), strategy)
        return run_check(self.client, self.client, migration, sample_items=sample_items)


@pytest.fixture
def bench(dynamodb: Database) -> Bench:
    return Bench(dynamodb.client())


@pytest.fixture
def tables(bench: Bench) -> Bench:
    bench.create(bench.source)
    bench.create(bench.target)
    return bench


def finding(report: CheckReport, code: str) -> Finding:
    """The one finding with a code."""
    found = [each for each in report.findings if each.code == code]
    assert len(found) == 1, [f"{each.code}: {each.what}" for each in report.findings]
    return found[0]


def codes(report: CheckReport) -> set[str]:
    return {each.code for each in report.findings if each.severity != "info"}


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
        with pytest.raises(bench.client.exceptions.ClientError, match="ValidationException"):
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


def test_indexes_that_only_the_source_has_are_told(bench: Bench) -> None:
    """Queries on them would fail once the target answers."""
    bench.create(bench.source, kinds={"status": "S", "due": "N", "rank": "S"}, **INDEX)
    bench.create(bench.target)
    assert "by-status, by-rank" in finding(bench.check(identity()), "index-missing").what


def global_index(name: str, **key: str) -> dict[str, Any]:
    schema = [{"AttributeName": part, "KeyType": role} for part, role in zip(key, ("HASH", "RANGE"), strict=False)]
    return {"IndexName": name, "KeySchema": schema, "Projection": {"ProjectionType": "ALL"}}


def test_an_index_that_is_another_one_in_the_target_is_told(bench: Bench) -> None:
    """By an attribute that is converted, or with another key: its queries are refused in the end."""
    indexes = [global_index("by-total", status="S", total="S"), global_index("by-day", day="S")]
    bench.create(bench.source, kinds={"status": "S", "total": "S", "day": "S"}, GlobalSecondaryIndexes=indexes)
    indexes = [global_index("by-total", status="S", total="N"), global_index("by-day", night="S")]
    bench.create(bench.target, kinds={"status": "S", "total": "N", "night": "S"}, GlobalSecondaryIndexes=indexes)
    found = [each.what for each in bench.check(convert("total", text_to_number)).findings if each.code == "index-other"]
    assert [text.split(" is not")[0] for text in found] == ["index by-total", "index by-day"]
    assert "total is stored in another form" in found[0]
    assert "its key is night" in found[1]


def test_an_index_with_another_name_in_the_target_is_its_counterpart(bench: Bench) -> None:
    """If the migration says so; its key may have another name too."""
    bench.create(bench.source, kinds={"day": "S"}, GlobalSecondaryIndexes=[global_index("by-day", day="S")])
    bench.create(bench.target, kinds={"date": "S"}, GlobalSecondaryIndexes=[global_index("by-date", date="S")])
    assert "index-missing" in codes(bench.check(rename("day", "date")))
    migration = Migration(
        "test", Table(bench.source, KEY), Table(bench.target, KEY), mapping=[rename("day", "date")],
        indexes={"by-day": "by-date"},
    )  # fmt: skip
    assert not {"index-missing", "index-other"} & codes(run_check(bench.client, bench.client, migration))


def test_a_local_index_of_a_spread_table_must_be_declared(bench: Bench) -> None:
    """Its partitions are spread as the table's are."""
    local = {
        "IndexName": "by-due",
        "KeySchema": [
            {"AttributeName": "customer", "KeyType": "HASH"},
            {"AttributeName": "due", "KeyType": "RANGE"},
        ],
        "Projection": {"ProjectionType": "ALL"},
    }
    for table in (bench.source, bench.target):
        bench.create(table, kinds={"due": "S"}, LocalSecondaryIndexes=[local])
    told = finding(bench.check(suffix("customer", 4)), "index-undeclared")
    assert '"by-due": {"customer": ..., "due": ...}' in told.next_step
    source = Table(bench.source, KEY, indexes={"by-due": {"customer": "S", "due": "S"}})
    migration = Migration("test", source, Table(bench.target, KEY), mapping=[suffix("customer", 4)])
    assert not codes(run_check(bench.client, bench.client, migration)) & {"index-undeclared", "index-other"}


def test_a_sort_key_in_another_form_is_told(bench: Bench) -> None:
    """Queries of the table itself are refused in the end."""
    bench.create(bench.source, {"customer": "S", "order": "N"})
    bench.create(bench.target, KEY)
    migration = Migration(
        "test", Table(bench.source, {"customer": "S", "order": "N"}), Table(bench.target, KEY),
        mapping=[convert("order", number_to_text)],
    )  # fmt: skip
    assert "sort-other" in codes(run_check(bench.client, bench.client, migration))


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


def test_a_target_that_expires_items_is_an_error_while_they_are_copied(tables: Bench) -> None:
    """The source's twin of an item that expired would be the item again; with tables kept equal, it is gone."""
    tables.put({})
    assert "target-expires" not in {found.code for found in tables.check(identity(), strategy="copy-on-write").findings}
    _ = tables.client.update_time_to_live(
        TableName=tables.target, TimeToLiveSpecification={"Enabled": True, "AttributeName": "gone_at"}
    )
    report = tables.check(identity(), strategy="copy-on-write")
    assert not report.ok
    assert "expire by 'gone_at'" in finding(report, "target-expires").what
    assert tables.check(identity()).ok


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
    """Without one, Queries by the old key are refused; with a global one, those that are strongly consistent."""
    namespace = "6ba7b810-9dad-11d1-80b4-00c04fd430c8"
    target = Table(bench.target, {"guid": "S"})
    migration = Migration(
        "test", Table(bench.source, KEY), target, derive_key("guid", tuple(KEY), namespace), "copy-on-write"
    )
    bench.create(bench.source, KEY)
    bench.create(bench.target, {"guid": "S"})
    told = finding(run_check(bench.client, bench.client, migration), "old-key-index")
    assert (told.severity, "a global index by customer, order" in told.next_step) == ("warning", True)
    bench.client.delete_table(TableName=bench.target)
    index = [global_index("by-old-key", **KEY)]
    bench.create(bench.target, {"guid": "S"}, kinds=KEY, GlobalSecondaryIndexes=index)
    told = finding(run_check(bench.client, bench.client, migration), "old-key-index")
    assert (told.severity, "global index by-old-key" in told.what) == ("info", True)
