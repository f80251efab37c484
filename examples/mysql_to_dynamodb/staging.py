"""What run.py and proof.py share: the servers, the shop's tables, its processes, the pipeline's, and the judgement."""

from __future__ import annotations

import json
import math
import os
import time
from collections.abc import Callable, Generator, Iterable, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pymysql
from click.testing import CliRunner

from crossfade.cdc.migration import PARTS_SUFFIX
from crossfade.cli.app import app
from crossfade.demo.console import Console
from crossfade.local.kafka import KafkaServer
from crossfade.local.mariadb import MariaDbServer
from crossfade.local.watched import free_ports
from examples.mysql_to_dynamodb.behind import in_dynamodb, in_mysql
from examples.mysql_to_dynamodb.goods import seeded
from examples.mysql_to_dynamodb.in_dynamodb import TABLE
from examples.mysql_to_dynamodb.shop import Entity, Key, path_of
from examples.play import Play, PlayError, create_table, differences, every, last_written, open_play, plain

FOLDER = Path(__file__).parent
PROCESSES = 2  # of the service, of buyers, and of the ETL
SECONDS_MAX = 180.0  # for what takes a few on a quiet machine
TRIES = 12  # a freeze turns back where the machine is too busy for it, or a process has just died


@contextmanager
def open_shop(orders: int, console: Console | None = None) -> Generator[ShopPlay, None, None]:
    """Real servers, and the shop's tables: full in MySQL, empty in DynamoDB. Raises JarsUnavailable where the servers
    cannot be had."""
    with MariaDbServer.start() as mariadb, KafkaServer.start() as kafka:
        os.environ |= {
            "SHOP_MYSQL_HOST": mariadb.host,
            "SHOP_MYSQL_PORT": str(mariadb.port),
            "SHOP_MYSQL_USER": mariadb.user,
            "SHOP_MYSQL_PASSWORD": mariadb.password,
            "CROSSFADE_MYSQL_URL": f"mysql://{mariadb.user}@{mariadb.host}:{mariadb.port}/shop",
            "CROSSFADE_MYSQL_PASSWORD": mariadb.password,
            "CROSSFADE_KAFKA_BOOTSTRAP": kafka.bootstrap_servers,
            "CROSSFADE_KAFKA_CONFIG": str(FOLDER / "kafka.properties"),
        }
        fill(mariadb, seeded(orders))
        with open_play(FOLDER, console=console) as play:
            create_table(play.dynamodb, TABLE, {"pk": "S", "sk": "S"})
            create_table(play.dynamodb, f"{TABLE}{PARTS_SUFFIX}", {"item": "S", "part": "S"})
            yield ShopPlay(play, kafka, orders, free_ports(PROCESSES))


def fill(mariadb: MariaDbServer, entities: dict[Key, Entity]) -> None:
    with pymysql.connect(
        host=mariadb.host, port=mariadb.port, user=mariadb.user, password=mariadb.password
    ) as connection:
        with connection.cursor() as cursor:
            for statement in (FOLDER / "schema.sql").read_text(encoding="utf-8").split(";\n"):
                if statement.strip():
                    cursor.execute(statement)
        connection.commit()
    repository = in_mysql()
    for key, entity in entities.items():  # customers first
        repository.store(key, entity)


@dataclass(frozen=True)
class Holds:
    """How long each took, waiting and all; how many were refused, unwritten, since they had waited for too long."""

    seconds: tuple[float, ...]
    refused: int

    @classmethod
    def of_all(cls, some: Iterable[Holds]) -> Holds:
        """Several runs as one."""
        found = tuple(some)
        seconds = sorted(seconds for holds in found for seconds in holds.seconds)
        return cls(tuple(seconds), sum(holds.refused for holds in found))

    @property
    def longest(self) -> float:
        return max(self.seconds, default=0.0)

    def __str__(self) -> str:
        if not self.seconds:
            return f"no write was held and written, {self.refused} held and refused"
        highest = self.seconds[math.ceil(len(self.seconds) * 0.99) - 1]
        held = f"{len(self.seconds):,} writes were held, for {highest:.2f} s at the 99th percentile"
        return f"{held} and {self.longest:.2f} s at most; {self.refused} refused"


@dataclass
class ShopPlay:
    """The shop under way. `lease_seconds`: of the service's processes; 0: crossfade's own default. `drop`: what is left
    out, see dropping.py."""

    play: Play
    kafka: KafkaServer
    orders: int
    ports: Sequence[int]
    lease_seconds: float = 0.0
    drop: str = ""

    @property
    def journals(self) -> list[Path]:
        return [self.play.folder / f"buyer-{n}.jsonl" for n in range(PROCESSES)]

    # --- processes

    def open_service(self, number: int) -> None:
        held = self.play.folder / f"held-{number}.jsonl"
        held.with_suffix(".up").unlink(missing_ok=True)
        given = (self.ports[number], held, *((self.lease_seconds,) if self.lease_seconds else ()))
        if self.drop:
            self.play.start(f"service {number + 1}", "examples.mysql_to_dynamodb.dropping", self.drop, *given)
        else:
            self.play.start(f"service {number + 1}", "examples.mysql_to_dynamodb.service", *given)

    def open_services(self) -> None:
        for number in range(PROCESSES):
            self.open_service(number)
        self.play.wait_for(*(self.play.folder / f"held-{number}.up" for number in range(PROCESSES)))

    def let_buyers_in(self) -> None:
        for number, journal in enumerate(self.journals):
            module = "examples.mysql_to_dynamodb.buyer"
            self.play.start(f"buyer {number + 1}", module, journal, number, self.orders, *self.ports)

    def see_buyers_out(self) -> None:
        self.play.stop(*(f"buyer {n + 1}" for n in range(PROCESSES)))

    def carry(self, name: str, *words: str) -> None:
        """A command of the pipeline, in a process of its own, until it ends by itself."""
        self.play.console.command("crossfade " + " ".join(words))
        self.play.start(name, "crossfade.cli", *words)

    def open_pipeline(self) -> None:
        self.open_capture()
        for number in range(PROCESSES):
            self.open_worker(number)

    def open_capture(self) -> None:
        self.carry("replicate", "replicate", "--execute")

    def open_worker(self, number: int) -> None:
        self.carry(f"etl {number + 1}", "etl", "--execute")

    def kill(self, name: str) -> None:
        """As a power failure would; it may be started again."""
        process = self.play.processes.pop(name)
        process.kill()
        process.wait()
        if process.stdout is not None:
            process.stdout.close()

    # --- waiting

    def let_buy(self, writes: int) -> None:
        """Until the buyers have been acknowledged so many more."""
        enough = self.lines() + writes
        self.until(lambda: self.lines() >= enough, "the buyers to write")

    def lines(self) -> int:
        return sum(len(journal.read_bytes().splitlines()) for journal in self.journals if journal.exists())

    def until_carried(self) -> None:
        """Until the target is close behind: what `crossfade status` tells is what the gates ask for."""
        self.until(lambda: 0 <= self.lag_seconds() < 5, "the log to be carried")

    def lag_seconds(self) -> float:
        carriage = self.status()["carriage"] or {}
        return float((carriage.get("carrier") or {}).get("lag_seconds", -1))

    def status(self) -> dict[str, Any]:
        done = CliRunner().invoke(app, ("status", "--json"))
        if done.exit_code not in (0, 1):
            raise PlayError(f"crossfade status: {done.output}") from done.exception
        found: dict[str, Any] = json.loads(done.stdout)
        return found

    def until(self, true: Callable[[], bool], what: str) -> None:
        end = time.monotonic() + SECONDS_MAX
        while not true():
            self.play.look_after()
            if time.monotonic() > end:
                raise PlayError(f"waited for {SECONDS_MAX:.0f} s for {what}")
            time.sleep(0.1)

    # --- moving

    def verify(self) -> None:
        self.until_carried()
        self.play.crossfade("verify")

    def move(self, *words: str) -> None:
        """A move that may have to be made again: a freeze that takes too long turns back, and after a client that has
        died a verify is asked for."""
        for left in reversed(range(TRIES)):
            try:
                self.play.crossfade(*words, "--execute")
            except PlayError as error:
                if not left:
                    raise
                self.play.console.block(str(error))
                self.try_to_verify()
            else:
                return

    def try_to_verify(self) -> None:
        try:
            self.verify()
        except PlayError as error:
            self.play.console.block(str(error))

    # --- judging

    def expected(self) -> dict[str, Any]:
        """What there must be, by the buyers' journals; None for what was cancelled."""
        seeds = {path_of(key): plain(entity) for key, entity in seeded(self.orders).items()}
        return seeds | last_written(*self.journals)

    def judge_items(self) -> None:
        expected = self.expected()
        left = {path: entity for path, entity in expected.items() if entity is not None}
        found = shown(in_dynamodb().everything())
        wrong = differences(left, found)
        self.play.check(f"{len(left):,} items are as last written, {self.lines():,} writes", not wrong, *wrong)
        back = [path for path, entity in expected.items() if entity is None and path in found]
        self.play.check(f"{len(expected) - len(left):,} cancelled orders have not come back", not back, *back)

    def judge_rows(self) -> None:
        """While the rows are kept equal, and nobody writes."""
        rows, items = shown(in_mysql().everything()), shown(in_dynamodb().everything())
        wrong = differences(rows, items)
        self.play.check(f"{len(rows):,} customers and orders of the rows equal those of the items", not wrong, *wrong)

    def holds(self) -> Holds:
        """Of all writes that were begun while writes were held, by all processes of the service."""
        files = self.play.folder.glob("held-*.jsonl")
        told = [json.loads(line) for file in files for line in file.read_text(encoding="utf-8").splitlines()]
        refused = sum(outcome == "held" for outcome, _ in told)
        return Holds(tuple(sorted(seconds for outcome, seconds in told if outcome == "written")), refused)

    def tables(self) -> list[str]:
        return sorted(table.name for table in self.play.dynamodb.tables.all())

    def stamped(self) -> list[dict[str, Any]]:
        """What has a version, tombstones among it, as a client sees it that hides nothing."""
        items = every(self.play.dynamodb.Table(TABLE), ConsistentRead=True)
        return [item for item in items if "_crossfade" in item]


def shown(entities: dict[Key, Entity]) -> dict[str, Any]:
    return {path_of(key): plain(entity) for key, entity in entities.items()}
