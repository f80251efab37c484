"""Walks through a table and its indexes, page by page, while the table migrates: many at once, by clients that take
turns, and with cursors of which an application may have kept the key attributes alone.

What a walk has shown in the end is what the plain table shows of the same request: every entry once, its attributes
those of the plain table's, the sort values in their order. Items with equal sort values are many.
"""

from __future__ import annotations

import random
import time
import uuid
from collections import Counter
from collections.abc import Callable, Mapping
from contextlib import suppress
from dataclasses import dataclass, field
from typing import Any, Final, cast

from botocore.exceptions import ClientError

from crossfade import Index, Migration, NotPossibleInStage, Router, Table, attach
from crossfade.core.items import Item, canonical
from crossfade.core.mapping import Kind
from crossfade.core.pages.order import order_of
from crossfade.core.stages import LADDERS, Row, Side, Stage
from crossfade.demo.console import Console
from crossfade.demo.steering import Steering
from crossfade.errors import GateClosed
from crossfade.mapping import Piece, derive_key, rename, suffix
from crossfade.migration import Strategy
from tests.conftest import Database
from tests.core.wording import without_preamble
from tests.migrations import put_in_stage, schema

CLIENTS: Final = 3
PAGES_MAX: Final = 60  # of 24 items: a walk that takes more does not end
WAIT_SECONDS_MAX: Final = 20.0
PARTITIONS: Final = ("a", "b")
KINDS: Final = ("red", "blue")
KEY: Final[dict[str, Kind]] = {"pk": "S", "sk": "S"}
LOCAL: Final[dict[str, dict[str, Kind]]] = {name: {"pk": "S", "n": "N"} for name in ("l_all", "l_keys", "l_note")}
GLOBAL: Final[dict[str, dict[str, Kind]]] = {
    "g_all": {"kind": "S", "n": "N"},
    "g_keys": {"kind": "S"},
    "g_note": {"kind": "S", "n": "N"},
}
SEVERAL: Final = {"m_all": Index(partition={"kind": "S", "lot": "S"}, sort={"n": "N", "day": "N"})}
INDEXES: Final[dict[str, dict[str, Kind] | Index]] = {**LOCAL, **GLOBAL, **SEVERAL}
NAMESPACE: Final = "5f0d6b0e-6b0a-4f0e-9d8f-2f1f5c6f7a10"


@dataclass(frozen=True, slots=True)
class Model:
    """A mapping, and what the target calls the key and the indexed attributes."""

    pieces: tuple[Piece, ...]
    key: tuple[str, ...] = ("pk", "sk")
    names: tuple[tuple[str, str], ...] = ()
    local_stay_local: bool = True
    further: tuple[tuple[str, tuple[str, ...]], ...] = ()  # indexes of the target alone
    strategies: tuple[Strategy, ...] = ("dual-write", "copy-on-write")
    earlier: str = ""  # of a chain: the model of the migration to the source, which is complete


MODELS: Final[dict[str, Model]] = {
    "suffix": Model((suffix("pk", count=3, by="sk"),)),
    "renamed": Model(
        (rename("pk", "customer"), rename("sk", "number"), rename("n", "rank"), rename("note", "remark")),
        ("customer", "number"),
        (("pk", "customer"), ("sk", "number"), ("n", "rank"), ("note", "remark")),
    ),
    "rekeyed": Model(
        (derive_key("id", by=("pk", "sk"), namespace=NAMESPACE),),
        ("id",),
        local_stay_local=False,
        further=(("by_old_key_all", ("pk", "sk")),),
        strategies=("copy-on-write",),
    ),
    "chain": Model(
        (rename("n", "rank"), rename("note", "remark")), names=(("n", "rank"), ("note", "remark")), earlier="suffix"
    ),
    "chain-key": Model(
        (rename("n", "rank"), rename("note", "remark")),
        ("id",),
        (("n", "rank"), ("note", "remark")),
        local_stay_local=False,
        further=(("by_old_key_all", ("pk", "sk")),),
        strategies=("copy-on-write",),
        earlier="rekeyed",
    ),
}


def called(key: Mapping[str, Kind], names: Mapping[str, str]) -> dict[str, Kind]:
    return {names.get(each, each): kind for each, kind in key.items()}


def projection(index: str, names: dict[str, str]) -> dict[str, Any]:
    if index.endswith("_all"):
        return {"ProjectionType": "ALL"}
    if index.endswith("_keys"):
        return {"ProjectionType": "KEYS_ONLY"}
    return {"ProjectionType": "INCLUDE", "NonKeyAttributes": [names.get("note", "note")]}


def make(client: Any, table: Table, names: dict[str, str], *, local: bool) -> None:
    """With all indexes; those by the partition key are local ones, or global too."""
    kinds = dict(table.key)
    more: dict[str, list[Any]] = {}
    for index in table.indexes:
        declared = table.index(index)
        assert declared is not None
        kinds |= declared.kinds
        kind = "LocalSecondaryIndexes" if index in LOCAL and local else "GlobalSecondaryIndexes"
        roles = [(name, "HASH") for name in declared.partition] + [(name, "RANGE") for name in declared.sort]
        key = [{"AttributeName": name, "KeyType": role} for name, role in roles]
        made = {"IndexName": index, "KeySchema": key, "Projection": projection(index, names)}
        more.setdefault(kind, []).append(made)
    client.create_table(
        TableName=table.name,
        BillingMode="PAY_PER_REQUEST",
        AttributeDefinitions=[{"AttributeName": name, "AttributeType": kind} for name, kind in kinds.items()],
        KeySchema=schema(table.key),
        **more,
    )


@dataclass(slots=True)
class Walk:
    """One that is under way. `cut`: its cursors are cut down to the key attributes."""

    operation: str
    request: dict[str, Any]
    cut: bool
    items: list[Item] = field(default_factory=list[Item])
    counted: int = 0
    pages: int = 0
    stages: list[Stage] = field(default_factory=list[Stage])

    @property
    def index(self) -> str | None:
        return self.request.get("IndexName")

    def __str__(self) -> str:
        return f"{self.operation} {self.request} {'cut ' if self.cut else ''}in {'-'.join(self.stages)}"


class Walking:
    """One migration, or a chain, with its plain table, and the walks through both. `seed` decides everything."""

    def __init__(self, dynamodb: Database, strategy: Strategy, name: str, seed: int) -> None:
        self.random = random.Random(f"{strategy} {name} {seed}")
        self.strategy: Strategy = strategy
        self.model = MODELS[name]
        self.ladder = tuple(LADDERS[strategy])
        self.stage = Stage.OFF
        self.copied = False
        self.open: list[Walk] = []
        self.faults: list[str] = []
        self.walked = 0
        self.plain = dynamodb.client()
        self.oracle = Table(f"walks-{uuid.uuid4().hex[:8]}-oracle", key=KEY, indexes=INDEXES)
        make(self.plain, self.oracle, {}, local=True)
        self.migrations = self._migrations()
        self.migration = self.migrations[-1]
        self.table = self.migrations[0].source.name  # that the clients name
        self.numbers = iter(range(1000))
        for _ in range(18):
            self._put(None)
        self.steering = Steering(dynamodb.server, self.migration, Console(quiet=True), lambda _: None)
        self.steering.start()
        for each in self.migrations[:-1]:
            put_in_stage(self.plain, each, Stage.COMPLETE)
        self.clients = [dynamodb.client() for _ in range(CLIENTS)]
        self.routers: list[Router] = [
            attach(client, each, poll_seconds=0.05, landing_seconds=2.0)
            for client in self.clients
            for each in self.migrations
        ]

    def _migrations(self) -> list[Migration]:
        """That of the model, behind that of the earlier one; with their tables."""
        models = [MODELS[self.model.earlier]] if self.model.earlier else []
        unique = self.oracle.name.removesuffix("-oracle")
        table = Table(f"{unique}-source", key=KEY, indexes=INDEXES)
        make(self.plain, table, {}, local=True)
        made: list[Migration] = []
        for model in (*models, self.model):
            names = dict(model.names)
            there: dict[str, dict[str, Kind] | Index] = {
                index: Index(called(key.partition, names), called(key.sort, names))
                if isinstance(key, Index)
                else called(key, names)
                for index, key in INDEXES.items()
            }
            there |= {index: dict[str, Kind].fromkeys(key, "S") for index, key in model.further}
            target = Table(f"{unique}-target-{len(made)}", key=dict[str, Kind].fromkeys(model.key, "S"), indexes=there)
            make(self.plain, target, names, local=model.local_stay_local)
            strategy = self._strategy_of(model)
            made.append(Migration(f"{unique}-{len(made)}", table, target, list(model.pieces), strategy))
            table = target
        return made

    def _strategy_of(self, model: Model) -> Strategy:
        return self.strategy if model is self.model else "copy-on-write"

    @property
    def row(self) -> Row:
        return LADDERS[self.strategy][self.stage]

    def close(self) -> None:
        for router in self.routers:
            assert router.detach(10.0)
        for client in (*self.clients, self.plain):
            client.close()

    # --- what happens

    def play(self, moves: int, steps: int) -> None:
        """So many moves of the stage, on the whole upwards, and so many steps of walks in each."""
        for _ in range(moves):
            for _ in range(steps):
                self._step()
            self._move()
        while self.open:
            self._page(self.open[0])

    def _step(self) -> None:
        if len(self.open) < 4 and self.random.random() < 0.4:
            if not self.open:
                self._write()
            self.open.append(self._new_walk())
        elif self.open:
            self._page(self.random.choice(self.open))

    def _move(self) -> None:
        """Every open walk shows a page in each stage: a cursor is good in the neighbouring one."""
        at = self.ladder.index(self.stage)
        up = at == 0 or (at < len(self.ladder) - 1 and self.random.random() < 0.75)
        if self.stage is Stage.COMPLETE:
            return
        to = self.ladder[at + (1 if up else -1)]
        try:
            self._go(to)
        except GateClosed:
            if not up:
                return
            self._open_gates()
            with suppress(GateClosed):  # complete would refuse what was asked here
                self._go(to)
            if self.steering.state.stage is not to:
                return
        before, after = self.row, LADDERS[self.strategy][to]
        # Where the pages go by the other table's order from now on, who cuts cursors begins anew: docs/attach.md
        self.open = [walk for walk in self.open if not walk.cut or begins_in(before, walk) == begins_in(after, walk)]
        self.stage = to
        self.copied = self.copied and not self.row.leaves_target_behind
        for walk in list(self.open):
            self._page(walk)

    def _go(self, to: Stage) -> None:
        if to is Stage.COMPLETE:
            self.steering.complete()
        else:
            self.steering.walk(to, lambda _: None)

    def _open_gates(self) -> None:
        if not self.copied:
            assert self.steering.backfill(lambda _: None).status == "complete"
            self.copied = True
        assert self.steering.verify(lambda _: None, (0.1, 0.5, 1.0), repair=False).status == "clean"

    def _settle(self) -> None:
        until = time.monotonic() + WAIT_SECONDS_MAX
        while any(router.pending for router in self.routers):
            assert time.monotonic() < until, "the mirrors do not end"
            time.sleep(0.002)

    # --- writes: of the plain table too

    def _put(self, client: Any | None) -> None:
        """By one of the clients; None: into the source itself."""
        number = next(self.numbers)
        choice = self.random.choice
        item: Item = {"pk": {"S": choice(PARTITIONS)}, "sk": {"S": f"{choice('xyz')}{number:03}"}}
        if self.random.random() < 0.9:
            item["n"] = {"N": choice(("1", "1", "2", "10"))}
        if self.random.random() < 0.9:
            item["kind"] = {"S": choice(KINDS)}
        item |= {"lot": {"S": choice(("1", "2"))}, "day": {"N": choice("12")}}
        item |= {"note": {"S": f"note {number}"}, "more": {"S": f"more {number}"}}
        self.plain.put_item(TableName=self.oracle.name, Item=item)
        if client is not None:
            client.put_item(TableName=self.table, Item=item)
            return
        for each in self.migrations[:-1]:
            item = each.compiled.forward(item)
        self.plain.put_item(TableName=self.migration.source.name, Item=item)

    def _write(self) -> None:
        """Where nobody walks: some items are touched (copied, in `drain`), some move in the indexes, one comes and one
        goes."""
        client = self.random.choice(self.clients)
        there = self.plain.scan(TableName=self.oracle.name, ConsistentRead=True)["Items"]
        keys = [{name: item[name] for name in KEY} for item in there]
        for key in self.random.sample(keys, 3):
            touch = {"Key": key, "UpdateExpression": "SET note = note"}
            client.update_item(TableName=self.table, **touch)
        for key in self.random.sample(keys, 3):
            values = {":n": {"N": self.random.choice(("1", "2", "10"))}, ":kind": {"S": self.random.choice(KINDS)}}
            move = {"UpdateExpression": "SET n = :n, kind = :kind", "ExpressionAttributeValues": values}
            for each, table in ((self.plain, self.oracle.name), (client, self.table)):
                each.update_item(TableName=table, Key=key, **move)
        self._put(client)
        gone = self.random.choice(keys)
        client.delete_item(TableName=self.table, Key=gone)
        self.plain.delete_item(TableName=self.oracle.name, Key=gone)
        self._settle()

    # --- walks

    def _new_walk(self) -> Walk:
        choice = self.random.choice
        index = choice((None, *INDEXES, *INDEXES))
        operation = choice(("Query", "Query", "Scan"))
        request: dict[str, Any] = {"Limit": choice((1, 2, 3, 5, 7))}
        values: dict[str, Any] = {}
        if index is not None:
            request["IndexName"] = index
        if operation == "Query":
            request["KeyConditionExpression"] = self._condition(index, values)
            request["ScanIndexForward"] = choice((True, False))
        if (index is None or index in LOCAL) and choice((True, False)):
            request["ConsistentRead"] = True
        request |= self._shown(index, values)
        if values:
            request["ExpressionAttributeValues"] = values
        return Walk(operation, request, self.random.random() < 0.4)

    def _condition(self, index: str | None, values: dict[str, Any]) -> str:
        choice = self.random.choice
        if index is None or index in LOCAL:
            condition, values[":p"] = "pk = :p", {"S": choice(PARTITIONS)}
        else:
            condition, values[":p"] = "kind = :p", {"S": choice(KINDS)}
        if index in SEVERAL:
            condition += " AND lot = :l"
            values[":l"] = {"S": choice("12")}
        if index in (None, "g_keys") or self.random.random() < 0.6:
            return condition
        sort = choice((" AND n >= :n", " AND n <= :n", " AND n = :n", " AND n BETWEEN :n AND :m"))
        values[":n"] = {"N": choice("12")}
        if ":m" in sort:
            values[":m"] = {"N": "10"}
        if index in SEVERAL and sort == " AND n = :n" and choice((True, False)):
            sort += " AND day >= :d"
            values[":d"] = {"N": choice("12")}
        return condition + sort

    def _shown(self, index: str | None, values: dict[str, Any]) -> dict[str, Any]:
        """What an index does not hold is the contract's business: the embedded engine is laxer there than DynamoDB."""
        choice, holds = self.random.choice, "all" if index is None else index.partition("_")[2]
        match self.random.randrange(6):
            case 0 if holds in ("all", "note"):
                values[":c"] = {"S": "1"}
                return {"FilterExpression": "contains(note, :c)"}
            case 1:
                projections = {
                    "keys": ("sk", "pk, sk"),
                    "note": ("note", "sk, note"),
                    "all": ("note", "pk, more", "n, note"),
                }
                return {"ProjectionExpression": choice(projections[holds])}
            case 2:
                return {"Select": choice(("COUNT", "ALL_ATTRIBUTES") if holds == "all" else ("COUNT",))}
            case _:
                return {}

    def _page(self, walk: Walk) -> None:
        walk.stages.append(self.stage)
        walk.pages += 1
        client = self.random.choice(self.clients)
        reply = self._asked(walk, client, self.table)
        if isinstance(reply, str):
            wanted = self._asked(walk, self.plain, self.oracle.name) if walk.pages == 1 else ""
            self._ended(walk, None if reply == wanted or self._may_be_refused(walk, reply) else f"told {reply!r}")
            return
        walk.items += reply.get("Items", [])
        walk.counted += reply["Count"]
        if reply["ScannedCount"] > walk.request["Limit"]:
            self.faults.append(f"{walk}: a page of {reply['ScannedCount']}")
        if "LastEvaluatedKey" not in reply:
            self._ended(walk, self._difference(walk))
        elif walk.pages > PAGES_MAX:
            self._ended(walk, "no end")
        else:
            token = reply["LastEvaluatedKey"]
            declared = None if walk.index is None else self.oracle.index(walk.index)
            names = {*KEY, *(() if declared is None else declared.kinds)}
            walk.request["ExclusiveStartKey"] = {n: token[n] for n in names} if walk.cut else token

    def _asked(self, walk: Walk, client: Any, table: str) -> Any:
        """The reply, or what was told instead."""
        ask: Callable[..., Any] = client.query if walk.operation == "Query" else client.scan
        try:
            return ask(TableName=table, **walk.request)
        except NotPossibleInStage as error:
            return f"NotPossibleInStage: {error}"
        except ClientError as error:
            response: Any = cast("Any", error).response
            return f"{response['Error']['Code']}: {without_preamble(response['Error']['Message'])}"

    def _may_be_refused(self, walk: Walk, told: str) -> bool:
        """What the documents name: in words that say why."""
        consistent = walk.request.get("ConsistentRead", False)
        if consistent and not self.model.local_stay_local and "strongly consistent" in told:
            return True  # found by a global index of the target
        if consistent and len(set(walk.stages)) > 1 and "go on without ConsistentRead" in told:
            return True
        moved = len(set(walk.stages[-2:])) > 1
        return walk.cut and moved and "cursor" in told

    def _ended(self, walk: Walk, why: str | None) -> None:
        self.open.remove(walk)
        self.walked += 1
        if why is not None:
            self.faults.append(f"{walk}: {why}")

    def _difference(self, walk: Walk) -> str | None:
        asked = Walk(walk.operation, {k: v for k, v in walk.request.items() if k not in ("Limit", "ExclusiveStartKey")},
                     cut=False)  # fmt: skip
        wanted: Any = self._asked(asked, self.plain, self.oracle.name)
        if isinstance(wanted, str):
            return f"the plain table says {wanted}"
        if walk.counted != wanted["Count"]:
            return f"{walk.counted} entries in place of {wanted['Count']}"
        plain: list[Item] = wanted.get("Items", [])
        found, there = Counter(map(canonical, walk.items)), Counter(map(canonical, plain))
        if found != there:
            missing, others = ([*each.elements()] for each in (there - found, found - there))
            return f"missing {missing}, more than once or not there {others}"
        if walk.operation == "Query":
            by = "sk" if walk.index is None else "n"
            if walk.index != "g_keys" and [item.get(by) for item in walk.items] != [item.get(by) for item in plain]:
                return "another order"
        return None


def begins_in(row: Row, walk: Walk) -> Side:
    """The table through which it goes first."""
    return "source" if row.merges else order_of(row, walk.request)[0]
