"""A body in chunks (RFC 9112, section 7.1), as it arrives."""

from __future__ import annotations

from typing import Final

LINE_BYTES_MAX: Final = 4096  # of a chunk's size with its extensions, or of a trailer: nobody sends such


class ChunkedBody:
    """Fed with what arrives; knows when it is whole. Raises ValueError for what is no chunk."""

    __slots__ = ("_buffer", "_in_trailer", "_parts", "_remaining", "size")

    def __init__(self) -> None:
        self._buffer = bytearray()
        self._parts: list[bytes] = []
        self._remaining = 0  # of the chunk under way, with the line end after it
        self._in_trailer = False
        self.size = 0

    def feed(self, data: bytes) -> bool:
        """Whether the body is whole now."""
        buffer = self._buffer
        buffer += data
        while True:
            if self._remaining:
                if len(buffer) < self._remaining:
                    return False
                self._take_chunk()
            line = self._line()
            if line is None:
                return False
            if self._in_trailer:
                if not line:
                    return True
            else:
                self._begin(line)

    def whole(self) -> bytes:
        return b"".join(self._parts)

    def _take_chunk(self) -> None:
        size = self._remaining - 2
        if not self._buffer.startswith(b"\r\n", size):
            raise ValueError("a chunk is longer than it says")
        self._parts.append(bytes(self._buffer[:size]))
        del self._buffer[: self._remaining]
        self._remaining = 0

    def _begin(self, line: bytes) -> None:
        text = line.partition(b";")[0].strip()
        if not text or text.strip(b"0123456789abcdefABCDEF"):
            raise ValueError(f"{line!r} is no size of a chunk")
        size = int(text, 16)
        self.size += size
        self._in_trailer = size == 0
        self._remaining = size + 2 if size else 0

    def _line(self) -> bytes | None:
        end = self._buffer.find(b"\r\n")
        if end < 0:
            if len(self._buffer) > LINE_BYTES_MAX:
                raise ValueError("a line between two chunks does not end")
            return None
        line = bytes(self._buffer[:end])
        del self._buffer[: end + 2]
        return line
