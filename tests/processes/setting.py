"""What the programs of these tests share: the migration, a client of it, and what was acknowledged."""

from __future__ import annotations

import os
import threading
from pathlib import Path
from typing import Any, Final

import boto3.session

from crossfade import Migration, Router, Table, attach
from crossfade.mapping import rename, suffix

NAME: Final = "CROSSFADE_TEST_MIGRATION"


def migration() -> Migration:
    """Return the one that the fixture `world` has started."""
    unique = os.environ[NAME]
    return Migration(
        name=f"orders-{unique}",
        source=Table(f"orders-{unique}", key={"customer": "S", "order": "S"}),
        target=Table(f"orders-v2-{unique}", key={"customer": "S", "order": "S"}),
        mapping=[suffix("customer", count=4, by="order"), rename("amount", "total")],
        control_table=f"control-{unique}",
    )


def attached(client_or_session: Any, **options: Any) -> Router:
    """Attach with short times, so that a process which left no word is counted out soon."""
    return attach(client_or_session, migration(), lease_seconds=1.0, poll_seconds=0.2, landing_seconds=0.5, **options)


class Writer:
    """A client of boto3 that is attached, and writes what it notes down when it is acknowledged."""

    def __init__(self) -> None:
        session: Any = boto3.session.Session()
        self.client: Any = session.client("dynamodb")
        self.router: Router = attached(self.client)
        self.journal = Journal(os.environ["JOURNAL"])

    def write(self, order: str) -> None:
        self.client.put_item(TableName=self.router.migration.source.name, Item=item(order))
        self.journal.note(order)


class Writers:
    """One of a process, made when it is first asked for; a fork has its parent's."""

    def __init__(self) -> None:
        self.made: list[Writer] = []
        self._lock = threading.Lock()

    def one(self) -> Writer:
        with self._lock:
            if not self.made:
                self.made.append(Writer())
        return self.made[0]


def item(order: str) -> dict[str, Any]:
    return {"customer": {"S": "c"}, "order": {"S": order}, "amount": {"N": "1"}}


class Journal:
    """A file that several processes append to, an order a line."""

    def __init__(self, path: str) -> None:
        self.path = Path(path)

    def note(self, order: str) -> None:
        with self.path.open("a", encoding="utf-8") as file:
            _ = file.write(f"{order}\n")

    def orders(self) -> list[str]:
        return self.path.read_text(encoding="utf-8").splitlines() if self.path.exists() else []
