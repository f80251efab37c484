"""A buyer at work: places, changes and cancels orders, renames customers, and looks at each of them before and after.

    python -m examples.mysql_to_dynamodb.buyer JOURNAL FIRST ORDERS PORT...

Every second customer from FIRST (0 or 1), and its orders, is this buyer's: nobody else writes it. Each acknowledged
write is written down, with what there then is. Ends with status 1 when a read showed anything else. It may be ended and
started again: it goes on from its journal.
"""

from __future__ import annotations

import http.client
import json
import random
import sys
import time
from itertools import cycle
from pathlib import Path
from typing import Any

from examples.mysql_to_dynamodb.goods import SKUS, customer_of, customers_of, line, seeded
from examples.mysql_to_dynamodb.shop import Entity, path_of
from examples.play import Journal, Stop, last_written, plain

PAUSE_SECONDS = 0.15
AGAIN_SECONDS = 0.3
PATIENCE_SECONDS = 90.0  # longer than a process takes to be started again on a busy machine
SILENT = 0  # in place of a status: no answer came, so nobody knows what was done


class Wrong(Exception):
    """A read showed what nobody had written."""


class Service:
    """Several processes, each of which is asked in its turn."""

    def __init__(self, ports: list[int]) -> None:
        self._connections = cycle(http.client.HTTPConnection("127.0.0.1", port, timeout=60) for port in ports)

    def ask(self, method: str, path: str, body: Entity | None = None) -> tuple[int, Any]:
        connection = next(self._connections)
        try:
            connection.request(method, path, None if body is None else json.dumps(plain(body)))
            answer = connection.getresponse()
            content = answer.read()
        except (OSError, http.client.HTTPException):
            connection.close()  # the next request opens it again
            return SILENT, None
        return answer.status, json.loads(content) if content else None


class Buyer:
    def __init__(self, service: Service, journal: Journal, first: int, orders: int, written: dict[str, Any]) -> None:
        self._service = service
        self._journal = journal
        self._chance = random.Random(f"{first} {len(written)}")
        self._orders = orders
        self._customers = range(first, customers_of(orders), 2)
        self._numbers = range(first, orders + orders // 2, 2)  # the last third is not there yet
        self._known: dict[str, Any] = {path_of(key): plain(one) for key, one in seeded(orders).items()} | written
        self.writes = 0
        self.unsure = 0

    def work(self) -> None:
        """Raises Wrong."""
        if self._chance.random() < 0.15:
            self._rename(self._chance.choice(self._customers))
            return
        number = self._chance.choice(self._numbers)
        order = self._known.get(f"/orders/{number}")
        if order is None:
            self._place(number)
        elif self._chance.random() < 0.7:
            self._change(number, order)
        else:
            self._cancel(number, order)

    # --- the four writes

    def _rename(self, number: int) -> None:
        customer = self._known[f"/customers/{number}"]
        name = f"Customer {number}, {self._chance.choice(('Ms', 'Mr', 'Dr'))} {customer['revision']}"
        after = customer | {"name": name, "revision": customer["revision"] + 1}
        self._write("PATCH", f"/customers/{number}", {"name": name, "seen": customer["revision"]}, after)

    def _place(self, number: int) -> None:
        customer, lines = customer_of(number, self._orders), self._lines()
        after = {"customer": customer, "revision": 1, "lines": lines}
        self._write("PUT", f"/orders/{number}", {"customer": customer, "lines": lines}, after)
        self._count(customer, 1)

    def _change(self, number: int, order: Entity) -> None:
        lines = self._lines()
        after = order | {"lines": lines, "revision": order["revision"] + 1}
        self._write("PATCH", f"/orders/{number}", {"lines": lines, "seen": order["revision"]}, after)

    def _cancel(self, number: int, order: Entity) -> None:
        body = {"customer": order["customer"], "seen": order["revision"]}
        self._write("DELETE", f"/orders/{number}", body, None)
        self._count(order["customer"], -1)

    def _lines(self) -> list[Entity]:
        skus = self._chance.sample(SKUS, self._chance.randint(1, 3))
        return [plain(line(sku, self._chance.randint(1, 9))) for sku in skus]

    def _count(self, customer: int, change: int) -> None:
        """It was written together with the order."""
        path = f"/customers/{customer}"
        before = self._known[path]
        self._acknowledged(path, before | {"orders": before["orders"] + change})
        self._look(path)

    # --- writing and reading

    def _write(self, method: str, path: str, body: Entity, after: Entity | None) -> None:
        """Until it is carried out. Where that is not known, a look at it tells."""
        before = self._look(path)
        until = time.monotonic() + PATIENCE_SECONDS
        while self._service.ask(method, path, body)[0] != 204:
            self.unsure += 1
            time.sleep(AGAIN_SECONDS)
            seen = self._read(path)
            if seen == after:
                break
            if seen != before:
                raise Wrong(f"{path}: {before} or {after} was to be expected, and read {seen}")
            if time.monotonic() > until:
                raise Wrong(f"{path}: could not be written for {PATIENCE_SECONDS:.0f} s")
        self._acknowledged(path, after)
        self.writes += 1
        self._look(path)
        if path.startswith("/orders"):
            self._read(path.replace("orders", "pages"))  # it may be a moment old: what it shows is nothing to rely on

    def _acknowledged(self, path: str, after: Entity | None) -> None:
        self._journal.write(path, after)
        self._known[path] = after

    def _look(self, path: str) -> Any:
        """It must be what was written last."""
        seen = self._read(path)
        if seen != self._known.get(path):
            raise Wrong(f"{path}: wrote {self._known.get(path)}, and read {seen}")
        return seen

    def _read(self, path: str) -> Any:
        until = time.monotonic() + PATIENCE_SECONDS
        while (answer := self._service.ask("GET", path))[0] not in (200, 404):
            if time.monotonic() > until:
                raise Wrong(f"{path}: could not be read for {PATIENCE_SECONDS:.0f} s: {answer}")
            time.sleep(AGAIN_SECONDS)
        return answer[1] if answer[0] == 200 else None


def main(file: str, first: int, orders: int, ports: list[int]) -> int:
    stop = Stop()
    written = last_written(Path(file)) if Path(file).exists() else {}
    with Journal(file) as journal:
        buyer = Buyer(Service(ports), journal, first, orders, written)
        while not stop.wait(PAUSE_SECONDS):
            try:
                buyer.work()
            except Wrong as wrong:
                print(f"wrong: {wrong}")
                return 1
    print(f"{buyer.writes:,} writes, each seen by the next read; {buyer.unsure} answers that said too little")
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1], int(sys.argv[2]), int(sys.argv[3]), [int(port) for port in sys.argv[4:]]))
