"""One whole run: a database, a full table, applications, the story, the proof; everything is ended and cleaned up."""

from __future__ import annotations

import os
import shutil
import tempfile
import time
from collections.abc import Generator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path

from crossfade.core.rules import Rules
from crossfade.demo.console import Console
from crossfade.demo.figures import Figures
from crossfade.demo.fleet import ApplicationError, Crew, Fleet
from crossfade.demo.goods import SOURCE, TARGET
from crossfade.demo.memory import Memory, Watcher
from crossfade.demo.proving import Question, Verdict, prove
from crossfade.demo.seeding import create_table, fill
from crossfade.demo.steering import Steering
from crossfade.demo.story import Damage, Pace, Story
from crossfade.demo.wire import Wire, WireError
from crossfade.errors import CrossfadeError
from crossfade.local import LocalEngine
from crossfade.migration import load

MIGRATION = Path(__file__).with_name("shop_migration.py")
CONTROL = "crossfade"
PACE = Pace(stay_seconds=1.5)


@dataclass(frozen=True, slots=True)
class Settings:
    """`rate` is in actions a second of all applications together. A short lease, because the demo waits for two of them
    to end; what a request may take (the applications' timeouts) is waited for on top."""

    items: int = 50_000
    seed: int = 1
    applications: int = 4
    rate: float = 60.0
    pace: Pace = PACE
    lease_seconds: float = 3.0
    poll_seconds: float = 0.5
    bursts: bool = False
    drop_rule: str = ""


@dataclass(slots=True)
class Outcome:
    """What came of one run. `damage` is what the migration noticed itself."""

    settings: Settings
    verdict: Verdict
    damage: str
    stage: str
    figures: Figures
    memory: dict[str, Memory]
    seed_rate: float
    backfill_rate: float
    seconds: float
    proof_seconds: float
    folder: Path
    applications: list[str] = field(default_factory=list[str])

    @property
    def holds(self) -> bool:
        return self.verdict.holds and not self.damage


@contextmanager
def work_folder() -> Generator[Path, None, None]:
    """Make a folder in memory where the machine offers that; it is removed in the end."""
    shared = Path("/dev/shm")  # noqa: S108 - a folder of our own is made in it
    folder = Path(tempfile.mkdtemp(prefix="crossfade-demo-", dir=shared if shared.is_dir() else None))
    try:
        yield folder
    finally:
        shutil.rmtree(folder, ignore_errors=True)


def perform(server: LocalEngine, settings: Settings, console: Console, folder: Path) -> Outcome:
    """Fresh tables, the whole story, the proof. Raises ApplicationError, CrossfadeError, WireError or OSError when it
    cannot be carried out at all; that is not a verdict."""
    began = time.monotonic()
    with Watcher() as watcher:
        watcher.watch("the database", server.process_id)
        watcher.watch("this process", os.getpid())
        seed_rate = _prepare(server, settings, console)
        migration_file = folder / "migration.py"
        _ = shutil.copyfile(MIGRATION, migration_file)
        crew = _crew(server, settings, migration_file, folder)
        with Fleet(crew) as fleet:
            story = _story(server, settings, console, watcher, fleet)
            damage = _tell(story, settings)
            stage, authority = story.steering.state.stage.value, story.authority
            story.figures.leave(time.monotonic())
            console.chapter("The proof, from the applications' own journals")
            fleet.stop()
            console.say("the applications have ended what they had begun")
        watcher.leave("this process")
        watcher.watch("the proof", os.getpid())
        story.figures.read(fleet.journals)
        proof_began = time.monotonic()
        question = Question(server.endpoint_url, settings.items, fleet.journals, authority, story.alone_since)
        verdict = prove(question, lambda n: console.progress(f"{n:,} documents compared"))
    return Outcome(
        settings=settings,
        verdict=verdict,
        damage=damage,
        stage=stage,
        figures=story.figures,
        memory=watcher.seen,
        seed_rate=seed_rate,
        backfill_rate=story.backfill_rate,
        seconds=time.monotonic() - began,
        proof_seconds=time.monotonic() - proof_began,
        folder=folder,
        applications=[application.name for application in fleet.applications],
    )


def _prepare(server: LocalEngine, settings: Settings, console: Console) -> float:
    """Both tables, the old one full; items a second that went in."""
    console.chapter(f"The old table: {settings.items:,} documents, six of ten of them under one key")
    wire = Wire(server.endpoint_url)
    for table in (SOURCE, TARGET, CONTROL):
        _drop_table(wire, table)
    for table in (SOURCE, TARGET):
        create_table(wire, table)
    wire.close()
    seconds = fill(
        server.endpoint_url,
        SOURCE,
        settings.items,
        lambda done: console.progress(f"{done:,} of {settings.items:,} documents"),
    )
    rate = settings.items / seconds
    console.say(f"{rate:,.0f} items/s: that is what this database takes from a bare socket when nobody else wants it")
    return rate


def _drop_table(wire: Wire, table: str) -> None:
    try:
        if table == CONTROL:
            _ = wire.ask("UpdateTable", {"TableName": table, "DeletionProtectionEnabled": False})
        _ = wire.ask("DeleteTable", {"TableName": table})
    except WireError as error:
        if error.code != "ResourceNotFoundException":
            raise


def _crew(server: LocalEngine, settings: Settings, migration_file: Path, folder: Path) -> Crew:
    return Crew(
        endpoint_url=server.endpoint_url,
        migration_file=migration_file,
        folder=folder,
        items=settings.items,
        seed=settings.seed,
        rate=settings.rate / settings.applications,
        lease_seconds=settings.lease_seconds,
        poll_seconds=settings.poll_seconds,
        bursts=settings.bursts,
        drop_rule=settings.drop_rule,
    )


def _story(server: LocalEngine, settings: Settings, console: Console, watcher: Watcher, fleet: Fleet) -> Story:
    steering = Steering(
        server, load(fleet.crew.migration_file), console, lambda _: None, Rules.without(settings.drop_rule)
    )
    story = Story(steering, fleet, console, watcher, settings.pace, settings.applications)
    steering.entered = story.entered
    return story


def _tell(story: Story, settings: Settings) -> str:
    """What the migration noticed itself, if anything. With a rule dropped, whatever goes wrong is a consequence."""
    story.console.chapter("The plan: a migration file, tried on a sample")
    story.console.block(MIGRATION.read_text(encoding="utf-8"))
    if not story.steering.check():
        return "`crossfade check` found errors"
    try:
        story.tell()
    except Damage as damage:
        return str(damage)
    except CrossfadeError as error:
        if not settings.drop_rule:
            raise
        return f"{type(error).__name__}: {error.message}"
    return ""


__all__ = ["ApplicationError", "Outcome", "Settings", "perform", "work_folder"]
