"""A small shop on plain tables, and journals made by hand, to be damaged one way at a time."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest

from crossfade.demo.comparing import STAMP, suffix_of
from crossfade.demo.goods import SOURCE, TARGET, Key, Raw, key_of, number_in
from crossfade.demo.journal import Journal
from crossfade.demo.proving import Question, Verdict, prove
from crossfade.demo.seeding import create_table, fill
from crossfade.demo.wire import Wire, WireError
from tests.conftest import Database

ITEMS = 160
CART = key_of(number_in("cart", 0, 0))
INVOICE = key_of(number_in("invoice", 1, 6))
HOLD = key_of(number_in("hold", 2, 9))
NOTE = key_of(number_in("note", 3, 1))


@dataclass
class Doctored:
    """Two tables that agree, and a journal: every test changes something and asks for the verdict."""

    wire: Wire
    endpoint_url: str
    folder: Path
    time: float = 100.0
    alone_since: float | None = None
    authority: str = TARGET
    _count: int = 0
    _journal: Journal = field(init=False)

    def __post_init__(self) -> None:
        self._journal = Journal(self.folder / "a.jsonl")

    def journaled(
        self, operation: str, key: Key, outcome: str | None = "ok", begun: float | None = None, **facts: Any
    ) -> str:
        """Write an intent and, unless None, its outcome down; time goes on by a second. The token."""
        self._count += 1
        token = f"t{self._count}"
        begun = self.time if begun is None else begun
        named = {name: value for name, value in facts.items() if name in ("v", "w")}
        answered = {name: value for name, value in facts.items() if name in ("n", "e")}
        self._journal.write({"i": token, "t": begun, "o": operation, "c": key.customer, "d": key.document} | named)
        if outcome is not None:
            self._journal.write({"i": token, "t": max(begun, self.time) + 0.5, "r": outcome} | answered)
        self.time += 1.0
        return token

    def read(self, key: Key, seen: list[Any] | None) -> None:
        """Write a strongly consistent read down."""
        entry = {"o": "get", "b": self.time, "t": self.time + 0.5, "c": key.customer, "d": key.document, "s": True}
        self._journal.write(entry | {"x": seen})
        self.time += 1.0

    def page(self, **entry: Any) -> None:
        self._journal.write({"o": "query", "b": self.time, "t": self.time + 0.5, "a": True, "p": False} | entry)

    # --- tables

    def get(self, key: Key) -> Raw:
        found: Raw = self.wire.ask("GetItem", {"TableName": SOURCE, "Key": key.raw})["Item"]
        return found

    def put(self, item: Raw, *tables: str) -> None:
        """Into both tables, or those named."""
        for table in tables or (SOURCE, TARGET):
            stored = item if table == SOURCE else new_form(item)
            _ = self.wire.ask("PutItem", {"TableName": table, "Item": stored})

    def change(self, key: Key, *tables: str, **attributes: Any) -> None:
        self.put(self.get(key) | attributes, *tables)

    def delete(self, key: Key, *tables: str) -> None:
        for table in tables or (SOURCE, TARGET):
            partition = key.customer if table == SOURCE else f"{key.customer}#{suffix_of(key.document)}"
            stored = {"customer": {"S": partition}, "document": {"S": key.document}}
            _ = self.wire.ask("DeleteItem", {"TableName": table, "Key": stored})

    def verdict(self) -> Verdict:
        journals = (self.folder / "a.jsonl",)
        return prove(Question(self.endpoint_url, ITEMS, journals, self.authority, self.alone_since))


def new_form(item: Raw) -> Raw:
    """An item as the new table holds it; said once more, by hand."""
    detail = dict(item["detail"]["M"])
    document = item["document"]["S"]
    moved: Raw = {
        "customer": {"S": f"{item['customer']['S']}#{suffix_of(document)}"},
        "status": detail.pop("status"),
        "detail": {"M": detail},
        "amount": {"N": item["amount"]["S"]},
        STAMP: {"S": "stamp"},
    }
    return item | moved


@pytest.fixture
def shop(dynamodb: Database, tmp_path: Path) -> Iterator[Doctored]:
    """A shop whose tables agree and whose journal is empty."""
    wire = Wire(dynamodb.endpoint_url)
    for table in (SOURCE, TARGET):
        drop(wire, table)
        create_table(wire, table)
    _ = fill(dynamodb.endpoint_url, SOURCE, ITEMS, lambda _: None)
    for page in wire.pages("Scan", {"TableName": SOURCE}):
        for item in page["Items"]:
            _ = wire.ask("PutItem", {"TableName": TARGET, "Item": new_form(item)})
    yield Doctored(wire, dynamodb.endpoint_url, tmp_path)
    for table in (SOURCE, TARGET):
        drop(wire, table)
    wire.close()


def drop(wire: Wire, table: str) -> None:
    try:
        _ = wire.ask("DeleteTable", {"TableName": table})
    except WireError as error:
        if error.code != "ResourceNotFoundException":
            raise


Doctor = Callable[[Doctored], None]
