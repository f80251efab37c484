"""What the shop's users do: mostly with the large customer, and in bursts with a few documents at a time.

Again and again other documents are hot, the same ones for all processes. So writers meet on one document from several
processes, and most documents are left alone after their burst: what a migration got wrong in it stays to be found.
"""

from __future__ import annotations

import math
import random
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, cast

from botocore.exceptions import ClientError

from crossfade.core.request.error_codes import PASSING
from crossfade.demo.goods import BLOCK, KINDS, Key, Kind, blocks_of_a_kind, key_of, number_in
from crossfade.demo.journal import Entry, Journal
from crossfade.demo.shop import Document, Shop

SLOT_SECONDS = 0.5  # how long the same documents are hot
SLOT_SECONDS_BURSTS = 0.25
HOT_DOCUMENTS = 2  # of each kind; in bursts one, and mostly writes
HOT_SHARE = 0.7
HOT_SHARE_BURSTS = 0.9
FRESH_SHARE = 0.25  # of the hot holds, those that are not there at the beginning
BEHIND_SECONDS_MAX = 0.5  # what could not be done in time is not made up for
PAGE_LIMIT = 10
PAGES_MAX = 2
ATTEMPTS_MAX = 3
READS = {"look_up": 38, "browse": 4}
READS_BURSTS = {"look_up": 12, "browse": 2}
WRITES = {"cart": 18, "invoice": 16, "hold": 12, "note": 12}


@dataclass(frozen=True, slots=True)
class Plan:
    """How much each does: `rate` is in actions a second, of one thread. `bursts`: four times a second everybody does at
    once what they would have done until the next time; that is no way to measure how long it takes."""

    name: str
    items: int
    seed: int
    rate: float
    bursts: bool = False


class User:
    """One thread's worth of the shop's traffic, written down in the journal."""

    def __init__(self, shop: Shop, journal: Journal, plan: Plan, thread: int, stop: threading.Event) -> None:
        self._shop = shop
        self._journal = journal
        self._plan = plan
        self._stop = stop
        self._prefix = f"{plan.name}.{thread}"
        self._chance = random.Random(f"{plan.seed}.{self._prefix}")  # noqa: S311 - traffic, not a secret
        self._written = 0
        self._slot_seconds = SLOT_SECONDS_BURSTS if plan.bursts else SLOT_SECONDS
        self._hot_share = HOT_SHARE_BURSTS if plan.bursts else HOT_SHARE
        self._hot_documents = 1 if plan.bursts else HOT_DOCUMENTS

    def run(self) -> None:
        """Until told to stop."""
        due = time.monotonic()
        reads = READS_BURSTS if self._plan.bursts else READS
        actions, weights = zip(*(reads | WRITES).items(), strict=True)
        while not self._stop.is_set():
            self._act(self._chance.choices(actions, weights)[0])
            due = max(due + self._chance.expovariate(self._plan.rate), time.monotonic() - BEHIND_SECONDS_MAX)
            at = math.floor(due / self._slot_seconds) * self._slot_seconds if self._plan.bursts else due
            _ = self._stop.wait(max(0.0, at - time.monotonic()))

    def _act(self, action: str) -> None:
        match action:
            case "look_up":
                _ = self._look_up(self._draw(self._chance.choice(KINDS)), strongly=self._chance.random() < 0.5)
            case "browse":
                self._browse()
            case "cart":
                key = self._draw("cart")
                self._write("append", key, lambda token: self._shop.append(key, token))
            case "invoice":
                self._revise(self._draw("invoice"))
            case "hold":
                self._hold(self._draw("hold"))
            case _:
                self._note(self._draw("note"))

    # --- which document

    def _draw(self, kind: Kind) -> Key:
        blocks = blocks_of_a_kind(self._plan.items)
        if self._chance.random() < self._hot_share:
            slot = int(time.monotonic() / self._slot_seconds)
            which = random.Random(f"{self._plan.seed}.{slot}.{kind}.{self._chance.randrange(self._hot_documents)}")  # noqa: S311
        else:
            which = self._chance
        block = which.randrange(blocks)
        if kind == "hold" and which.random() < FRESH_SHARE:
            block = blocks + 1 + which.randrange(max(1, blocks // 8))
        return key_of(number_in(kind, block, which.randrange(BLOCK)))

    # --- reads

    def _look_up(self, key: Key, *, strongly: bool) -> Document | None:
        entry: Entry = {"o": "get", "b": time.monotonic(), "c": key.customer, "d": key.document, "s": strongly}
        found: Document | None = None
        try:
            found = self._shop.look_up(key, strongly=strongly)
            entry["x"] = found and [found["last"], int(found["version"]), int(found["count"]), found["amount"]]
        except Exception as error:  # noqa: BLE001 - whatever it is, it is written down
            entry["e"] = kind_of_error(error)
        self._journal.write(entry | {"t": time.monotonic()})
        return found

    def _browse(self) -> None:
        forward = self._chance.random() < 0.5
        around = self._draw(self._chance.choice(KINDS))
        open_only = self._chance.random() < 0.5
        after: Document | None = None
        for _ in range(PAGES_MAX):
            entry: Entry = {"o": "query", "b": time.monotonic(), "c": around.customer, "f": forward}
            entry["d"] = around.document if after is None else after["document"]
            entry["a"] = after is None  # whether the first document may itself be in the page
            try:
                found, after = self._shop.page(
                    around.customer,
                    after=after,
                    forward=forward,
                    limit=PAGE_LIMIT,
                    first=around.document,
                    open_only=open_only,
                )
                entry["x"] = [document["document"] for document in found]
                entry["p"] = open_only
                entry["m"] = after and after["document"]  # where the next page begins
            except Exception as error:  # noqa: BLE001
                entry["e"] = kind_of_error(error)
                after = None
            self._journal.write(entry | {"t": time.monotonic()})
            if after is None:
                return

    # --- writes

    def _revise(self, key: Key) -> None:
        seen = self._look_up(key, strongly=True)
        if seen is not None:
            version = int(seen["version"])
            self._write("revise", key, lambda token: self._shop.revise(key, version, token), {"v": version})

    def _hold(self, key: Key) -> None:
        match self._chance.choices(("reserve", "release", "cancel"), (5, 3, 2))[0]:
            case "reserve":
                self._write("reserve", key, lambda token: self._shop.reserve(key, token))
            case "release":
                seen = self._look_up(key, strongly=True)
                if seen is not None:
                    holder = str(seen["last"])
                    self._write("release", key, lambda _: self._shop.release(key, holder), {"w": holder})
            case _:
                self._write("cancel", key, lambda _: self._shop.cancel(key))

    def _note(self, key: Key) -> None:
        if self._chance.random() < 0.5:
            self._write("replace", key, lambda token: self._shop.replace(key, token))
        else:
            self._write("correct", key, lambda token: self._shop.correct(key, token))

    def _write(self, operation: str, key: Key, send: Callable[[str], Any], facts: Entry | None = None) -> None:
        """Write the intent down, send, write the outcome down; what was refused as busy is tried again as a new write.

        What may have been carried out is not repeated: an append would count twice.
        """
        for _ in range(ATTEMPTS_MAX):
            self._written += 1
            token = f"{self._prefix}.{self._written}"
            intent: Entry = {"i": token, "t": time.monotonic(), "o": operation, "c": key.customer, "d": key.document}
            self._journal.write(intent | (facts or {}))
            outcome: Entry = {"i": token}
            try:
                answer = send(token)
                outcome |= {"r": "ok"} | ({} if answer is None else {"n": answer})
            except Exception as error:  # noqa: BLE001 - whatever it is, it is written down
                outcome |= {"r": "no" if refused(error) else "unknown", "e": kind_of_error(error)}
            self._journal.write(outcome | {"t": time.monotonic()})
            if outcome["r"] != "no" or outcome["e"] not in PASSING:
                return
            _ = self._stop.wait(self._chance.uniform(0.02, 0.1))


def refused(error: Exception) -> bool:
    """Whether it is certain that nothing was written: DynamoDB answered, and said no."""
    if not isinstance(error, ClientError):
        return False
    response = cast("Entry", error.response)  # pyright: ignore[reportUnknownMemberType]
    return 400 <= int(response.get("ResponseMetadata", {}).get("HTTPStatusCode", 500)) < 500


def kind_of_error(error: Exception) -> str:
    """The code of DynamoDB's answer; what says that a request was wrong in itself is told in full."""
    if isinstance(error, ClientError):
        response = cast("Entry", error.response)  # pyright: ignore[reportUnknownMemberType]
        code = str(response.get("Error", {}).get("Code", "ClientError"))
        return f"{code}: {response['Error'].get('Message', '')}" if code == "ValidationException" else code
    return type(error).__name__
