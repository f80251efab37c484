"""The processes of a run: started, killed, stopped for a while, ended; each by its own process id."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from dataclasses import dataclass, field
from pathlib import Path
from types import TracebackType
from typing import Final, Self

from tests.histories.scenes import Scene

END_SECONDS: Final = 60.0  # longer than a router waits for what is under way when it is detached
LINES_SHOWN: Final = 15


class ProcessFailed(Exception):
    """A process ended by itself, or did not start or end: no verdict on the protocol."""


@dataclass(eq=False)
class Member:
    name: str
    journal: Path
    log: Path
    process: subprocess.Popen[str]
    killed_at: int | None = None  # nanoseconds of the machine's clock

    @property
    def killed(self) -> bool:
        return self.killed_at is not None


@dataclass
class Crew:
    """`with Crew(...) as crew`: whatever happens, no process is left behind. Used by one thread at a time."""

    scene: Scene
    endpoint_url: str
    folder: Path
    kinds: tuple[str, ...]
    members: list[Member] = field(default_factory=list[Member])

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        for member in self.members:
            if member.process.poll() is None:
                member.process.kill()
                _ = member.process.wait()
            if member.process.stdout is not None:
                member.process.stdout.close()

    @property
    def journals(self) -> list[Path]:
        return [member.journal for member in self.members]

    @property
    def killed(self) -> dict[Path, int]:
        """When each of those that were killed had ended, by its journal."""
        return {member.journal: member.killed_at for member in self.members if member.killed_at is not None}

    @property
    def living(self) -> list[Member]:
        return [member for member in self.members if not member.killed]

    def start(self, count: int = 1) -> None:
        """That many at once; all of them work afterwards. Raises ProcessFailed."""
        started = [self._spawn(f"app{len(self.members) + 1}") for _ in range(count)]
        for member in started:
            assert member.process.stdout is not None
            if member.process.stdout.readline().strip() != "ready":
                raise ProcessFailed(said(member, "did not start"))

    def kill(self, member: Member) -> None:
        """As `kill -9` does."""
        member.process.kill()
        _ = member.process.wait()
        member.killed_at = time.monotonic_ns()

    def pause(self, member: Member) -> None:
        os.kill(member.process.pid, signal.SIGSTOP)

    def resume(self, member: Member) -> None:
        os.kill(member.process.pid, signal.SIGCONT)

    def check(self) -> None:
        """Raises ProcessFailed when one has ended that should not have."""
        for member in self.living:
            if member.process.poll() is not None:
                raise ProcessFailed(said(member, "ended by itself"))

    def end(self) -> None:
        """Let all end what they have begun. Raises ProcessFailed."""
        self.check()
        for member in self.living:
            member.process.terminate()
        for member in self.living:
            try:
                status = member.process.wait(END_SECONDS)
            except subprocess.TimeoutExpired:
                raise ProcessFailed(said(member, f"did not end in {END_SECONDS:.0f} s")) from None
            if status:
                raise ProcessFailed(said(member, f"ended with status {status}"))

    def _spawn(self, name: str) -> Member:
        scene = self.scene
        journal, log = self.folder / f"{name}.jsonl", self.folder / f"{name}.log"
        options = {
            "endpoint": self.endpoint_url,
            "unique": scene.unique,
            "mapping": scene.mapping,
            "strategy": scene.strategy,
            "journal": journal,
            "name": name,
            "seed": scene.seed,
            "rate": scene.rate,
            "threads": scene.threads,
            "kinds": ",".join(self.kinds),
            "drop": scene.drop,
            "client": scene.clients[len(self.members) % len(scene.clients)],
            "role": scene.role,
            "clock-stands-still": int(scene.clock_stands_still),
            "attempts": scene.attempts,
            "parent": os.getpid(),
        }
        command = [
            sys.executable,
            "-m",
            "tests.histories.client",
            *(f"--{name}={value}" for name, value in options.items()),
        ]
        with log.open("w") as errors:
            process = subprocess.Popen(
                command, stdout=subprocess.PIPE, stderr=errors, text=True, start_new_session=True
            )
        member = Member(name, journal, log, process)
        self.members.append(member)
        return member


def said(member: Member, what: str) -> str:
    lines = member.log.read_text(errors="replace").splitlines()[-LINES_SHOWN:]
    return "\n".join([f"{member.name} (pid {member.process.pid}) {what}", *lines])
