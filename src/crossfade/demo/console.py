"""What the demo prints: short lines for people, nothing wider than a hundred characters; or nothing, for a program."""

from __future__ import annotations

import sys
import textwrap
import time
from typing import TextIO

WIDTH = 100
PROGRESS_SECONDS_TERMINAL = 0.2
PROGRESS_SECONDS_FILE = 5.0


class Console:
    """`quiet` says nothing at all. Progress is one line that changes on a terminal; elsewhere a line now and then."""

    def __init__(self, *, quiet: bool = False, out: TextIO | None = None) -> None:
        self._out: TextIO = out or sys.stdout
        self._quiet = quiet
        self._terminal = self._out.isatty()
        self._began = time.monotonic()
        self._progress_at = 0.0
        self._unfinished = False

    def chapter(self, title: str) -> None:
        """A new part of the story, with the time since the beginning."""
        elapsed = time.monotonic() - self._began
        head = f"[{elapsed:5.1f} s] {title}"
        self._line("")
        self._line(f"\x1b[1m{head}\x1b[0m" if self._terminal else head)

    def command(self, text: str) -> None:
        """What a user would type here."""
        self._line(f"  $ {text}")

    def say(self, text: str) -> None:
        for line in textwrap.wrap(text, WIDTH - 4, break_long_words=False, break_on_hyphens=False):
            self._line(f"    {line}")

    def block(self, text: str) -> None:
        """Text whose lines are as they should be."""
        for line in text.splitlines():
            self._line(f"    {line}"[:WIDTH])

    def output(self, line: str) -> None:
        """A line that a command has printed."""
        self._line(f"  {line}")

    def verdict(self, text: str, *, good: bool) -> None:
        self._line("")
        self._line(f"\x1b[1;{32 if good else 31}m{text}\x1b[0m" if self._terminal else text)

    def progress(self, text: str) -> None:
        """Overwritten by the next thing that is said, where that can be done."""
        now = time.monotonic()
        if self._quiet or now - self._progress_at < (
            PROGRESS_SECONDS_TERMINAL if self._terminal else PROGRESS_SECONDS_FILE
        ):
            return
        self._progress_at = now
        if self._terminal:
            _ = self._out.write(f"\r    {text}\x1b[K"[: WIDTH + 4])
            self._out.flush()
            self._unfinished = True
        else:
            self._line(f"    {text}")

    def _line(self, text: str) -> None:
        if self._quiet:
            return
        if self._unfinished:
            _ = self._out.write("\r\x1b[K")
            self._unfinished = False
        _ = self._out.write(text.rstrip() + "\n")
        self._out.flush()
