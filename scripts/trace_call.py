"""What a call goes through in crossfade, in the caller's thread, from the call to the wire and back.

    python -m scripts.trace_call > docs/request.md     function by function, a call for each plan
    python -m scripts.trace_call --count               functions entered, files, and changes of file

Each call is made on the embedded engine, by a client of boto3 that is attached; the one that is traced is the second,
so that what is kept is kept. A mapping's own small functions, and those of generators that go on, are left out.
"""

from __future__ import annotations

import argparse
import sys
import time
from collections.abc import Callable, Generator
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from itertools import groupby, pairwise
from pathlib import Path
from types import FrameType
from typing import Any, Final

import botocore.session

import crossfade
from crossfade import Migration, Router, Table, attach
from crossfade.control.record_items import to_item
from crossfade.control.records import State
from crossfade.core.stages import DUAL_WRITE, Stage
from crossfade.local import LocalEngine
from crossfade.mapping import convert, suffix, text_to_number

ROOT: Final = Path(crossfade.__file__).parent
SOURCE: Final = "orders"
TARGET: Final = "orders-v2"
AT: Final = "2026-01-01T00:00:00Z"
LEFT_OUT: Final = ("core/mapping/", "core/items.py", "core/expressions/")  # small parts, many times over
KEY: Final[dict[str, Any]] = {"pk": "S", "sk": "S"}
ITEM: Final[dict[str, Any]] = {"pk": {"S": "p"}, "sk": {"S": "s"}, "n": {"N": "1"}, "price": {"S": "7"}}
BEFORE_SEND: Final = "before-send.dynamodb"
WAIT_SECONDS_MAX: Final = 20.0
UPDATE: Final[dict[str, Any]] = {
    "UpdateExpression": "ADD n :n",
    "ConditionExpression": "price = :price",
    "ExpressionAttributeValues": {":n": {"N": "1"}, ":price": {"S": "7"}},
}


@dataclass(frozen=True, slots=True)
class Case:
    """A call in a stage, and the plan that it is to have."""

    operation: str
    stage: Stage
    plan: str
    more: dict[str, Any] = field(default_factory=dict[str, Any])


CASES: Final = (
    Case("PutItem", Stage.OFF, "PassThrough"),
    Case("PutItem", Stage.DUALWRITE, "ReplyThenMirror"),
    Case("GetItem", Stage.SHADOW, "ReplyThenMirror"),
    Case("UpdateItem", Stage.LOCKSTEP_TARGET, "Run", UPDATE),
    Case("Query", Stage.LOCKSTEP_TARGET, "Run"),
    Case("UpdateItem", Stage.LIVE, "Run", UPDATE),
    Case("PutItem", Stage.COMPLETE, "Translate"),
)


class Tracer:
    """Functions of crossfade as one thread enters them. A generator that goes on is no other function."""

    def __init__(self) -> None:
        self.entered: list[tuple[str, str]] = []
        self.wire: list[int] = []  # how many functions had been entered when a request was sent by the caller's client
        self._frames: list[FrameType] = []  # kept, so that no other gets the identity of one
        self._seen: set[int] = set()

    def __call__(self, frame: FrameType, event: str, _argument: object) -> None:
        code = frame.f_code
        if event != "call" or not code.co_filename.startswith(f"{ROOT}/") or id(frame) in self._seen:
            return
        self._seen.add(id(frame))
        self._frames.append(frame)
        where, name = code.co_filename[len(str(ROOT)) + 1 :], code.co_qualname.replace(".<locals>", "")
        if not (where.startswith(LEFT_OUT) or name.rpartition(".")[2].startswith(("<", "__"))):
            self.entered.append((where, name))

    def sent(self, request: object, **_: object) -> None:
        """A handler of `before-send`, the last event before the wire."""
        del request
        self.wire.append(len(self.entered))

    @contextmanager
    def watching(self) -> Generator[None]:
        sys.setprofile(self)
        try:
            yield
        finally:
            sys.setprofile(None)


@dataclass(frozen=True, slots=True)
class Way:
    """What a call went through."""

    functions: list[tuple[str, str]]
    wire: list[int]

    @property
    def files(self) -> int:
        return len({where for where, _ in self.functions})

    @property
    def changes(self) -> int:
        """How often the next function is in another file than the one before."""
        places = [where for where, _ in self.functions]
        return sum(left != right for left, right in pairwise(places))


class Bench:
    """An attached client in one stage after another."""

    def __init__(self, endpoint: dict[str, Any]) -> None:
        self.migration = Migration(
            name="traced",
            source=Table(SOURCE, key=KEY),
            target=Table(TARGET, key=KEY),
            mapping=[suffix("pk", count=4, by="sk"), convert("price", text_to_number)],
        )
        session: Any = botocore.session.Session()
        self.plain = session.create_client("dynamodb", **endpoint)
        for table in (self.migration.source.name, self.migration.target.name):
            make_table(self.plain, table, KEY)
        make_table(self.plain, self.migration.control_table, {"migration": "S", "record": "S"})
        self._state = State(
            stage=Stage.OFF, epoch=1, ramp_percent=0, strategy=self.migration.strategy, source=SOURCE, target=TARGET,
            fingerprint=self.migration.compiled.fingerprint, unclean=0, journal_length=1, started_at=AT, changed_at=AT,
        )  # fmt: skip
        self._put_state()
        self.client = session.create_client("dynamodb", **endpoint)
        self.router: Router = attach(self.client, self.migration, poll_seconds=0.02)

    def close(self) -> None:
        _ = self.router.detach()

    def enter(self, stage: Stage) -> None:
        order = list(DUAL_WRITE)
        while self._state.stage is not stage:
            nearer = order[order.index(self._state.stage) + 1]
            self._state = replace(self._state, stage=nearer, epoch=self._state.epoch + 1)
            self._put_state()
            wait_for(lambda: self.router.agent.acknowledged == self._state.epoch)

    def call(self, case: Case) -> Way:
        """Make the call twice, and trace the second."""
        make = self._made(case)
        _ = make()
        wait_for(lambda: self.router.pending == 0)
        tracer = Tracer()
        self.client.meta.events.register(BEFORE_SEND, tracer.sent)
        with tracer.watching():
            _ = make()
        self.client.meta.events.unregister(BEFORE_SEND, tracer.sent)
        return Way(tracer.entered, tracer.wire)

    def _made(self, case: Case) -> Callable[[], Any]:
        request: dict[str, Any] = {"TableName": self.migration.source.name, **case.more}
        match case.operation:
            case "PutItem":
                return lambda: self.client.put_item(**request, Item=ITEM)
            case "GetItem":
                return lambda: self.client.get_item(**request, Key=KEY_OF_ITEM)
            case "Query":
                condition = {"KeyConditionExpression": "pk = :p", "ExpressionAttributeValues": {":p": ITEM["pk"]}}
                return lambda: self.client.query(**request, **condition)
            case _:
                return lambda: self.client.update_item(**request, Key=KEY_OF_ITEM)

    def _put_state(self) -> None:
        self.plain.put_item(TableName=self.migration.control_table, Item=to_item(self.migration.name, self._state))


KEY_OF_ITEM: Final = {name: ITEM[name] for name in KEY}


def make_table(client: Any, name: str, key: dict[str, Any]) -> None:
    kinds = ("HASH", "RANGE")
    client.create_table(
        TableName=name,
        BillingMode="PAY_PER_REQUEST",
        AttributeDefinitions=[{"AttributeName": part, "AttributeType": kind} for part, kind in key.items()],
        KeySchema=[{"AttributeName": part, "KeyType": kind} for part, kind in zip(key, kinds, strict=False)],
    )


def wait_for(condition: Callable[[], bool]) -> None:
    until = time.monotonic() + WAIT_SECONDS_MAX
    while not condition():
        if time.monotonic() > until:
            raise TimeoutError("the stage was not entered, or what follows a call did not end")
        time.sleep(0.005)


def traces(endpoint: dict[str, Any]) -> list[tuple[Case, Way]]:
    bench = Bench(endpoint)
    found: list[tuple[Case, Way]] = []
    try:
        for case in CASES:
            bench.enter(case.stage)
            found.append((case, bench.call(case)))
    finally:
        bench.close()
    return found


def counted(found: list[tuple[Case, Way]]) -> str:
    lines = ["| call | plan | functions | files | changes of file |", "|---|---|---|---|---|"]
    for case, way in found:
        lines.append(
            f"| {case.operation} in `{case.stage}` | {case.plan} | {len(way.functions)} | {way.files} | {way.changes} |"
        )
    return "\n".join(lines)


def page(found: list[tuple[Case, Way]]) -> str:
    """The document: for each call, what is entered file by file, in order."""
    lines = [HEAD]
    shown = {case.plan: (case, way) for case, way in reversed(found)}  # the first of each plan
    for case, way in reversed(shown.values()):
        lines += [f"## {case.operation} in `{case.stage}`: {case.plan}", ""]
        for part, (begin, end) in enumerate(pairwise([0, *way.wire, len(way.functions)])):
            if part:
                lines += ["", "the request is sent, and answered", ""]
            for where, entered in groupby(way.functions[begin:end], key=lambda one: one[0]):
                lines.append(f"* `{where}`: {', '.join(dict.fromkeys(name for _, name in entered))}")
        lines.append("")
    return "\n".join(lines)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    _ = parser.add_argument("--count", action="store_true", help="a line a call")
    is_counted: bool = parser.parse_args().count
    with LocalEngine.start() as server:
        found = traces(dict(server.client_options()))
    print(counted(found) if is_counted else page(found))


HEAD: Final = """# The way of a request

What becomes of a request is one of four plans (`core/plan.py`), made once, before anything is sent:

* `PassThrough`: it goes out as it is, and nothing follows its reply.
* `ReplyThenMirror`: it goes out as it is and its reply is the caller's as it comes; then its routine runs, told the
  reply, for what it leaves for later: a mirror, or a comparison.
* `Translate`: it goes to the other table in that table's form, and its reply comes back in the caller's.
* `Run`: its routine carries it out (`core/routing.py` says which one).

The router's hooks carry plans out on botocore's events, the simulator on its network, by the same code
(`aws/operation.py`). Below is one call of each plan, function by function, in the caller's thread, of the strategy
dual-write and a caller of the source; what the mapping and the expressions are made of is left out. A read that passes
through and may be eventually consistent goes as PutItem in `off` does, and ends where its plan is known. This page is
printed by `scripts/trace_call.py`, and a test holds it to that.
"""

if __name__ == "__main__":
    main()
