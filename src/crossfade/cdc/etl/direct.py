"""Without Kafka: the log's reader feeds the applying itself, and its position is kept once all before it is applied.

There is no place for what cannot be applied: it stops, unless the caller has one.
"""

from __future__ import annotations

import asyncio
import queue
import threading
import time
from collections.abc import Awaitable, Callable, Iterable
from dataclasses import dataclass
from functools import partial
from typing import Final

from crossfade.cdc.applying import Destination
from crossfade.cdc.bookkeeping import NO_MARK, Mark
from crossfade.cdc.bookkeeping import Sequence as Bookkeeping
from crossfade.cdc.changes import Change
from crossfade.cdc.checkpoints import Checkpoint, Checkpoints
from crossfade.cdc.etl.applier import Applier, Counts, Run
from crossfade.cdc.etl.lanes import IN_FLIGHT_MAX
from crossfade.cdc.etl.progress import PartitionProgress
from crossfade.cdc.etl.progress import Progress as EtlProgress
from crossfade.cdc.mysql.reader import Commit, Heartbeat, Told
from crossfade.cdc.mysql.snapshot import Progress
from crossfade.errors import CrossfadeError

WAITING_MAX: Final = 2_000  # read and not looked at; some megabytes of rows
TAKEN_MAX: Final = 500
LOOK_SECONDS: Final = 0.2  # between two looks at whether to stop
SAVE_SECONDS: Final = 1.0
ROOM_SECONDS: Final = 1.0

Wall = Callable[[], float]
PutChangeAside = Callable[[Change, CrossfadeError], Awaitable[None]]


@dataclass(slots=True)
class Carried:
    """How far a run of `carry` is, for whoever looks from another thread."""

    mark: Mark = NO_MARK  # all up to its position is applied
    waiting: int = 0  # changes that are read and not applied

    def progress(self, wall: Wall = time.time) -> EtlProgress:
        """Return the progress as if a group read one partition."""
        return EtlProgress((PartitionProgress("log", 0, 0, self.waiting, self.mark),), wall())


async def carry(
    log: Iterable[Told | Progress],
    destination: Destination,
    run: Run,
    checkpoints: Checkpoints,
    found: Checkpoint,
    *,
    stop: Callable[[], bool],
    put_aside: PutChangeAside | None = None,
    in_flight_max: int = IN_FLIGHT_MAX,
    carried: Carried | None = None,
    counts: Counts | None = None,
    wall: Wall = time.time,
) -> Counts:
    """Apply until `stop` says so or the log ends. `found` is what `checkpoints` had, from where the log is read.
    `carried` and `counts` are kept up, for whoever wants to look.

    Raises what reading and applying raise; what was applied until then is kept.
    """
    applier, book, reading = Applier(destination, run, in_flight_max), Bookkeeping(0), _Reading(log)
    number, snapshot, saved, saved_at = 0, found.snapshot, found, 0.0
    carried, applier.counts = carried or Carried(), counts or applier.counts
    now = asyncio.get_running_loop().time

    async def save() -> None:
        nonlocal saved, saved_at
        saved_at, reached = now(), Checkpoint(book.mark.position, book.mark.snapshot)
        if reached.position and reached != saved:
            await asyncio.to_thread(checkpoints.save, reached)
            saved = reached

    try:
        while not stop() and not reading.ended:
            for told in await asyncio.to_thread(reading.take):
                number += 1
                if isinstance(told, Change):
                    book.begin(number)
                    aside = partial(put_aside, told) if put_aside is not None else None
                    applier.put((told.table, told.key), [told], done=partial(book.end, number), put_aside=aside)
                    while not await applier.lanes.room(ROOM_SECONDS):
                        pass  # applying repeats what is busy for as long as that takes
                elif isinstance(told, Progress):
                    snapshot = str(told)
                elif isinstance(told, (Commit, Heartbeat)):
                    at = told.committed_at if isinstance(told, Commit) else wall() if told.at_end else 0.0
                    book.begin(number, Mark(str(told.position), at, snapshot))
                    book.end(number)
            applier.lanes.raise_failure()
            carried.mark, carried.waiting = book.mark, applier.lanes.in_flight
            if now() - saved_at >= SAVE_SECONDS:
                await save()
        await applier.lanes.settled()
    finally:
        reading.close()
        await applier.lanes.close()
        await save()
    reading.raise_failure()
    return applier.counts


class _Reading:
    """The log on a thread of its own, which waits where nobody takes what it has read."""

    def __init__(self, log: Iterable[Told | Progress]) -> None:
        self._queue: queue.Queue[Told | Progress] = queue.Queue(WAITING_MAX)
        self._closed = threading.Event()
        self._failure: BaseException | None = None
        self._thread = threading.Thread(target=self._read, args=(log,), name="crossfade-log", daemon=True)
        self._thread.start()

    @property
    def ended(self) -> bool:
        """True if nothing more will come."""
        return not self._thread.is_alive() and self._queue.empty()

    def take(self) -> list[Told | Progress]:
        """What was read, in its order; nothing where nothing comes for a moment."""
        taken: list[Told | Progress] = []
        try:
            taken.append(self._queue.get(timeout=LOOK_SECONDS))
            while len(taken) < TAKEN_MAX:
                taken.append(self._queue.get_nowait())
        except queue.Empty:
            pass
        return taken

    def close(self) -> None:
        """The thread ends with the next thing that the log tells."""
        self._closed.set()

    def raise_failure(self) -> None:
        if self._failure is not None:
            raise self._failure

    def _read(self, log: Iterable[Told | Progress]) -> None:
        try:
            for told in log:
                if not self._hand_over(told):
                    return
        except BaseException as error:  # noqa: BLE001 - raised where the log is applied
            self._failure = error

    def _hand_over(self, told: Told | Progress) -> bool:
        while not self._closed.is_set():
            try:
                self._queue.put(told, timeout=LOOK_SECONDS)
            except queue.Full:
                continue
            return True
        return False
