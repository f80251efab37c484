"""Programs that go on until they are told to end: `python -m tests.processes.programs NAME`.

With HELP in the environment they have called `detach_on_sigterm()`; in everything else they are the same.
"""

from __future__ import annotations

import asyncio
import atexit
import concurrent.futures
import importlib
import itertools
import multiprocessing
import os
import signal
import sys
import threading
import time
from collections.abc import Callable
from typing import Any, Final

from aiobotocore.session import AioSession
from botocore.exceptions import ClientError

from crossfade import detach_on_sigterm
from tests.processes.setting import Journal, Writer, attached, item, migration

HELP: Final = "HELP" in os.environ


def helped() -> None:
    if HELP:
        assert detach_on_sigterm()


def writes_on_and_on(writer: Writer, head: str) -> None:
    for number in itertools.count():
        writer.write(f"{head}-{number}")


def main_thread() -> None:
    """Is in the middle of a call whenever the signal comes."""
    helped()
    writes_on_and_on(Writer(), "main")


def threads() -> None:
    """The main thread only waits for others."""
    writer = Writer()
    helped()
    for name in ("one", "two"):
        threading.Thread(target=writes_on_and_on, args=(writer, name), daemon=True).start()
    while True:
        time.sleep(60)


def idle() -> None:
    """Has written, and waits for what never comes."""
    writer = Writer()
    helped()
    for number in range(10):
        writer.write(f"idle-{number}")
    _ = threading.Event().wait()


def on_a_loop() -> None:
    """A client of aiobotocore, and two tasks."""

    async def work() -> None:
        helped()
        session: Any = AioSession()
        async with session.create_client("dynamodb") as client:
            _ = attached(client)
            journal, table = Journal(os.environ["JOURNAL"]), migration().source.name

            async def write(head: str) -> None:
                for number in itertools.count():
                    await client.put_item(TableName=table, Item=item(f"{head}-{number}"))
                    journal.note(f"{head}-{number}")

            _ = await asyncio.gather(write("one"), write("two"))

    asyncio.run(work())


def forked() -> None:
    """A child of os.fork() that has a client of its own; the parent only waits, and passes the signal on."""
    writer = Writer()
    helped()
    child = os.fork()
    if child == 0:
        writes_on_and_on(writer, "child")
    writer.write("parent")

    def pass_on(number: int, _frame: object) -> None:
        os.kill(child, number)

    _ = signal.signal(signal.SIGTERM, pass_on)
    _, status = os.waitpid(child, 0)
    sys.exit(0 if os.waitstatus_to_exitcode(status) == -signal.SIGTERM else 1)


# --- what may stand in the way of a signal


def stuck() -> None:
    """Leaving takes its whole time: a write whose answer does not come is under way for ever."""
    assert detach_on_sigterm(float(os.environ["SECONDS"]))
    writer = Writer()
    _ = writer.router.agent.begin(strict=True)
    writer.write("stuck")
    _ = threading.Event().wait()


def handled() -> None:
    """The program has a handler of its own, which ends Python in order."""

    def end(_number: int, _frame: object) -> None:
        sys.exit(7)

    _ = signal.signal(signal.SIGTERM, end)
    assert not detach_on_sigterm()
    writer = Writer()
    writer.write("handled")
    while True:
        time.sleep(60)


def ending_already() -> None:
    """The signal comes while Python is ending, and leaving already."""
    helped()
    writer = Writer()
    for number in range(20):
        writer.write(f"ending-{number}")
    threading.Timer(0.0, os.kill, (os.getpid(), signal.SIGTERM)).start()


def late() -> None:
    """Asks for something when its process has left already: by what was registered to run at exit before it
    attached."""
    refused: list[str] = []
    writers: list[Writer] = []

    def write(order: str) -> None:
        try:
            writers[0].write(order)
        except ClientError as error:
            response: Any = error.response
            refused.append(response["Error"]["Code"])

    def at_exit() -> None:
        write("at-exit")
        _ = sys.stdout.write(" ".join(refused))

    _ = atexit.register(at_exit)
    writers.append(Writer())
    writers[0].write("in-time")


def uvicorn_run() -> None:
    """A program that runs uvicorn by itself, which hands the signal on to the handler that was there before it."""
    assert detach_on_sigterm()
    uvicorn: Any = importlib.import_module("uvicorn")
    uvicorn.run("tests.processes.served:asgi_plain", port=int(os.environ["PORT"]))


# --- children that end by themselves: nobody calls detach, or detach_on_sigterm, in any of them


def child_writes(head: str) -> None:
    writer = Writer()
    for number in range(5):
        writer.write(f"{head}-{number}")


def children(method: str) -> None:
    context: Any = multiprocessing.get_context(method)
    made = [context.Process(target=child_writes, args=(f"{method}-{number}",)) for number in range(2)]
    for child in made:
        child.start()
    for child in made:
        child.join()
    sys.exit(max(child.exitcode for child in made))


WRITER: list[Writer] = []


def inherited_writes(number: int) -> None:
    WRITER[0].write(f"inherited-{number}")


def inheriting() -> None:
    """The parent has attached, and the children have it from the fork."""
    WRITER.append(Writer())
    context: Any = multiprocessing.get_context("fork")
    child = context.Process(target=inherited_writes, args=(1,))
    child.start()
    child.join()
    sys.exit(child.exitcode)


def executor() -> None:
    """Workers of concurrent.futures."""
    context: Any = multiprocessing.get_context("fork")
    with concurrent.futures.ProcessPoolExecutor(2, mp_context=context) as pool:
        _ = list(pool.map(child_writes, ["a", "b", "c"]))


# --- a pool ends its workers by SIGTERM


def begin_worker() -> None:
    helped()
    WRITER.append(Writer())


def child_until_terminated(written: Any) -> None:
    begin_worker()
    WRITER[0].write("child")
    written.set()
    _ = threading.Event().wait()


def terminated() -> None:
    context: Any = multiprocessing.get_context("spawn")
    written = context.Event()
    child = context.Process(target=child_until_terminated, args=(written,))
    child.start()
    written.wait()
    child.terminate()
    child.join()
    assert child.exitcode == -signal.SIGTERM


def pool(method: str) -> None:
    with multiprocessing.get_context(method).Pool(2, initializer=begin_worker) as made:
        _ = made.map(inherited_writes, range(8))


PROGRAMS: Final[dict[str, Callable[[], None]]] = {
    "main_thread": main_thread,
    "threads": threads,
    "idle": idle,
    "on_a_loop": on_a_loop,
    "forked": forked,
    "stuck": stuck,
    "handled": handled,
    "ending_already": ending_already,
    "late": late,
    "uvicorn_run": uvicorn_run,
    "fork": lambda: children("fork"),
    "spawn": lambda: children("spawn"),
    "forkserver": lambda: children("forkserver"),
    "inheriting": inheriting,
    "executor": executor,
    "terminated": terminated,
    "pool_fork": lambda: pool("fork"),
    "pool_spawn": lambda: pool("spawn"),
}

if __name__ == "__main__":
    PROGRAMS[sys.argv[1]]()
