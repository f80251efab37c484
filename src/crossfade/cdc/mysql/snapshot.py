"""What was there before the log was read: in chunks by primary key while the log flows, without a lock (DBLog).

Before a chunk is read a low mark is committed to a table of marks on the source, after it a high one; both are then
seen in the log. The chunk's rows are told where the high mark stands, with the low mark's version: whatever changed
behind the low mark has a greater version and wins, in whatever order a reader of both applies them. Rows that the log
told between the marks are left out of the chunk, which only saves work.

Why the chunk cannot be newer than it says: a SELECT after the low mark's commit sees all that was committed before it.
Why it cannot be older: what was committed after the low mark is in the log behind it.

After https://netflixtechblog.com/dblog-a-generic-change-data-capture-framework-351fb9099b69
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, field, replace
from typing import Final, Self

from crossfade.cdc.changes import Change, ChangeUnreadable, Version
from crossfade.cdc.mysql.keyset import Key, KeyedRow, chunk_after, prepare
from crossfade.cdc.mysql.reader import Told
from crossfade.cdc.mysql.source import Connection
from crossfade.cdc.mysql.tagged import tagged, untagged
from crossfade.cdc.mysql.watermarks import Watermark, Watermarks

CHUNK_ROWS: Final = 1_000  # some megabytes at most, and one pause of the log's reader of some milliseconds


@dataclass(frozen=True, slots=True)
class Progress:
    """How far a snapshot is: whole tables, and the last key that was told of the one under way.

    It may be kept once all that was told before it is safe, beside a position of the log. `finished`: all is told.
    """

    done: tuple[str, ...] = ()
    table: str = ""
    after: Key | None = None
    finished: bool = False

    def __str__(self) -> str:
        """Return the progress as JSON, for a checkpoint."""
        after = None if self.after is None else [tagged(value) for value in self.after]
        return json.dumps({"done": self.done, "table": self.table, "after": after, "finished": self.finished})

    @classmethod
    def of_text(cls, text: str) -> Self:
        """The progress that `str` made a text of. Raises ChangeUnreadable."""
        try:
            known = json.loads(text)
            after = None if known["after"] is None else tuple(untagged(value) for value in known["after"])
            return cls(tuple(known["done"]), known["table"], after, known["finished"])
        except (ValueError, TypeError, KeyError) as error:
            raise ChangeUnreadable(f"{text!r} is no progress of a snapshot: {error}") from None


@dataclass(slots=True)
class Chunk:
    """One between its marks. `version` is None until its low mark was seen in the log."""

    low: str
    high: str
    table: str
    rows: list[KeyedRow]
    progress: Progress
    version: Version | None = None
    changed: set[Key] = field(default_factory=set[Key])


class Snapshot:
    """Reads some tables through a connection of its own. `name` tells its marks from those of other snapshots.

    `new_mark` gives a text that was never given before, in any run.
    """

    def __init__(
        self,
        connection: Connection,
        watermarks: Watermarks,
        tables: Sequence[str],
        *,
        name: str,
        new_mark: Callable[[], str],
        progress: Progress | None = None,
        chunk_rows: int = CHUNK_ROWS,
    ) -> None:
        self.progress = progress or Progress()
        self._connection = connection
        self._watermarks = watermarks
        self._tables = tuple(tables)
        self._name = name
        self._new_mark = new_mark
        self._chunk_rows = chunk_rows
        self._chunk: Chunk | None = None
        prepare(connection)

    def beside(self, log: Iterable[Told]) -> Iterator[Told | Progress]:
        """The log's own, and in it the chunks' rows, each chunk followed by the progress that it makes.

        Raises what the log does, TableUnfit, SourceError.
        """
        self._begin()
        if self.progress.finished:
            yield self.progress
        for told in log:
            if isinstance(told, Watermark):
                yield from self._mark(told)
                continue
            chunk = self._chunk
            if chunk is not None and isinstance(told, Change) and told.table == chunk.table:
                chunk.changed.add(told.key)
            yield told

    def _begin(self) -> None:
        """Read the next chunk between two marks of its own; none where all tables are done."""
        self._chunk = None
        progress = self.progress
        left = [table for table in self._tables if table not in progress.done]
        if progress.finished or not left:
            self.progress = replace(progress, table="", after=None, finished=True)
            return
        table = progress.table if progress.table in left else left[0]
        after = progress.after if progress.table == table else None
        low, high = self._new_mark(), self._new_mark()
        self._watermarks.commit(self._connection, self._name, low)
        rows = chunk_after(self._connection, table, after, self._chunk_rows)
        self._watermarks.commit(self._connection, self._name, high)
        last = rows[-1].key if rows else after
        whole = len(rows) < self._chunk_rows
        done = (*progress.done, table) if whole else progress.done
        finished = whole and len(left) == 1
        ahead = Progress(done, "" if whole else table, None if whole else last, finished)
        self._chunk = Chunk(low, high, table, rows, ahead)

    def _mark(self, told: Watermark) -> Iterator[Change | Progress]:
        chunk = self._chunk
        if chunk is None or told.of != self._name:
            return
        if told.mark == chunk.low:
            chunk.version = told.version
            chunk.changed.clear()
        elif told.mark == chunk.high:
            if chunk.version is None:
                raise ChangeUnreadable("a chunk's high mark is in the log and its low mark is not")
            for each in chunk.rows:
                if each.key not in chunk.changed:
                    yield Change(chunk.table, each.key, each.row, chunk.version, origin="snapshot")
            self.progress = chunk.progress
            yield self.progress
            if self.progress.finished:
                self._chunk = None
            else:
                self._begin()
