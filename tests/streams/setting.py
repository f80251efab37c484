"""Two tables with streams, on the embedded engine, and the two jobs that read them."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from dataclasses import replace
from typing import Any, Self

from crossfade.control.coordinator import Coordinator
from crossfade.control.records import Reader, StreamReader
from crossfade.core.stages import Side, Stage
from crossfade.migration import Strategy
from crossfade.streams.finding import enable
from crossfade.streams.replicate import run_replicate
from crossfade.streams.result import ReplicateOptions, ReplicateResult, SeenWrite, WatchOptions, WatchResult
from crossfade.streams.watch import run_watch
from tests.backfill.setting import LANDING_SECONDS, LEASE_SECONDS, Setting, connect, order, order_key
from tests.conftest import Database

DEADLINE_SECONDS = 60.0  # against a hang; nothing is measured
SIDES: tuple[Side, ...] = ("source", "target")


class StreamSetting(Setting):
    """In a stage, with the streams switched on, and a complete backfill of what the applications had written."""

    def __init__(
        self,
        database: Database,
        stage: Stage = Stage.DUALWRITE,
        *,
        backfilled: bool = True,
        streams: bool = True,
        strategy: Strategy = "dual-write",
    ) -> None:
        first = Stage.DUALWRITE if strategy == "dual-write" else Stage.DRAIN
        super().__init__(database, stage=first if backfilled else stage, strategy=strategy)
        if backfilled:
            self.fill(6)
            assert self.backfill().status == "complete"
            self.move_to(stage)
        if streams:
            self.enable_streams()

    def move_to(self, stage: Stage) -> None:
        """`complete` too, which has a command of its own."""
        if stage is not Stage.COMPLETE:
            self.move(stage)
            return
        self.move(Stage.RAMPDOWN)
        assert self.verify().status == "clean"
        _ = self.run(Coordinator(self.control, self.caller, quiet_days=0).complete(confirmed=True))
        self.stage = stage

    def enable_streams(self) -> None:
        for side in SIDES:
            assert self.run(enable(side, self.migration.table_name(side), self.migration.strategy))

    def watch(
        self,
        options: WatchOptions | None = None,
        on_write: Callable[[SeenWrite], None] | None = None,
        stop: threading.Event | None = None,
        **more: Any,
    ) -> WatchResult:
        given = options or WatchOptions(once=True)
        given = replace(given, lease_seconds=LEASE_SECONDS, landing_seconds=LANDING_SECONDS)
        more = {"connect": connect, "caller": self.caller, **more}
        return run_watch(self.migration, self.clients, given, on_write, stop, **more)

    def replicate(
        self,
        options: ReplicateOptions | None = None,
        on_report: Callable[[dict[str, Any]], None] | None = None,
        stop: threading.Event | None = None,
        **more: Any,
    ) -> ReplicateResult:
        given = options or ReplicateOptions(once=True)
        given = replace(given, lease_seconds=LEASE_SECONDS, landing_seconds=LANDING_SECONDS)
        more = {"connect": connect, "caller": self.caller, **more}
        return run_replicate(self.migration, self.clients, given, on_report, stop, **more)

    def report(self, reader: Reader) -> StreamReader | None:
        found: StreamReader | None = self.run(self.control.reader(reader))
        return found

    def stray_put(self, number: int, **more: Any) -> None:
        """By a process without the router."""
        self.put_directly("source", order(number, **more))

    def agrees(self, number: int) -> bool:
        """Whether both sides hold the same under the key of an order."""
        source, target = (self.run(self.pair.read(side, order_key(number))) for side in SIDES)
        return self.pair.equal(source, target)


class Beside:
    """A job on a thread of its own while the test goes on; stopped and joined at the end. Its result is `result`."""

    def __init__(self, job: Callable[[threading.Event], Any]) -> None:
        self.stop = threading.Event()
        self.result: Any = None
        self.error: BaseException | None = None
        self._job = job
        self._thread = threading.Thread(target=self._run, name="beside")

    def _run(self) -> None:
        try:
            self.result = self._job(self.stop)
        except BaseException as error:  # noqa: BLE001 - raised by whoever leaves
            self.error = error

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self.stop.set()
        self._thread.join(DEADLINE_SECONDS)
        assert not self._thread.is_alive()
        if self.error is not None:
            raise self.error

    def until(self, reached: Callable[[], bool]) -> None:
        deadline = time.monotonic() + DEADLINE_SECONDS
        while not reached():
            assert self._thread.is_alive(), f"it has ended: {self.error!r}"
            assert time.monotonic() < deadline, "nothing came of it"
            time.sleep(0.02)
