"""What an application wrote down: of every write the intent before it is sent and the outcome after.

One JSON object a line, handed to the operating system with one call each, so a process killed at any point leaves
whole lines of all that it had begun. An intent without an outcome may have been carried out or not.

    {"i": "app1.0.17", "t": 5.1, "o": "append", "c": "acme", "d": "cart-00000012"}    an intent; a revision: "v" the
                                            version it has seen; a release: "w" the holder it names
    {"i": "app1.0.17", "t": 5.2, "r": "ok", "n": 3}                 its outcome: ok, no (refused), unknown
    {"o": "get", "b": 5.1, "t": 5.2, "c": ..., "d": ..., "s": true, "x": [...]}    a read: begun, ended, what was seen
    {"o": "query", "b": 5.1, "t": 5.2, "c": ..., "f": true, "x": [...]}            a page: forward, documents in order

Times are seconds of the machine's monotonic clock, which all processes share. The id is also the token that the write
leaves in the item. "e" is the kind of an error.
"""

from __future__ import annotations

import json
import os
from collections.abc import Iterator
from pathlib import Path
from types import TracebackType
from typing import Any, Self

Entry = dict[str, Any]


class Journal:
    """For one process; its threads share it, since each entry is one append."""

    def __init__(self, path: Path) -> None:
        self._file = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o644)

    def write(self, entry: Entry) -> None:
        line = json.dumps(entry, separators=(",", ":")).encode() + b"\n"
        if os.write(self._file, line) != len(line):
            raise OSError("the journal took only a part of an entry: is the disk full?")

    def close(self) -> None:
        os.close(self._file)

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()


class Follower:
    """Reads what has been added to a journal since the last look; an unfinished last line is left for the next."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self._offset = 0

    def entries(self) -> Iterator[Entry]:
        if not self.path.exists():
            return
        with self.path.open("rb") as lines:
            _ = lines.seek(self._offset)
            for line in lines:
                if not line.endswith(b"\n"):
                    return
                self._offset += len(line)
                yield json.loads(line)
