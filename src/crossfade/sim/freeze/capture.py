"""A process that publishes the source's log: the publisher of production, on a topic in memory.

Its checkpoints are kept at one moment; whoever takes them over fences the one before, at its next save. The snapshot's
marks, versions and chunks are those of production; the rows are read some time after the low mark, and the high mark is
committed some time after that.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from typing import Final

from crossfade.cdc.changes import Change
from crossfade.cdc.checkpoints import Checkpoint
from crossfade.cdc.mysql.keyset import Key, KeyedRow
from crossfade.cdc.mysql.positions import Position
from crossfade.cdc.mysql.reader import Heartbeat, Told
from crossfade.cdc.mysql.snapshot import Chunk, Progress, Snapshot
from crossfade.cdc.mysql.watermarks import Watermark
from crossfade.cdc.publishing import Publisher, Topics
from crossfade.cdc.terms import Term
from crossfade.errors import CrossfadeError, Fenced
from crossfade.sim.freeze.database import Sql, number_of, position_at
from crossfade.sim.freeze.topic import NAME, Producer, Topic
from crossfade.sim.processes import Process
from crossfade.sim.world import World

READ_MAX: Final = 6  # transactions at once
MARK_SECONDS: Final = 0.15
SAVE_SECONDS: Final = 0.3
CHUNK_ROWS: Final = 2
READING_SECONDS: Final = 0.2  # at most between a mark and the rows


@dataclass(slots=True)
class Kept:
    """The place in the control table from which captures go on."""

    checkpoint: Checkpoint
    owner: int = 0


@dataclass(slots=True)
class Checkpoints:
    """One capture's hand on it."""

    kept: Kept
    owner: int = field(default=0)

    @property
    def term(self) -> Term:
        return Term(self.owner, NAME)

    def take(self) -> Checkpoint:
        self.kept.owner += 1
        self.owner = self.kept.owner
        return self.kept.checkpoint

    def save(self, checkpoint: Checkpoint) -> None:
        if self.owner != self.kept.owner:
            raise Fenced("another process captures by now")
        self.kept.checkpoint = checkpoint


class Beside(Snapshot):
    """The snapshot of production, whose rows are read at another moment than its marks are committed."""

    def __init__(self, world: World, process: Process, sql: Sql, progress: Progress | None, *, low_mark: bool) -> None:
        self.progress = progress or Progress()
        self._world = world
        self._process = process
        self._sql = sql
        self._low_mark = low_mark
        self._tables = sql.shape.tables
        self._name = process.name
        self._chunk_rows = CHUNK_ROWS
        self._chunk = None
        self._marks = 0

    def _begin(self) -> None:
        self._chunk = None
        left = [table for table in self._tables if table not in self.progress.done]
        if self.progress.finished or not left:
            self.progress = Progress(self.progress.done, finished=True)
            return
        table = self.progress.table if self.progress.table in left else left[0]
        after = self.progress.after if self.progress.table == table else None
        self._marks += 1
        low, high = f"low {self._marks}", f"high {self._marks}"
        chunk = self._chunk = Chunk(low, high, table, [], self.progress)
        self._commit(low)
        self._soon(lambda: self._read_into(chunk, after, len(left) == 1))

    def _read_into(self, chunk: Chunk, after: Key | None, last_table: bool) -> None:
        rows = sorted(self._sql.tables[chunk.table].items())
        rows = [(key, row) for key, row in rows if after is None or key > after[0]][:CHUNK_ROWS]
        chunk.rows = [KeyedRow((key,), dict(row)) for key, row in rows]
        whole = len(rows) < CHUNK_ROWS
        done = (*self.progress.done, chunk.table) if whole else self.progress.done
        last = None if whole else chunk.rows[-1].key
        chunk.progress = Progress(done, "" if whole else chunk.table, last, whole and last_table)
        self._soon(lambda: self._commit(chunk.high))

    def _mark(self, told: Watermark) -> Iterator[Change | Progress]:
        chunk = self._chunk
        if not self._low_mark and chunk is not None and (told.of, told.mark) == (self._name, chunk.high):
            chunk.version = told.version
            chunk.changed.clear()
        yield from super()._mark(told)

    def _commit(self, mark: str) -> None:
        self._sql.mark(self._name, mark, self._world.now)

    def _soon(self, action: Callable[[], None]) -> None:
        """Let the process act soon: later if it is paused, never if it has died."""
        seconds = READING_SECONDS * self._world.random.random()
        self._world.after(seconds, lambda: self._world.deliver(self._process, action))


class Capture:
    """`retire` is called when it has ended by itself, fenced by another one."""

    def __init__(
        self, world: World, process: Process, sql: Sql, topic: Topic, kept: Kept, *, low_mark: bool,
        look_seconds: float, retire: Callable[[], None], stand_still: Callable[[], None],
    ) -> None:  # fmt: skip
        self.process = process
        self._world = world
        self._sql = sql
        self._retire = retire
        self._stand_still = stand_still
        self._look_seconds = look_seconds
        self._producer = Producer(world, topic, process)
        checkpoints = Checkpoints(kept)
        found = checkpoints.take()
        self._read = number_of(Position.of_text(found.position)) if found.position else 0
        self._publisher = Publisher(
            self._producer, Topics(NAME, sql.shape.tables), checkpoints, found, clock=lambda: world.now,
            wall=lambda: world.now, mark_seconds=MARK_SECONDS, save_seconds=SAVE_SECONDS,
        )  # fmt: skip
        progress = Progress.of_text(found.snapshot) if found.snapshot else None
        self._waiting: deque[Told] = deque()
        self._told = Beside(world, process, sql, progress, low_mark=low_mark).beside(self._feed())
        self._later()

    def crash(self) -> None:
        self._producer.cut_off(self._world.random.choice((0, 0, 1, 2, 5)))

    def _feed(self) -> Iterator[Told]:
        """What was read of the log; then, that there is no more."""
        while True:
            while self._waiting:
                yield self._waiting.popleft()
            yield Heartbeat(position_at(self._read), at_end=self._read == len(self._sql.log))

    def _later(self) -> None:
        seconds = self._look_seconds * self._world.random.uniform(0.2, 1.0)
        self._world.after(seconds, lambda: self._world.deliver(self.process, self._look))

    def _look(self) -> None:
        count = self._world.random.randint(1, READ_MAX)
        for logged in self._sql.log[self._read : self._read + count]:
            self._waiting += logged.told
            self._read += 1
        try:
            changed = False
            for told in self._told:
                self._publisher.tell(told)
                if isinstance(told, Heartbeat):
                    break
                changed = changed or isinstance(told, Change)
        except CrossfadeError as error:
            self._world.note(self.process.name, "capture_ended", {"error": str(error)})
            self._retire()
            return
        if changed:
            self._stand_still()
        self._later()
