"""How far each shard has been read, written down after what was read has been dealt with."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from typing import Final

from crossfade.control.records import Reader, ShardPosition, StreamReader
from crossfade.control.store import Caller, Control
from crossfade.control.streams import POSITIONS_A_TRANSACTION, save_reader, take_reader
from crossfade.core.effects import Now, Routine, Stamp
from crossfade.errors import NotPossibleInStage
from crossfade.streams.asking import Stream
from crossfade.streams.lineage import Shard, discovered, forgettable

OPENINGS_MAX: Final = 20  # somebody else opens it at the same time, again and again
# What a kill repeats, at most, beside the pages under way. A position costs two write units: those of a thousand busy
# shards some 130 a second, where saved each second they would take more than a partition of the control table has.
SAVE_SECONDS: Final = 15.0

ShardName = tuple[str, str]  # side, shard


@dataclass(frozen=True, slots=True)
class Opening:
    """The opening of a reading. `afresh`: from what the streams hold now, whatever was read before."""

    reader: Reader
    owner: str
    caller: Caller
    pid: int
    streams: Sequence[Stream]
    afresh: bool = False

    def arn(self, side: str) -> str:
        return next((stream.arn for stream in self.streams if stream.side == side), "")


def open_ledger(control: Control, opening: Opening, now: int) -> Routine[Ledger]:
    """Become the reader, in the place of whoever was. StreamGap where a table has another stream than before."""
    token = yield from Stamp()
    for _ in range(OPENINGS_MAX):
        found = yield from control.reader(opening.reader)
        goes_on = found is not None and not opening.afresh
        if found is not None and goes_on:
            _refuse_another_stream(opening, found)
        caller = opening.caller
        wanted = StreamReader(
            reader=opening.reader,
            owner=opening.owner,
            run=found.run if found is not None and goes_on else token,
            serial=found.serial + 1 if found is not None else 1,
            who=caller.who,
            host=caller.host,
            pid=opening.pid,
            source_stream=opening.arn("source"),
            target_stream=opening.arn("target"),
            discovered_at=found.discovered_at if found is not None and goes_on else now,
            caught_up_at=found.caught_up_at if found is not None and goes_on else "",
            lag_seconds=-1.0,
            beat=0,
            counts=found.counts if found is not None and goes_on else {},
            started_at=found.started_at if found is not None and goes_on else caller.clock(),
        )
        if (yield from take_reader(control, wanted, found)):
            positions = yield from control.positions(opening.reader)
            return Ledger(control, wanted, positions, resumed=goes_on, now=(yield from Now()))
    raise NotPossibleInStage(f"the {opening.reader} is being opened by somebody else", next_step="crossfade status")


def _refuse_another_stream(opening: Opening, found: StreamReader) -> None:
    for stream in opening.streams:
        former = found.source_stream if stream.side == "source" else found.target_stream
        if former != stream.arn:
            raise stream.gap("is another one than was read before: what was written in between is in neither")


class Ledger:
    """The positions of one reader. Nothing is written before `save`."""

    def __init__(
        self, control: Control, report: StreamReader, positions: Iterable[ShardPosition], *, resumed: bool, now: float
    ) -> None:
        self.report = report
        self.resumed = resumed
        self._control = control
        self._positions: dict[ShardName, ShardPosition] = {}
        self._changed: set[ShardName] = set()
        self._saved_at: dict[ShardName, float] = {}  # those that are in the control table; monotonic seconds
        self._gone: list[ShardPosition] = []
        for position in positions:
            if position.run == report.run:
                self._positions[position.side, position.shard] = position
                self._saved_at[position.side, position.shard] = now
            else:
                self._gone.append(position)
        self._discovered: dict[str, int] = {}

    def due(self, now: float) -> bool:
        """Whether there is something to save. `now` is monotonic seconds."""
        return bool(self._gone) or bool(self._chosen(now))

    def _chosen(self, now: float) -> list[ShardName]:
        """The positions to be saved now: all new ones, since whoever goes on must know them by the time that the report
        says so, and of the others as many as one transaction takes of those that have waited, the longest first."""
        new = [name for name in self._changed if name not in self._saved_at]
        waited = [name for name in self._changed if now - self._saved_at.get(name, now) >= SAVE_SECONDS]
        waited.sort(key=lambda name: self._saved_at[name])
        return [*new, *waited[: max(0, POSITIONS_A_TRANSACTION - len(new))]]

    def known(self, side: str) -> dict[str, ShardPosition]:
        return {shard: position for (of, shard), position in self._positions.items() if of == side}

    def discover(self, stream: Stream, shards: Iterable[Shard], now: int, *, whole: bool) -> None:
        """What the stream lists now: all of its shards, or some. `now` is from before it was asked."""
        known = self.known(stream.side)
        since = self._discovered.get(stream.side, self.report.discovered_at)
        for position in discovered(self.report.reader, self.report.run, stream.side, shards, known, since):
            self._put(position)
        if not whole:
            return
        for position in forgettable(shards, known):
            _ = self._positions.pop((position.side, position.shard))
            self._changed.discard((position.side, position.shard))
            _ = self._saved_at.pop((position.side, position.shard), None)
            self._gone.append(position)
        self._discovered[stream.side] = now

    def advance(self, position: ShardPosition, *, after: str = "", finished: bool = False) -> ShardPosition:
        """Everything up to `after` has been dealt with, or the whole shard."""
        moved = replace(position, sequence_number=after or position.sequence_number, finished=finished)
        self._put(moved)
        return moved

    def save(
        self,
        now: float,
        *,
        lag_seconds: float,
        caught_up_at: str,
        beat: int,
        counts: dict[str, int],
        everything: bool = False,
    ) -> Routine[None]:
        """Write the report, and the positions that are due, or all that have changed. One at a time. Raises Fenced.

        `now` is monotonic seconds.
        """
        chosen = sorted(self._changed if everything else self._chosen(now))
        self._changed -= set(chosen)
        gone, self._gone = [each for each in self._gone if (each.side, each.shard) not in self._positions], []
        wanted = replace(
            self.report,
            discovered_at=min(self._discovered.values(), default=self.report.discovered_at),
            caught_up_at=caught_up_at or self.report.caught_up_at,
            lag_seconds=lag_seconds,
            beat=beat,
            counts=counts,
        )
        # Written or not, a later save may repeat it: positions only say again what has been dealt with.
        positions = [self._positions[name] for name in chosen]
        try:
            self.report = yield from save_reader(
                self._control, wanted, positions, gone, known_since=self.report.discovered_at
            )
        except BaseException:
            self._changed |= set(chosen)
            self._gone += gone
            raise
        self._saved_at |= dict.fromkeys(chosen, now)

    def _put(self, position: ShardPosition) -> None:
        name = (position.side, position.shard)
        self._positions[name] = position
        self._changed.add(name)
