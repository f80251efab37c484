"""The shop's web service: as many processes as one likes.

    python -m examples.mysql_to_dynamodb.service PORT HELD [LEASE_SECONDS]

    GET    /customers/3            GET /orders/17        GET /pages/17: the order, perhaps of a moment ago
    PATCH  /customers/3            PATCH /orders/17      {"seen": 2, "name": ...} or {"seen": 2, "lines": [...]}
    PUT    /orders/17              {"customer": 3, "lines": [...]}
    DELETE /orders/17              {"customer": 3, "seen": 2}

204: written. 409: not as it was seen any more. 503: not written, try again. 500: perhaps written. How long each write
took that was begun while writes were held goes to the file HELD.
"""

from __future__ import annotations

import json
import sys
import threading
import time
from collections.abc import Callable
from decimal import Decimal
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any, cast

from crossfade.core.stages import FREEZE, Stage
from crossfade.errors import Held
from examples.mysql_to_dynamodb.behind import shop_switch
from examples.mysql_to_dynamodb.shop import Shop, Stale
from examples.play import Journal, Stop, plain

Answer = tuple[int, Any]


def read(shop: Shop, kind: str, number: int) -> Answer:
    find = {"customers": shop.find_customer, "orders": shop.find_order, "pages": shop.show_order}[kind]
    found = find(number)
    return (404, None) if found is None else (200, plain(found))


def write(shop: Shop, method: str, kind: str, number: int, body: dict[str, Any]) -> Answer:
    match method, kind:
        case "PATCH", "customers":
            shop.rename(number, body["name"], body["seen"])
        case "PATCH", "orders":
            shop.change(number, body["lines"], body["seen"])
        case "PUT", "orders":
            shop.place(number, body["customer"], body["lines"])
        case "DELETE", "orders":
            shop.cancel(number, body["customer"], body["seen"])
        case _:
            return 405, f"no {method} of {kind}"
    return 204, None


class Timed:
    """Of writes that were begun while writes were held: how long they took, waiting and all."""

    def __init__(self, stage: Callable[[], Stage], journal: Journal) -> None:
        self._stage = stage
        self._journal = journal
        self._lock = threading.Lock()

    def __call__(self, carry_out: Callable[[], Answer]) -> Answer:
        began, held = time.monotonic(), FREEZE[self._stage()].holds
        outcome = "failed"
        try:
            answer = carry_out()
            outcome = "written"
        except Held:
            held, outcome = True, "held"
            raise
        finally:
            if held:
                with self._lock:
                    self._journal.write(outcome, round(time.monotonic() - began, 3))
        return answer


def handler_of(shop: Shop, timed: Timed) -> type[BaseHTTPRequestHandler]:
    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def respond(self) -> None:
            _, kind, number = self.path.split("/")
            length = int(self.headers.get("Content-Length", 0))
            body = json.loads(self.rfile.read(length) or b"{}", parse_float=Decimal)
            method = self.command

            def carry_out() -> Answer:
                if method == "GET":
                    return read(shop, kind, int(number))
                return write(shop, method, kind, int(number), body)

            try:
                status, shown = carry_out() if method == "GET" else timed(carry_out)
            except Stale:
                status, shown = 409, "it is not as it was seen"
            except Held as error:
                status, shown = 503, str(error)
            except Exception as error:  # noqa: BLE001 - the answer says so
                status, shown = 500, f"{type(error).__name__}: {error}"
            self.answer(status, shown)

        def answer(self, status: int, shown: Any) -> None:
            content = b"" if status == 204 else json.dumps(shown).encode()
            self.send_response(status)
            if status != 204:
                self.send_header("Content-Length", str(len(content)))
            self.end_headers()
            self.wfile.write(content)

        do_GET = do_PUT = do_PATCH = do_DELETE = respond  # noqa: N815 - as http.server calls them

        def log_request(self, code: int | str = "-", size: int | str = "-") -> None:
            """Nothing: the buyers keep the journals."""

    return Handler


def main(port: int, held: str, options: dict[str, float]) -> None:
    stop = Stop()
    with shop_switch(**options) as switch, Journal(held) as journal:
        handler = handler_of(cast("Shop", switch), Timed(lambda: switch.stage, journal))
        server = ThreadingHTTPServer(("127.0.0.1", port), handler)
        threading.Thread(target=server.serve_forever, daemon=True).start()
        Path(held).with_suffix(".up").write_text("up")
        while not stop.wait(3600):
            pass
        server.shutdown()
        server.server_close()
        counts = switch.counts()
    compared = {name.partition(".")[2]: count for name, count in counts.items() if name.startswith("compare.")}
    told = ", ".join(f"{count:,} {name}" for name, count in compared.items()) or "none"
    print(f"reads compared: {told}; {counts.get('mirror_failed', 0):,} mirrors repeated")


if __name__ == "__main__":
    lease = {"lease_seconds": float(sys.argv[3]), "landing_seconds": float(sys.argv[3])} if sys.argv[3:] else {}
    main(int(sys.argv[1]), sys.argv[2], lease)
