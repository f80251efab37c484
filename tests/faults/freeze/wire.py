"""The service behind the real clients, in memory; and what befalls the steps of one call on their way."""

from __future__ import annotations

import asyncio
import json
import threading
from collections.abc import Callable, Generator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from functools import partial
from typing import Any, Final
from unittest.mock import patch

from botocore.awsrequest import AWSResponse
from botocore.config import Config
from botocore.exceptions import ConnectionClosedError, ReadTimeoutError

from crossfade.aws.lean.connection import Answer
from crossfade.aws.lean.failures import FailureKind, failed
from crossfade.aws.lean.pool import Pool
from crossfade.errors import ServiceRejected
from crossfade.sim.tables import Database
from tests.aws.faults import NO_HEADERS, Raw
from tests.contract.worlds import low_level_client
from tests.faults.freeze.clock import Clock, Killed, Process
from tests.faults.freeze.mishaps import Down, Fate, Mishap, NoSuchThing, Told, is_method
from tests.faults.ways import SILENCE, Body, Ending

LANDING_SECONDS: Final = 2.0  # what is carried out late is so within this
LATE_SECONDS: Final = 1.8
LATENCY_SECONDS: Final = 0.002
TIMEOUT_SECONDS: Final = 0.5  # of a client that hears nothing
LASTING_SECONDS: Final = 15.0  # longer than a lease
STEPS_MAX: Final = 5_000
ENDPOINT: Final = {
    "endpoint_url": "http://127.0.0.1:1", "region_name": "us-east-1", "aws_access_key_id": "x",
    "aws_secret_access_key": "x",
}  # fmt: skip
CONFIG: Final = Config(
    retries={"total_max_attempts": 1},
    parameter_validation=False,
    connect_timeout=LANDING_SECONDS / 2,
    read_timeout=LANDING_SECONDS / 2,
)
ERROR_TYPE: Final = "com.amazonaws.dynamodb.v20120810#"


@dataclass
class Course:
    """One call: its steps from the beginning until all has settled, and what befalls them."""

    clock: Clock
    fate: Fate = ()
    task: asyncio.Task[Any] | None = None  # the caller's
    thread: int = 0  # likewise
    requests: list[Told] = field(default_factory=list[Told])
    hit: list[tuple[str, Mishap, bool]] = field(default_factory=list[tuple[str, Mishap, bool]])  # did the caller wait?
    endless: bool = False
    on_take: Callable[[Mishap], None] = lambda _mishap: None  # Kafka takes the partitions
    _lasting: tuple[Mishap, str] | None = None
    _until: float = 0.0

    @property
    def met(self) -> int:
        """How many of its mishaps came to pass."""
        return len(self.hit)

    @property
    def lasts(self) -> bool:
        return self._lasting is not None and self.clock.now < self._until

    def waited_for(self) -> bool:
        """Whether the caller waits for the step that is being made."""
        if self.task is None:
            return threading.get_ident() == self.thread
        return running_task() is self.task

    def next(self, step: str, body: Body) -> Mishap | None:
        """Of the step that is made now."""
        if len(self.requests) >= STEPS_MAX:
            self.endless = True
            return None
        self.requests.append((step, body))
        mishap = dict(self.fate).get(len(self.requests))
        if mishap is None or not mishap.is_for(step, body) or not self._can(mishap, step):
            return self._still(step, body)
        self.hit.append((step, mishap, self.waited_for()))
        if mishap.ends == "take":
            self.on_take(mishap)
            return None
        if mishap.lasting:
            self._lasting, self._until = (mishap, place_of(step)), self.clock.now + LASTING_SECONDS
        return mishap

    def _can(self, mishap: Mishap, step: str) -> bool:
        """Behind the caller's back nothing is interrupted but coroutines, by themselves."""
        if mishap.ends == "slow":
            return self.task is not None  # a thread that waits would hold virtual time
        return mishap.ends != "cancel" or self.waited_for() or (self.task is not None and is_method(step))

    def _still(self, step: str, body: Body) -> Mishap | None:
        if self._lasting is None or not self.lasts:
            return None
        mishap, place = self._lasting
        return mishap if place == place_of(step) and mishap.is_for(step, body) else None


def running_task() -> asyncio.Task[Any] | None:
    try:
        return asyncio.current_task()
    except RuntimeError:
        return None


def place_of(step: str) -> str:
    return step.split(".")[0] if is_method(step) else "requests"


class Wire:
    """For one world. `watch` is called before each step and behind whatever has landed late."""

    def __init__(self, clock: Clock, database: Database, latency_seconds: float = LATENCY_SECONDS) -> None:
        self.clock = clock
        self.database = database
        self.latency_seconds = latency_seconds
        self.course: Course | None = None
        self.processes: dict[asyncio.AbstractEventLoop, Process] = {}
        self.watch: Callable[[], None] = lambda: None
        self.client: Any = low_level_client(ENDPOINT, CONFIG)
        self.client.meta.events.register("before-send.dynamodb", self._before_send)

    def process(self) -> Process:
        """Another one."""
        made = Process(self.clock)
        self.processes[made.loop] = made
        self.clock.process = made
        return made

    @contextmanager
    def connected(self) -> Generator[None]:
        """Within it every lean client's requests come here."""
        wire = self

        async def exchange(_pool: Pool, data: bytes) -> Answer:
            return await wire.exchange(data)

        with patch.object(Pool, "exchange", exchange):
            yield

    # --- steps

    def meet(self, step: str, body: Body, do: Callable[[], Any]) -> tuple[Mishap | None, Any]:
        """Make a step, or what becomes of it: the mishap, and else what came of it. Raises what `do` raises."""
        self.watch()
        mishap = self.course.next(step, body) if self.course is not None else None
        if mishap is None or mishap.ends == "slow":
            return mishap, do()
        if mishap.late:
            self.clock.at(self.clock.now + LATE_SECONDS, partial(self._land, do))
        elif mishap.done:
            quietly(do)
        return mishap, None

    def _land(self, do: Callable[[], Any]) -> None:
        self.watch()
        quietly(do)

    def blocking(self, step: str, do: Callable[[], Any]) -> Any:
        """A method of a repository, in the thread that calls it."""
        process = self.clock.process
        if process is not None and process.dead:
            raise Killed
        mishap, answer = self.meet(step, {}, do)
        if mishap is not None:
            self._end(mishap, step)
        return answer

    async def awaited(self, step: str, body: Body, do: Callable[[], Any]) -> tuple[Mishap | None, Any]:
        """Any step, on a loop."""
        process = self.processes[asyncio.get_running_loop()]
        if process.dead:
            await for_ever()
        await asyncio.sleep(self.latency_seconds)
        mishap, answer = self.meet(step, body, do)
        if mishap is not None:
            await self._end_awaited(mishap, step, process)
        await asyncio.sleep(self.latency_seconds)
        return mishap, answer

    def _end(self, mishap: Mishap, step: str) -> None:
        match mishap.ends:
            case "raise":
                raise Down(f"{step}: {mishap.name}")
            case "refuse":
                raise NoSuchThing(step)
            case "cancel":
                raise KeyboardInterrupt
            case "kill":
                assert self.clock.process is not None
                self.clock.process.kill()
                raise Killed
            case "answer" | "take" | "slow":
                pass

    async def _end_awaited(self, mishap: Mishap, step: str, process: Process) -> None:
        if mishap.ends == "slow":
            await asyncio.sleep(LANDING_SECONDS)
            return
        if mishap.ends == "kill":
            process.kill()
            await for_ever()
        if mishap.ends == "cancel":
            if self.course is not None and self.course.task is not None and self.course.waited_for():
                _ = self.course.task.cancel()
                await for_ever()
            raise asyncio.CancelledError
        self._end(mishap, step)

    # --- requests

    def _before_send(self, request: Any, **_: Any) -> AWSResponse:
        """Of the client of botocore, in its caller's thread."""
        operation = text(request.headers["X-Amz-Target"]).partition(".")[2]
        body: Body = json.loads(request.body)
        mishap, answer = self.meet(operation, body, partial(self._carried_out, operation, body))
        if mishap is not None and mishap.ends != "answer":
            self._end(mishap, operation)
        ending = answer if mishap is None else ending_of(mishap, operation, body)
        if isinstance(ending, str):
            raise ConnectionClosedError(endpoint_url=request.url)
        status_code, content = ending
        if status_code == SILENCE:
            self.clock.sleep(TIMEOUT_SECONDS)
            raise ReadTimeoutError(endpoint_url=request.url)
        return AWSResponse(request.url, status_code, NO_HEADERS, Raw(json.dumps(content).encode()))

    async def exchange(self, data: bytes) -> Answer:
        """Of a lean client. Raises Failure."""
        head, _, content = data.partition(b"\r\n\r\n")
        target = next(line for line in head.decode().split("\r\n") if line.lower().startswith("x-amz-target"))
        operation, body = target.partition(".")[2], json.loads(content)
        mishap, answer = await self.awaited(operation, body, partial(self._carried_out, operation, body))
        ending = answer if mishap is None else ending_of(mishap, operation, body)
        if isinstance(ending, str):
            raise failed(FailureKind.BROKEN, "reset")
        status_code, answered = ending
        if status_code == SILENCE:
            await asyncio.sleep(TIMEOUT_SECONDS)
            raise failed(FailureKind.TIMEOUT, "no answer")
        return Answer(status_code, {}, json.dumps(answered).encode())

    def _carried_out(self, operation: str, body: Body) -> tuple[int, Body]:
        try:
            reply = self.database.perform(operation, body, self.clock.now)
        except ServiceRejected as error:
            more = {name: value for name, value in error.response.items() if name in ("Item", "CancellationReasons")}
            return 400, {"__type": f"{ERROR_TYPE}{error.code}", "message": error.text, **more}
        return 200, {name: value for name, value in reply.items() if name != "ResponseMetadata"}


def ending_of(mishap: Mishap, operation: str, body: Body) -> Ending:
    assert mishap.way is not None
    ending = mishap.way.ending(operation, body)
    assert ending is not None
    return ending


def quietly(do: Callable[[], Any]) -> None:
    """Whatever it says, nobody hears it."""
    with suppress(Exception):
        _ = do()


async def for_ever() -> None:
    _ = await asyncio.get_running_loop().create_future()


def text(value: Any) -> str:
    return value.decode() if isinstance(value, bytes) else str(value)
