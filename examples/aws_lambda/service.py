"""A stand-in for Lambda: environments that are thawed for an event, and frozen when it was answered, or ended then."""

from __future__ import annotations

import json
import os
import random
import signal
import subprocess
import sys
import threading
from types import TracebackType
from typing import Any, Self

from examples.play import ROOT, Journal

CALLERS = 3  # events at once
ENVIRONMENTS_MAX = 8
PAUSE_SECONDS = 0.15  # of a caller: so most environments sleep for longer than their lease lasts
ENDED = 0.04  # of the answers are an environment's last


class Environment:
    """One process, frozen whenever it has nothing to do."""

    def __init__(self, environment: dict[str, str]) -> None:
        command = [sys.executable, "-m", "examples.aws_lambda.environment"]
        self._process = subprocess.Popen(
            command, cwd=ROOT, env=environment, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True,
            start_new_session=True,
        )  # fmt: skip
        self._answer()
        os.kill(self._process.pid, signal.SIGSTOP)

    def invoke(self, event: dict[str, Any]) -> Any:
        """What came of an event. Raises EOFError where the process has ended by itself."""
        assert self._process.stdin is not None  # noqa: S101 - a pipe
        os.kill(self._process.pid, signal.SIGCONT)
        self._process.stdin.write(json.dumps(event) + "\n")
        self._process.stdin.flush()
        answer = self._answer()
        os.kill(self._process.pid, signal.SIGSTOP)
        return answer

    def end(self) -> None:
        """While it is frozen: it learns nothing of it."""
        self._process.kill()
        _ = self._process.wait()

    def _answer(self) -> Any:
        assert self._process.stdout is not None  # noqa: S101 - a pipe
        line = self._process.stdout.readline()
        if not line:
            raise EOFError(f"an environment ended by itself, with status {self._process.wait()}")
        return json.loads(line)


class Functions:
    """Callers that have carts filled by whatever environment is free, each its own."""

    def __init__(self, environment: dict[str, str], journals: list[Journal]) -> None:
        self._environment = environment
        self._free: list[Environment] = []
        self._lock = threading.Lock()
        self._stop = threading.Event()
        self._threads = [
            threading.Thread(target=self._calls, args=(n, journal), name=f"caller {n}", daemon=True)
            for n, journal in enumerate(journals)
        ]
        self.wrong: list[str] = []
        self.calls = self.started = self.ended = 0

    def __enter__(self) -> Self:
        for thread in self._threads:
            thread.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._stop.set()
        for thread in self._threads:
            thread.join()
        for each in self._free:
            each.end()

    def _calls(self, caller: int, journal: Journal) -> None:
        chance = random.Random(f"caller {caller}")
        known: dict[str, Any] = {}
        while not self._stop.wait(PAUSE_SECONDS * 2 * chance.random()):
            cart = f"{caller}-{chance.randrange(12):02d}"
            what = chance.choices(("add", "look", "empty"), (5, 4, 1))[0]
            event = {"what": what, "customer": f"customer {caller}", "cart": cart, "number": self.calls}
            try:
                told = self._invoke(event, chance)
            except EOFError as error:
                self.wrong.append(str(error))
                return
            if "raised" in told:
                self.wrong.append(f"{what} of {cart}: {told['raised']}")
            elif what == "look" and told["returned"] != known.get(cart):
                self.wrong.append(f"{cart}: found {told['returned']}, not {known.get(cart)}")
            elif what != "look":
                known[cart] = told["returned"]
                journal.write(f"customer {caller}/{cart}", told["returned"])

    def _invoke(self, event: dict[str, Any], chance: random.Random) -> Any:
        with self._lock:
            self.calls += 1
            is_new = not self._free or (self.started - self.ended < ENVIRONMENTS_MAX and chance.random() < 0.1)
            self.started += is_new
            found = None if is_new else self._free.pop(chance.randrange(len(self._free)))
        environment = found or Environment(self._environment)
        told = environment.invoke(event)
        if chance.random() < ENDED:
            environment.end()
            with self._lock:
                self.ended += 1
        else:
            with self._lock:
                self._free.append(environment)
        return told
