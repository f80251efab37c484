"""What Debezium's messages tell, on recorded ones: changes in the log's order, and everything else by its name."""

from __future__ import annotations

import json
from typing import Any, Final

import pytest

from crossfade.cdc.changes import Change, ChangeUnreadable, Version
from crossfade.cdc.inputs import Kind, NoChange, read_debezium
from crossfade.cdc.mysql.values import json_value
from tests.cdc.inputs.recordings import EPOCH, Message, of_topic

BOTH: Final = ("on", "off")
FIRST_FILE: Final = 1 << 32


def orders(connector: str) -> list[Change]:
    """Every change of `shop.orders`, in the order of the log."""
    found = [message.read() for message in of_topic(f"{connector}.shop.orders")]
    return [change for each in found if isinstance(each, list) for change in each]


def without_transaction(message: Message) -> Message:
    """The same message of a connector that tells no transactions."""
    payload = message.payload() | {"transaction": None}
    return Message(message.topic, message.offset, message.key, json.dumps(payload).encode())


def reworded(message: Message, **fields: Any) -> Message:
    """The same message, without a schema and with other fields."""
    payload = message.payload()
    for name, value in fields.items():
        (payload["source"] if name in payload["source"] else payload)[name] = value
    return Message(message.topic, message.offset, b'{"id":1}', json.dumps(payload).encode())


@pytest.mark.parametrize("connector", BOTH)
def test_create_update_and_delete(connector: str) -> None:
    """A row's changes have its key, what it is after them, what it was before, and when that was."""
    cleo = [change for change in orders(connector) if change.key == ("cleo", 3)]
    create, update, delete = cleo
    assert {change.table for change in cleo} == {"shop.orders"}
    assert {change.origin for change in cleo} == {"log"}
    assert create.row is not None
    assert update.row is not None
    assert create.before is None
    assert update.before == create.row
    assert (create.row["note"], update.row["total"] != create.row["total"]) == ("three", True)
    assert (delete.row, delete.before) == (None, update.row)
    assert create.committed_at == 1795972946.0


def test_a_column_that_was_added_is_there_from_then_on() -> None:
    """A message is read with its own schema: ALTER TABLE in the middle of the log changes nothing before it."""
    by_customer = {str(change.key[0]): change for change in orders("on") if change.row is not None}
    before, after = by_customer["emil"].row, by_customer["fred"].row
    assert before is not None
    assert after is not None
    assert (list(before), list(after)) == (
        ["customer", "number", "total", "note"],
        ["customer", "number", "state", "total", "note"],
    )


@pytest.mark.parametrize("connector", BOTH)
def test_hazard_15_a_changed_primary_key_is_a_delete_before_an_insert(connector: str) -> None:
    """A new primary key is two changes with one position, of which the deletion has the lower version."""
    changes = orders(connector)
    (deleted,) = (change for change in changes if change.key == ("cleo", 3) and change.row is None)
    (created,) = (change for change in changes if change.key == ("dora", 3))
    assert deleted.version.position == created.version.position
    assert deleted.version < created.version
    assert created.row is not None


@pytest.mark.parametrize("connector", BOTH)
def test_hazard_3_all_changes_of_a_row_in_one_transaction_have_an_order(connector: str) -> None:
    """INSERT, UPDATE and DELETE of one row in one transaction have one position, and yet three versions."""
    emil = [change for change in orders(connector) if change.key == ("emil", 1)]
    assert [change.row is None for change in emil] == [False, False, True]
    assert len({change.version.position for change in emil}) == 1
    assert [change.version for change in emil] == sorted({change.version for change in emil})


def test_without_transactions_the_offset_tells_the_order() -> None:
    """Where the connector tells no transactions, the message's offset orders what has one position."""
    rows = [without_transaction(message) for message in of_topic("off.shop.orders") if message.value is not None]
    versions = [message.change().version for message in rows if message.change().key == ("emil", 1)]
    assert len(versions) == 3
    assert versions == sorted(set(versions))


@pytest.mark.parametrize("connector", BOTH)
@pytest.mark.parametrize("transactions", [True, False])
def test_a_snapshot_never_beats_the_log(connector: str, transactions: bool) -> None:
    """A row that a snapshot read has a lower version than the first change after it, though both have one position."""
    messages = of_topic(f"{connector}.shop.types")
    if not transactions:
        messages = [without_transaction(message) for message in messages]
    versions = {"snapshot": [Version(0, 0)][:0], "log": [Version(0, 0)][:0]}
    for message in messages:
        change = message.change()
        versions[change.origin].append(change.version)
    last_read, first_logged = max(versions["snapshot"]), min(versions["log"])
    assert len(versions["snapshot"]) == len(versions["log"]) == 4
    assert last_read.position == first_logged.position == FIRST_FILE + 9236
    assert last_read < first_logged


def test_a_later_file_beats_an_earlier_one() -> None:
    """A position is the file's number before the place in it, so a small place in the next file is later."""
    by_customer = {str(change.key[0]): change.version for change in orders("on")}
    assert by_customer["gert"].position == (2 << 32) + 336
    assert by_customer["gert"] > by_customer["fred"]


def test_the_epoch_is_the_caller_s() -> None:
    """A version begins with the epoch that the caller gave."""
    assert {change.version.epoch for change in orders("on")} == {EPOCH}


def test_keys_of_every_type_are_read_as_rows_are() -> None:
    """A key is read with its own schema: an unsigned bigint and bytes are what they are in the row."""
    precise = [message.change() for message in of_topic("text.shop.orders")]
    assert [change.key for change in precise] == [("anna", 1), ("bert", 2**64 - 1)]
    for message in of_topic("on.shop.bin_key"):
        found = message.read()
        if isinstance(found, list) and found[0].row is not None:
            assert found[0].key == (found[0].row["k"],)
            assert isinstance(found[0].key[0], bytes)


@pytest.mark.parametrize("connector", BOTH)
def test_what_is_no_change_has_a_name(connector: str) -> None:
    """Heart-beats, transactions, schema changes, tombstones and TRUNCATE are told apart from changes and each other."""

    def first(topic: str, kind: Kind) -> NoChange:
        found = (message.read() for message in of_topic(topic))
        return next(each for each in found if isinstance(each, NoChange) and each.kind is kind)

    assert first(f"__debezium-heartbeat.{connector}", Kind.HEARTBEAT).at > 1.7e9
    assert first(f"{connector}.transaction", Kind.TRANSACTION).text == "BEGIN 0-1-13"
    assert first(f"{connector}.shop.orders", Kind.TOMBSTONE).version is None
    (altered,) = (
        each
        for each in (message.read() for message in of_topic(connector))
        if isinstance(each, NoChange) and each.text.startswith("ALTER")
    )
    assert (altered.kind, altered.table, altered.removes_rows) == (Kind.SCHEMA_CHANGE, "shop.orders", False)
    truncated = first(f"{connector}.shop.bin_key", Kind.TRUNCATE)
    assert (truncated.table, truncated.removes_rows) == ("shop.bin_key", True)
    assert truncated.version is not None


def test_a_boolean_seen_at_creation_is_a_number_too() -> None:
    """BOOLEAN is true and false if the connector saw CREATE TABLE and 1 and 0 if not: it is 1 and 0 here, always."""
    rows = [message.change().row for message in of_topic("on.shop.late")]
    assert [(row["flag"], type(row["flag"])) for row in rows if row] == [(1, int), (0, int)]


def test_hazard_27_a_table_without_a_primary_key_is_refused() -> None:
    """Changes of a table without a primary key cannot be told apart, and the error says what to do."""
    for message in of_topic("on.shop.keyless")[:4]:
        with pytest.raises(ChangeUnreadable, match=r"shop.keyless, which has no primary key(?s:.)*message.key.columns"):
            _ = message.read()


def test_of_other_tables_nothing_is_wanted() -> None:
    """Not even a reason to stop: they may be of no interest, without a primary key, or emptied."""
    for message in of_topic("on.shop.keyless"):
        found = read_debezium(message.key, message.value, epoch=0, offset=0, only={"shop.orders"})
        assert isinstance(found, NoChange)
        assert not found.removes_rows


def test_json_of_mariadb_is_what_it_says_where_its_columns_are_known() -> None:
    """The connector sees LONGTEXT; told which columns are JSON, its text is read, as a SELECT's is."""
    for message in of_topic("on.shop.types"):
        plain, columns = message.change(), {"shop.types": ["c_json", "id"]}
        found = read_debezium(message.key, message.value, epoch=EPOCH, offset=message.offset, json_columns=columns)
        assert isinstance(found, list)
        (known,) = found
        assert plain.row is not None
        text = plain.row["c_json"]
        assert known.row == {**plain.row, "c_json": None if text is None else json_value(str(text))}
        assert (known.key, known.version) == (plain.key, plain.version)


def test_an_unsigned_bigint_is_right_where_the_type_is_told() -> None:
    """With `column.propagate.source.type` a negative number of BIGINT UNSIGNED is what it was."""
    message = of_topic("on.shop.types")[0]
    assert message.value is not None
    propagated = message.value.replace(
        b'{"type":"int64","optional":true,"field":"c_big_u"}',
        b'{"type":"int64","optional":true,"parameters":{"__debezium.source.column.type":"BIGINT UNSIGNED"},'
        b'"field":"c_big_u"}',
    )
    assert propagated != message.value
    told = Message(message.topic, message.offset, message.key, propagated).change()
    assert told.row is not None
    assert told.row["c_big_u"] == 2**64 - 1


def test_json_of_mysql_is_what_it_says() -> None:
    """A column of MySQL's JSON is read, with its fractions as Decimal."""
    schema = {"type": "string", "optional": True, "name": "io.debezium.data.Json", "field": "j"}
    envelope = {"type": "struct", "fields": [{"type": "struct", "fields": [schema], "field": "after"}]}
    payload = of_topic("off.shop.types")[0].payload() | {"after": {"j": '{"a": [1.50, null]}'}}
    value = json.dumps({"schema": envelope, "payload": payload}).encode()  # with spaces, as others write JSON
    found = read_debezium(b'{"id":1}', value, epoch=0, offset=0)
    assert isinstance(found, list)
    assert str(found[0].row) == "{'j': {'a': [Decimal('1.50'), None]}}"


MYSQL_SOURCE: Final = {
    "version": "3.5.0.Final",
    "connector": "mysql",
    "name": "shop",
    "ts_ms": 1465491411815,
    "snapshot": "false",
    "db": "inventory",
    "table": "customers",
    "server_id": 223344,
    "gtid": "6f1f3b1a-0000-11ee-8000-000000000001:42",
    "file": "mysql-bin-changelog.123456",
    "pos": 484,
    "row": 0,
    "thread": 7,
    "query": None,
}


def of_mysql(**fields: Any) -> Change:
    payload = {"before": None, "after": {"id": 1}, "source": MYSQL_SOURCE, "op": "c", "ts_ms": 1, **fields}
    found = read_debezium(b'{"id":1}', json.dumps(payload).encode(), epoch=EPOCH, offset=8)
    assert isinstance(found, list)
    return found[0]


def test_a_change_of_mysql_is_read_alike() -> None:
    """MySQL's block of the source, with its form of GTID and a hosted server's name of the log file, is read too."""
    change = of_mysql(transaction={"id": "6f1f3b1a:42", "total_order": 3, "data_collection_order": 1})
    assert (change.table, change.key, change.row) == ("inventory.customers", (1,), {"id": 1})
    assert change.version == Version(EPOCH, (123456 << 32) + 484, 3)
    assert change.committed_at == 1465491411.815


@pytest.mark.parametrize(("offset", "row"), [(0, 1), (8, 9), (2**32 - 2, 2**32 - 1), (2**32 - 1, 1), (2**40, 1)])
def test_an_offset_of_any_size_fits_and_is_never_that_of_a_snapshot(offset: int, row: int) -> None:
    """Without transactions the row of a version is the offset's lower bits, and never 0, which is the snapshot's."""
    payload = {"before": None, "after": {"id": 1}, "source": MYSQL_SOURCE, "op": "c", "ts_ms": 1}
    found = read_debezium(b'{"id":1}', json.dumps(payload).encode(), epoch=0, offset=offset)
    assert isinstance(found, list)
    assert found[0].version.row == row


@pytest.mark.parametrize("of_snapshot", ["first", "true", "last_in_data_collection", "last", "incremental"])
def test_every_kind_of_snapshot_is_one(of_snapshot: str) -> None:
    """What a snapshot read, at the start or later by chunks, is below every change at its position."""
    read = of_mysql(op="r", source=MYSQL_SOURCE | {"snapshot": of_snapshot, "gtid": None, "server_id": 0})
    assert (read.origin, read.version.row) == ("snapshot", 0)
    assert read.version < of_mysql().version


@pytest.mark.parametrize(
    ("fields", "reason"),
    [
        ({"connector": "postgresql"}, "postgresql, whose positions are not understood"),
        ({"op": "x"}, "operation 'x' is not known"),
        ({"file": "log"}, "'log' is no name of a log file"),
        ({"pos": 1 << 32}, "beyond what a log file can hold"),
        ({"after": None}, "a row was expected"),
        ({"pos": None}, "another form"),
    ],
)
def test_what_cannot_be_read_says_why(fields: dict[str, Any], reason: str) -> None:
    """A change that cannot be understood is an error with the reason, and never a guess."""
    with pytest.raises(ChangeUnreadable, match=reason):
        _ = reworded(of_topic("off.shop.types")[4], **fields).read()


@pytest.mark.parametrize(
    ("value", "reason"),
    [
        (b"\x00\x00\x00\x00\x01\x02", "no JSON"),
        (b'{"id": 1, "total": 5}', "no change event of Debezium: it has id, total"),
        (b"17", "no change event of Debezium: it is 17"),
        (b'{"schema":{"type":"string","optional":true},"payload":"x"}', "it is 'x'"),
        (b'{"op":"c"}', "another form: KeyError"),
    ],
)
def test_what_is_no_message_of_debezium_says_so(value: bytes, reason: str) -> None:
    """Another format, or a row without its envelope, is an error that says what would be right."""
    with pytest.raises(ChangeUnreadable, match=rf"{reason}(?s:.)*next: "):
        _ = read_debezium(b'{"id":1}', value, epoch=0, offset=0)


def test_a_value_that_is_not_of_its_type_names_the_column() -> None:
    """A value that its schema does not allow is an error with the column's name."""
    message = of_topic("on.shop.types")[0]
    assert message.value is not None
    broken = message.value.replace(b'"c_decimal":"AKtUqYzrHwrT"', b'"c_decimal":"?"')
    assert broken != message.value
    with pytest.raises(ChangeUnreadable, match="column c_decimal"):
        _ = read_debezium(message.key, broken, epoch=0, offset=0)


def test_a_text_that_looks_like_the_cut_is_read_whole() -> None:
    """A text in a schema that looks like the place between schema and content does not mislead."""
    field = {"type": "string", "field": "a", "doc": 'x","payload":'}
    value = json.dumps(
        {"schema": {"type": "struct", "fields": [field]}, "payload": {"ts_ms": 5}}, separators=(",", ":")
    )
    assert read_debezium(None, value.encode(), epoch=0, offset=0) == NoChange(Kind.HEARTBEAT, at=0.005)
    sneaky = '{"schema":{"type":"struct","fields":[],"parameters":{"a":"b","payload":"c"}},"payload":{"ts_ms":5}}'
    assert read_debezium(None, sneaky.encode(), epoch=0, offset=0) == NoChange(Kind.HEARTBEAT, at=0.005)
