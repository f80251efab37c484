"""What `check` says of the indexes of both tables: their keys, the form and the order of these, and what they show."""

from __future__ import annotations

import json
import shlex
from collections.abc import Sequence
from typing import Any, Final

import pytest

from crossfade.check import CheckReport, run_check
from crossfade.core.mapping import Kind, Piece
from crossfade.mapping import (
    convert,
    derive_key,
    identity,
    move,
    number_to_text,
    rename,
    split,
    suffix,
    text_to_number,
)
from crossfade.migration import Index, Migration, Strategy, Table
from tests.check.bench import KEY, Bench, codes, finding, global_index


def test_indexes_that_only_the_source_has_are_told(bench: Bench) -> None:
    """Queries on them would fail once the target answers."""
    bench.create(
        bench.source,
        kinds={"status": "S", "rank": "S"},
        GlobalSecondaryIndexes=[keyed("by-status", "status")],
        LocalSecondaryIndexes=[keyed("by-rank", "customer", "rank")],
    )
    bench.create(bench.target)
    assert "by-status, by-rank" in finding(bench.check(identity()), "index-missing").what


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


# --- keys, their form and their order


def keyed(name: str, partition: str, sort: str = "", projection: Any = None) -> dict[str, Any]:
    """An index by these attributes."""
    schema = [{"AttributeName": each, "KeyType": "HASH"} for each in partition.split()]
    schema += [{"AttributeName": each, "KeyType": "RANGE"} for each in sort.split()]
    return {"IndexName": name, "KeySchema": schema, "Projection": projection or {"ProjectionType": "ALL"}}


def with_index(
    bench: Bench, table: str, index: dict[str, Any], *, local: bool = False, numbers: Sequence[str] = ()
) -> None:
    names = [part["AttributeName"] for part in index["KeySchema"]]
    more: dict[str, Any] = {
        "kinds": {name: "N" if name in numbers else "S" for name in names},
        f"{'Local' if local else 'Global'}SecondaryIndexes": [index],
    }
    bench.create(table, **more)


SPREAD: Final = suffix("customer", 4, by="order")


@pytest.mark.parametrize(
    ("ours", "theirs", "pieces", "told"),
    [
        ("a b | c d", "a b | c d", [identity()], ""),
        ("a b | c d", "b a | c d", [identity()], ""),
        ("a b | c d", "a b | d c", [identity()], "its key is a, b, d, c"),
        ("a b | c d", "a | b c d", [identity()], "its key is a, b, c, d"),
        ("a b | c d", "a b | c", [identity()], "its key is a, b, c"),
        ("a b | c d", "a x | c d", [rename("b", "x")], ""),
        ("a b | c d", "a b | c x", [rename("b", "x")], "its key is a, b, c, x"),
        ("a b | c d", "a b | c d", [convert("d", text_to_number)], "d is stored in another form"),
        ("order | customer", "order | customer", [SPREAD], "customer is stored in another form"),
        ("customer a | b", "customer a | b", [SPREAD], "the mapping spreads its partitions"),
        ("a customer | b", "a customer | b", [SPREAD], "the mapping spreads its partitions"),
        ("a | order", "a | order", [SPREAD], ""),
    ],
)
@pytest.mark.parametrize("strategy", ["dual-write", "copy-on-write"])
def test_an_index_with_other_partitions_or_another_order_is_told(
    bench: Bench, strategy: Strategy, ours: str, theirs: str, pieces: Sequence[Piece], told: str
) -> None:
    """With the stage from which its queries are refused."""
    with_index(bench, bench.source, keyed("by-some", *ours.split(" | ")))
    numbers = ["d"] if told.startswith("d is") else []
    with_index(bench, bench.target, keyed("by-some", *theirs.split(" | ")), numbers=numbers)
    report = bench.check(*pieces, strategy=strategy)
    if not told:
        assert not any(each.code.startswith("index-") for each in report.findings)
        return
    found = finding(report, "index-other")
    assert told in found.what
    if "spreads" not in told:
        assert f"from the stage {'rampdown' if strategy == 'dual-write' else 'prepare'} on" in found.what


def test_an_index_key_of_another_type_is_an_error(bench: Bench) -> None:
    """The target would refuse every item that is in the source's index."""
    with_index(bench, bench.source, keyed("by-day", "day"))
    with_index(bench, bench.target, keyed("by-day", "date"), numbers=["date"])
    found = finding(bench.check(rename("day", "date")), "index-kind")
    assert found.severity == "error"
    assert "day is of type S" in found.what
    assert "date of type N" in found.what


# --- what an index shows

ALL: Final = {"ProjectionType": "ALL"}
KEYS: Final = {"ProjectionType": "KEYS_ONLY"}


def some(*names: str) -> dict[str, Any]:
    return {"ProjectionType": "INCLUDE", "NonKeyAttributes": list(names)}


@pytest.mark.parametrize(
    ("ours", "theirs", "severity", "lacking"),
    [
        (ALL, ALL, None, ""),
        (ALL, KEYS, "error", "all attributes"),
        (ALL, some("headline"), "error", "all attributes"),
        (KEYS, KEYS, None, ""),
        (KEYS, ALL, "warning", ""),
        (some("title"), some("title"), "error", "headline"),
        (some("title"), some("headline"), None, ""),
        (some("title", "n"), some("headline"), "error", "(n)"),
        (some("title"), KEYS, "error", "headline"),
        (some("m"), some("status"), None, ""),
        (some("whole"), some("first"), "error", "second"),
        (some("whole"), some("first", "second"), None, ""),
    ],
)
@pytest.mark.parametrize("strategy", ["dual-write", "copy-on-write"])
def test_an_index_that_shows_something_else_is_told(
    bench: Bench, strategy: Strategy, ours: Any, theirs: Any, severity: str | None, lacking: str
) -> None:
    """Through the mapping: what the index of the target lacks is an error, what it shows besides a warning."""
    with_index(bench, bench.source, keyed("by-day", "day", projection=ours))
    with_index(bench, bench.target, keyed("by-day", "day", projection=theirs))
    pieces = [rename("title", "headline"), move("m", "status"), split("whole", into=("first", "second"))]
    report = bench.check(*pieces, strategy=strategy)
    found = [each for each in report.findings if each.code == "index-projection"]
    assert [each.severity for each in found] == ([] if severity is None else [severity])
    assert not found or lacking in found[0].what
    assert report.ok is (severity != "error")


def test_a_local_index_that_is_a_global_one_in_the_target_is_told(bench: Bench) -> None:
    """It answers no strongly consistent request."""
    with_index(bench, bench.source, keyed("by-day", "customer", "day"), local=True)
    with_index(bench, bench.target, keyed("by-day", "customer", "day"))
    assert "no strongly consistent request" in finding(bench.check(identity()), "index-global").what


# --- what the migration declares


def checked(bench: Bench, of_source: dict[str, Any], of_target: dict[str, Any], *pieces: Piece) -> CheckReport:
    source, target = Table(bench.source, KEY, indexes=of_source), Table(bench.target, KEY, indexes=of_target)
    return run_check(bench.client, bench.client, Migration("test", source, target, list(pieces) or [identity()]))


DAY: Final[dict[str, Kind]] = {"day": "S"}
LOCAL: Final[dict[str, Kind]] = {"customer": "S", "day": "S"}


@pytest.mark.parametrize(
    ("of_source", "of_target", "shown", "step"),
    [
        ({"by-day": DAY}, {"by-day": DAY}, None, ""),
        ({"by-night": DAY}, {}, "has no index by-night", "correct indexes= of the source"),
        ({}, {"by-night": DAY}, "has no index by-night", "add it"),
        ({}, {"by-night": LOCAL}, "has no index by-night", "can only be made with its table"),
        ({"by-day": {"day": "N"}}, {}, "its key is day (S), but the migration declares day (N)", "of the source"),
        ({}, {"by-day": LOCAL}, "but the migration declares customer (S); sorted by day (S)", "of the target"),
        ({}, {"by-day": Index(partition={"day": "S", "hour": "N"})}, "declares day (S), hour (N)", "of the target"),
    ],
)
def test_what_is_declared_of_an_index_is_compared_with_the_table(
    bench: Bench, of_source: dict[str, Any], of_target: dict[str, Any], shown: str | None, step: str
) -> None:
    """Routers go by it."""
    for table in (bench.source, bench.target):
        with_index(bench, table, keyed("by-day", "day"))
    report = checked(bench, of_source, of_target)
    if shown is None:
        assert report.ok
        return
    found = finding(report, "index-schema")
    assert (found.severity, shown in found.what, step in found.next_step) == ("error", True, True), found


def test_an_index_that_only_the_target_shall_have_is_tried(bench: Bench) -> None:
    """Before the target is there: an item with another type in the attribute of its key would be refused by it."""
    bench.create(bench.source)
    bench.put({"state": {"S": "new"}}, {"state": {"NULL": True}}, {"state": {"N": "1"}}, {})
    index = Index(partition={"status": "S", "order": "S"}, sort={"due": "N"})
    report = checked(bench, {}, {"by-status": index}, rename("state", "status"))
    found = finding(report, "index-key")
    assert (found.severity, found.count) == ("error", 2)
    assert "status of index by-status" in found.what


def created(bench: Bench, report: CheckReport) -> dict[str, Any]:
    """The target, made by the very command that is printed, as DescribeTable tells."""
    words = shlex.split(finding(report, "no-table").next_step.removeprefix("create it: "))
    assert words[:3] == ["aws", "dynamodb", "create-table"]
    options: dict[str, list[str]] = {}
    for word in words[3:]:
        if word.startswith("--"):
            options[word] = []
        else:
            options[list(options)[-1]].append(word)

    def parts(option: str) -> list[dict[str, str]]:
        return [dict(part.split("=") for part in word.split(",")) for word in options[option]]

    more = {
        name: json.loads(options[option][0])
        for option, name in (
            ("--local-secondary-indexes", "LocalSecondaryIndexes"),
            ("--global-secondary-indexes", "GlobalSecondaryIndexes"),
        )
        if option in options
    }
    _ = bench.client.create_table(
        TableName=options["--table-name"][0],
        BillingMode=options["--billing-mode"][0],
        AttributeDefinitions=parts("--attribute-definitions"),
        KeySchema=parts("--key-schema"),
        **more,
    )
    described: dict[str, Any] = bench.client.describe_table(TableName=bench.target)["Table"]
    return described


def shown_indexes(described: dict[str, Any]) -> dict[str, str]:
    """Name -> what it is: local or not, its key, its projection."""
    return {
        index["IndexName"]: " ".join(
            (
                kind[0].lower(),
                *(f"{part['AttributeName']}:{part['KeyType'][0]}" for part in index["KeySchema"]),
                index["Projection"]["ProjectionType"],
                *sorted(index["Projection"].get("NonKeyAttributes", ())),
            )
        )
        for kind in ("GlobalSecondaryIndexes", "LocalSecondaryIndexes")
        for index in described.get(kind, ())
    }


def test_the_command_that_makes_the_target_has_its_indexes(bench: Bench) -> None:
    """Those that are declared, and the counterparts of the source's: a local one can never be added later."""
    bench.create(
        bench.source,
        kinds={"day": "S", "hour": "N", "kind": "S", "total": "S"},
        GlobalSecondaryIndexes=[
            keyed("by-parts", "kind day", "hour order", some("title")),
            keyed("by-total", "total"),
        ],
        LocalSecondaryIndexes=[keyed("by-day", "customer", "day", KEYS)],
    )
    pieces = [
        suffix("customer", 4),
        rename("day", "date"),
        rename("title", "headline"),
        convert("total", text_to_number),
    ]
    declared: dict[str, Any] = {"by-rank": {"customer": "S", "rank": "N"}, "by-color": {"color": "S"}}
    described = created(bench, checked(bench, {"by-day": LOCAL}, declared, *pieces))
    assert shown_indexes(described) == {
        "by-parts": "g kind:H date:H hour:R order:R INCLUDE headline",
        "by-color": "g color:H ALL",
        "by-day": "l customer:H date:R KEYS_ONLY",
        "by-rank": "l customer:H rank:R ALL",
    }
    assert checked(bench, {"by-day": LOCAL}, declared, *pieces[:-1]).ok  # total passes through as it is


def test_a_target_without_indexes_is_made_without_any(bench: Bench) -> None:
    """DynamoDB refuses empty lists."""
    bench.create(bench.source)
    assert shown_indexes(created(bench, checked(bench, {}, {}))) == {}


def test_an_old_key_that_is_declared_as_an_index_is_made(bench: Bench) -> None:
    """Of a target whose key is an attribute of its own: a local index where the partition stays."""
    bench.create(bench.source)
    target = Table(bench.target, {"customer": "S", "guid": "S"}, indexes={"by-old": {"customer": "S", "order": "S"}})
    mapping = derive_key("guid", by=("customer", "order"), namespace="9d0c6a1c-6f5b-4a50-9f3e-1a7b6a0c2d11")
    migration = Migration("test", Table(bench.source, KEY), target, mapping, "copy-on-write")
    described = created(bench, run_check(bench.client, bench.client, migration))
    assert shown_indexes(described) == {"by-old": "l customer:H order:R ALL"}


# --- the table's own sort key


@pytest.mark.parametrize(
    ("strategy", "stages"),
    [
        ("dual-write", ["from the stage rampdown on", "until the stage rampdown"]),
        ("copy-on-write", ["from the stage prepare on", "until the stage rampdown"]),
    ],
)
def test_a_sort_key_in_another_form_is_told_with_the_stages(
    bench: Bench, strategy: Strategy, stages: list[str]
) -> None:
    """In which Queries of the table are refused, by either view."""
    bench.create(bench.source, {"customer": "S", "order": "N"})
    bench.create(bench.target, KEY)
    migration = Migration(
        "test", Table(bench.source, {"customer": "S", "order": "N"}), Table(bench.target, KEY),
        [convert("order", number_to_text)], strategy,
    )  # fmt: skip
    found = finding(run_check(bench.client, bench.client, migration), "sort-other")
    assert [stage for stage in stages if stage in found.what] == stages
