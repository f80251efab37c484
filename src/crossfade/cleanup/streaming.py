"""An object of S3 as a file that is read from its beginning to its end, however often the connection is lost."""

from __future__ import annotations

import io
from collections.abc import Callable
from typing import Any, Final

from botocore.exceptions import (
    ConnectionClosedError,
    IncompleteReadError,
    ReadTimeoutError,
    ResponseStreamingError,
)

from crossfade.errors import ConfigurationError

LOST: Final = (ConnectionClosedError, IncompleteReadError, ReadTimeoutError, ResponseStreamingError)
TRIES_MAX: Final = 8  # in a row without a byte; the client tries each request several times by itself


class S3Stream(io.RawIOBase):
    """`reply` is GetObject's; `again` asks for the same object with further parameters.

    All that is read is of one version of the object, which its ETag names. Raises what `again` raises, and
    ConfigurationError where the connection is lost time and again.
    """

    def __init__(self, reply: Any, again: Callable[..., Any]) -> None:
        super().__init__()
        self._again = again
        self._body: Any = reply["Body"]
        self._same = {"IfMatch": str(reply["ETag"])} if "ETag" in reply else {}
        self._at = 0
        self._length = int(reply["ContentLength"])

    def readable(self) -> bool:
        return True

    def read(self, size: int = -1, /) -> bytes:
        left = self._length - self._at
        wanted = left if size < 0 else min(size, left)
        parts: list[bytes] = []
        tries = 0
        while wanted:
            try:
                part = self._some(wanted)
            except LOST as error:
                tries += 1
                if tries == TRIES_MAX:
                    raise ConfigurationError(
                        f"the connection to S3 is lost time and again: {error}", next_step="the same command goes on"
                    ) from error
                self._body.close()
                self._body = self._again(Range=f"bytes={self._at}-", **self._same)["Body"]
            else:
                parts.append(part)
                self._at += len(part)
                wanted -= len(part)
                tries = 0
        return b"".join(parts)

    def close(self) -> None:
        if not self.closed:
            self._body.close()
        super().close()

    def _some(self, size: int) -> bytes:
        part: bytes = self._body.read(size)
        if not part:
            raise IncompleteReadError(actual_bytes=self._at, expected_bytes=self._length)
        return part
