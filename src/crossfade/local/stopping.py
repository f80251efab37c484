"""What is ended by its `with` block."""

from __future__ import annotations

from types import TracebackType
from typing import Self


class Stoppable:
    """`with it: ...` ends in `stop()`."""

    def stop(self) -> None:
        """End it; calling it twice is fine."""
        raise NotImplementedError

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.stop()
