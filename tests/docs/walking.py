"""A page that is walked: its programs saved under their names, its commands typed in their order, and what they say
held against what the page shows."""

from __future__ import annotations

import os
import re
import subprocess
import sys
import time
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from shlex import split
from typing import IO, Final

ROOT: Final = Path(__file__).parents[2]
SECONDS_MAX: Final = 120.0
ANYTHING: Final = "..."  # on a line of its own: lines; within one: characters


@dataclass(frozen=True, slots=True)
class Shown:
    """A command of a block `console`, and what the page shows of its answer."""

    command: str
    answer: str

    def matches(self, said: str) -> bool:
        return re.fullmatch(pattern_of(self.answer), said.strip() + "\n", re.DOTALL) is not None


def pattern_of(answer: str) -> str:
    """What stands on a page, as an expression that finds it."""
    parts: list[str] = []
    for line in answer.splitlines():
        if line == ANYTHING:
            parts.append(r"(?:[^\n]*\n)*")
        else:
            parts.append("[^\n]*".join(re.escape(part) for part in line.split(ANYTHING)) + "\n")
    return "".join(parts)


def blocks_of(page: Path, kind: str) -> list[str]:
    """The blocks of a page that say what they hold, as `python`; "" for those that do not."""
    found = re.findall(r"^```(\w*)\n(.*?)^```$", page.read_text(encoding="utf-8"), re.MULTILINE | re.DOTALL)
    return [block for said, block in found if said == kind]


def shown_on(page: Path) -> Iterator[Shown]:
    for block in blocks_of(page, "console"):
        for part in re.split(r"^\$ ", block, flags=re.MULTILINE)[1:]:
            command, _, answer = part.partition("\n")
            yield Shown(command, answer.strip("\n") + "\n")


@dataclass
class Terminal:
    """Types commands in a folder, as somebody does who reads the page."""

    folder: Path
    variables: dict[str, str] = field(default_factory=dict[str, str])
    running: list[subprocess.Popen[str]] = field(default_factory=list[subprocess.Popen[str]])

    def save(self, name: str, text: str) -> None:
        _ = (self.folder / name).write_text(text, encoding="utf-8")

    def type(self, command: str) -> str:
        """What it says. It is to end with status 0."""
        with self.begin(command, subprocess.PIPE) as process:
            said, _ = process.communicate(timeout=SECONDS_MAX)
        assert process.returncode == 0, f"{command}: {process.returncode}\n{said}"
        return said

    def leave_running(self, command: str) -> str:
        """What it says in its first moments."""
        output = self.folder / f"said-{len(self.running)}"
        with output.open("w", encoding="utf-8") as file:
            process = self.begin(command, file)
        self.running.append(process)
        until = time.monotonic() + SECONDS_MAX
        while "\n" not in output.read_text(encoding="utf-8"):
            assert process.poll() is None, output.read_text(encoding="utf-8")
            assert time.monotonic() < until
            time.sleep(0.05)
        time.sleep(0.5)
        return output.read_text(encoding="utf-8")

    def begin(self, command: str, output: int | IO[str]) -> subprocess.Popen[str]:
        name, *words = split(command)
        environment = {name: value for name, value in os.environ.items() if not name.startswith("AWS_")}
        environment |= {"PYTHONPATH": str(ROOT / "src"), "COLUMNS": "200", **self.variables}
        return subprocess.Popen(
            [sys.executable, *(["-m", "crossfade.cli"] if name == "crossfade" else []), *words],
            cwd=self.folder,
            env=environment,
            stdin=subprocess.DEVNULL,
            stdout=output,
            stderr=subprocess.STDOUT,
            text=True,
        )

    def close(self) -> None:
        for process in self.running:
            process.kill()
            _ = process.wait()
