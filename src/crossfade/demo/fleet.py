"""The application processes: started, killed, stopped and let go on again, ended; each by its own process id."""

from __future__ import annotations

import contextlib
import os
import signal
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType
from typing import IO, Self

END_SECONDS = 45.0  # longer than a router waits for what is under way when it is detached


@dataclass(frozen=True, slots=True)
class Crew:
    """What all application processes have in common. `rate` is in actions a second, of one process."""

    endpoint_url: str
    migration_file: Path
    folder: Path
    items: int
    seed: int
    rate: float
    lease_seconds: float
    poll_seconds: float
    threads: int = 2
    bursts: bool = False
    drop_rule: str = ""


class ApplicationError(Exception):
    """An application process ended by itself, or did not start."""


@dataclass(eq=False)
class Application:
    """One process, its journal and what it says."""

    name: str
    journal: Path
    process: subprocess.Popen[str]
    log: Path
    killed: bool = False
    paused: bool = False


class Fleet:
    """`with Fleet(crew) as fleet`: whatever happens, no process is left behind."""

    def __init__(self, crew: Crew) -> None:
        self.crew = crew
        self.applications: list[Application] = []

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        for application in self.applications:
            if application.process.poll() is None:
                application.process.kill()
                _ = application.process.wait()
            if application.process.stdout is not None:
                application.process.stdout.close()

    @property
    def journals(self) -> tuple[Path, ...]:
        return tuple(application.journal for application in self.applications)

    @property
    def living(self) -> list[Application]:
        return [application for application in self.applications if not application.killed]

    def start(self, count: int = 1) -> list[Application]:
        """Start that many at once, and wait until each works. Raises ApplicationError."""
        started = [self._spawn(f"app{len(self.applications) + 1}") for _ in range(count)]
        for application in started:
            self._await_ready(application)
        return started

    def kill(self, application: Application) -> None:
        """Kill the process as `kill -9` does."""
        application.killed = True
        application.process.kill()
        _ = application.process.wait()

    def pause(self, application: Application) -> None:
        application.paused = True
        os.kill(application.process.pid, signal.SIGSTOP)

    def resume(self, application: Application) -> None:
        application.paused = False
        os.kill(application.process.pid, signal.SIGCONT)

    def stop(self) -> None:
        """Let all end what they began. Raises ApplicationError for one that does not, or that had ended before."""
        for application in self.living:
            if application.process.poll() is not None:
                raise ApplicationError(self._said(application, "had ended by itself"))
            if application.paused:
                self.resume(application)
            application.process.terminate()
        for application in self.living:
            try:
                status = application.process.wait(END_SECONDS)
            except subprocess.TimeoutExpired:
                raise ApplicationError(self._said(application, f"did not end in {END_SECONDS:.0f} s")) from None
            if status:
                raise ApplicationError(self._said(application, f"ended with status {status}"))

    def check(self) -> None:
        """Raises ApplicationError when one has ended that should not have."""
        for application in self.living:
            if application.process.poll() is not None:
                raise ApplicationError(self._said(application, "ended by itself"))

    def _spawn(self, name: str) -> Application:
        crew = self.crew
        journal, log = crew.folder / f"{name}.jsonl", crew.folder / f"{name}.log"
        command = [sys.executable, "-m", "crossfade.demo.application"]
        options = {
            "endpoint": crew.endpoint_url,
            "migration": crew.migration_file,
            "journal": journal,
            "name": name,
            "items": crew.items,
            "seed": crew.seed,
            "rate": crew.rate,
            "threads": crew.threads,
            "lease-seconds": crew.lease_seconds,
            "poll-seconds": crew.poll_seconds,
            "parent": os.getpid(),
        }
        command += [f"--{option}={value}" for option, value in options.items()]
        command += ["--bursts"] if crew.bursts else []
        environment = {**os.environ, "CROSSFADE_DROP_RULE": crew.drop_rule}
        with log.open("w") as said:
            process = subprocess.Popen(  # noqa: S603 - our own program
                command, stdout=subprocess.PIPE, stderr=said, text=True, env=environment, start_new_session=True
            )
        application = Application(name, journal, process, log)
        self.applications.append(application)
        return application

    def _await_ready(self, application: Application) -> None:
        said: IO[str] | None = application.process.stdout
        assert said is not None  # noqa: S101 - asked for above
        if said.readline().strip() != "ready":
            with contextlib.suppress(subprocess.TimeoutExpired):
                _ = application.process.wait(1.0)
            raise ApplicationError(self._said(application, "did not start"))

    def _said(self, application: Application, what: str) -> str:
        lines = application.log.read_text(errors="replace").splitlines()[-15:]
        return "\n".join([f"{application.name} (pid {application.process.pid}) {what}", *lines])
