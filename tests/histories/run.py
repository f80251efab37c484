"""One run: a scene's tables, its processes, the way up and down, and the verdict on what was recorded."""

from __future__ import annotations

import time
from collections import Counter
from collections.abc import Callable
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass, field
from pathlib import Path
from random import Random
from typing import Any, Final, TypeAlias

from crossfade.core.items import Item
from crossfade.core.mapping import STAMP
from crossfade.core.rules import Rules
from crossfade.core.stages import LADDERS, Side
from crossfade.demo.console import Console
from crossfade.demo.steering import Steering
from crossfade.errors import CrossfadeError
from crossfade.local import LocalEngine
from crossfade.migration import Migration
from crossfade.sim.history import KeyName
from crossfade.sim.model import item_of
from tests.histories import scenes
from tests.histories.client import new_client
from tests.histories.course import Course, Damage, Misfortune
from tests.histories.crew import Crew
from tests.histories.doors import rule_of
from tests.histories.judging import Verdict, judge, read_at_rest
from tests.histories.records import load
from tests.histories.scenes import Scene
from tests.migrations import make_table

KILL_PAUSE_SECONDS: Final = 5.0

Hold: TypeAlias = Callable[[bool], None]  # whether nothing is to happen for now
Weather: TypeAlias = Callable[[Callable[[str], None]], AbstractContextManager[Hold]]  # is told whom to tell


def calm(_say: Callable[[str], None]) -> AbstractContextManager[Hold]:
    return nullcontext(lambda _held: None)


def both(one: Hold, other: Hold) -> Hold:
    def hold(held: bool) -> None:
        one(held)
        other(held)

    return hold


@dataclass(slots=True)
class Outcome:
    """What came of one run. `damage` is what the migration noticed itself; `began` is of the machine's clock."""

    scene: Scene
    verdict: Verdict
    damage: str
    began: float
    seconds: float = 0.0
    moves: int = 0
    kills: int = 0
    pauses: int = 0
    counts: Counter[str] = field(default_factory=Counter[str])
    events: list[tuple[float, str]] = field(default_factory=list[tuple[float, str]])

    @property
    def bad(self) -> bool:
        return bool(self.verdict.faults or self.damage)


def perform(
    server: LocalEngine,
    scene: Scene,
    folder: Path,
    *,
    seconds: float,
    kinds: tuple[str, ...],
    say: Callable[[str], None],
    weather: Weather = calm,
) -> Outcome:
    """`weather`: what else befalls the processes while they work. `seconds`: how long to go up and down; what was
    begun is brought to its end after that. Raises ProcessFailed, CrossfadeError or OSError when the run cannot be
    carried out at all; that is no verdict."""
    outcome = Outcome(scene, Verdict(), "", time.monotonic())
    migration = scenes.migration(scene.mapping, scene.unique, scene.strategy)
    client = new_client(server.endpoint_url)
    prepare(client, migration)

    def happened(what: str) -> None:
        outcome.events.append((time.monotonic() - outcome.began, what))
        say(what)

    random = Random(f"{scene.seed}.course")
    steering = Steering(server, migration, Console(quiet=True), lambda _: None, Rules.without(rule_of(scene.drop)))
    steering.start()
    with Crew(scene, server.endpoint_url, folder, kinds) as crew:
        crew.start(scene.processes)
        misfortune = Misfortune(crew, Random(f"{scene.seed}.misfortune"), happened, KILL_PAUSE_SECONDS)
        course = Course(steering, random, happened, lambda: None, misfortune.hold, lambda: misfortune.kills)
        with weather(happened) as hold:
            course.quiet = both(misfortune.hold, hold)
            misfortune.begin()
            try:
                outcome.damage = tell(course, seconds, dropped=bool(scene.drop))
            finally:
                misfortune.end()
        crew.end()
        outcome.damage = outcome.damage or at_rest(course, dropped=bool(scene.drop))
        outcome.moves, outcome.kills, outcome.pauses = course.moves, misfortune.kills, misfortune.pauses
        record = load(crew.journals, scenes.INITIAL, crew.killed)
    read_at_rest(record.history, scenes.KEYS, reader(client, migration, steering), time.monotonic_ns())
    outcome.counts = record.counts
    outcome.verdict = judge(record.history)
    outcome.seconds = time.monotonic() - outcome.began
    return outcome


def tell(course: Course, seconds: float, *, dropped: bool) -> str:
    """What the migration noticed itself. With a rule dropped, whatever goes wrong is a consequence."""
    try:
        course.run(seconds)
    except Damage as damage:
        return str(damage)
    except CrossfadeError as error:
        if not dropped:
            raise
        return f"{type(error).__name__}: {error.message}"
    return ""


def at_rest(course: Course, *, dropped: bool) -> str:
    try:
        course.look_at_rest()
    except Damage as damage:
        return str(damage)
    except CrossfadeError as error:
        if not dropped:
            raise
        return f"{type(error).__name__}: {error.message}"
    return ""


def prepare(client: Any, migration: Migration) -> None:
    for table in (migration.source, migration.target):
        make_table(client, table)
    for key, state in scenes.INITIAL.items():
        item = item_of(key, state)
        if item is not None:
            client.put_item(TableName=migration.source.name, Item=item)


def reader(client: Any, migration: Migration, steering: Steering) -> Callable[[KeyName], Item | None]:
    """Reads an item from the side that is the authority, in the source's form, without crossfade; where items are
    copied, from the target, or else from the source."""
    state = steering.state
    row = LADDERS[state.strategy][state.stage]
    sides: tuple[Side, ...] = ("target", "source") if row.merges else (row.authority,)
    mapping = migration.compiled

    def held(side: Side, key: Item) -> Item | None:
        wanted = key if side == "source" else mapping.forward_key(key)
        found: Item | None = client.get_item(TableName=migration.table(side).name, Key=wanted, ConsistentRead=True).get(
            "Item"
        )
        if found is None:
            return None
        item = {name: value for name, value in found.items() if name != STAMP}
        return item if side == "source" else mapping.backward(item)

    def read(key: KeyName) -> Item | None:
        there = (held(side, {"pk": {"S": key[0]}, "sk": {"S": key[1]}}) for side in sides)
        return next((item for item in there if item is not None), None)

    return read
