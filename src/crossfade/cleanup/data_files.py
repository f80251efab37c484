"""Items as lines of a data file, and back, a little at a time."""

from __future__ import annotations

import hashlib
import json
import zlib
from binascii import Error as Base64Error
from binascii import b2a_base64
from typing import Any, BinaryIO, Final, cast

import orjson

from crossfade.aws.lean.decoding import decode_binary, json_object
from crossfade.aws.lean.encoding import BINARY
from crossfade.cleanup.export_format import DataFile, md5_of
from crossfade.cleanup.steps import SnapshotDamaged
from crossfade.cleanup.storage import Place
from crossfade.core.items import Item

GZIP: Final = 31  # zlib's number for a gzip header and trailer
CHUNK_BYTES: Final = 256 * 1024
INFLATED_BYTES_MAX: Final = 4 * 1024 * 1024  # at a time, however well it was compressed
LINE_BYTES_MAX: Final = 4 * 1024 * 1024  # an item has 400 KB; escapes and base64 make at most some six times that
LEVEL: Final = 6


def line_of(item: Item) -> bytes:
    try:
        return orjson.dumps({"Item": item}, default=_base64, option=orjson.OPT_APPEND_NEWLINE)
    except TypeError:  # half of a surrogate pair in a text, which only the standard library takes
        return json.dumps({"Item": item}, default=_base64).encode() + b"\n"


def item_of(line: bytes) -> Item:
    """Raises ValueError for what is no line of an item."""
    found = json_object(line)
    item = found.get("Item")
    if not isinstance(item, dict) or len(found) != 1:
        raise ValueError("no Item in a line")
    if BINARY.search(line) is not None:
        try:
            decode_binary(found)
        except Base64Error as error:
            raise ValueError(f"a binary value is no base64: {error}") from error
    return cast("Item", item)


def _base64(value: Any) -> str:
    return b2a_base64(cast("bytes", value), newline=False).decode("ascii")


class DataFileWriter:
    """Collects the items of one data file, compressed; there is never more than that in memory."""

    def __init__(self) -> None:
        self.items = 0
        self.bytes = 0  # before compression
        self._compressor = zlib.compressobj(LEVEL, zlib.DEFLATED, GZIP)
        self._parts: list[bytes] = []

    def add(self, item: Item) -> None:
        line = line_of(item)
        self.items += 1
        self.bytes += len(line)
        self._parts.append(self._compressor.compress(line))

    def whole(self, name: str) -> tuple[DataFile, bytes]:
        self._parts.append(self._compressor.flush())
        body = b"".join(self._parts)
        return DataFile(name, self.items, md5_of(body)), body


class DataFileReader:
    """Reads one data file, and at its end has checked it. Raises SnapshotDamaged, which names the file."""

    def __init__(self, place: Place, file: DataFile) -> None:
        self.file = file
        self.items = 0
        try:
            self._stream: BinaryIO = place.open(file.path)
        except FileNotFoundError as error:
            raise SnapshotDamaged(file.path, "is missing") from error
        self._md5 = hashlib.md5(usedforsecurity=False)
        self._sha256 = hashlib.sha256()
        self._inflater = zlib.decompressobj(GZIP)
        self._begun = False
        self._compressed = b""
        self._text = b""
        self._lines: list[bytes] = []
        self._ended = False

    @property
    def sha256(self) -> str:
        """The digest of the compressed bytes, once all is read."""
        return self._sha256.hexdigest()

    def close(self) -> None:
        self._stream.close()

    def batch(self, items_max: int) -> list[Item]:
        """The next items; none: the file has ended and was whole."""
        found: list[Item] = []
        while len(found) < items_max:
            while self._lines and len(found) < items_max:
                found.append(self._item(self._lines.pop()))
            if not self._lines:
                if self._ended:
                    break
                self._more()
        self.items += len(found)
        if not found and self.items != self.file.items:
            raise self._damaged(f"holds {self.items} items, and the manifest says {self.file.items}")
        return found

    def _item(self, line: bytes) -> Item:
        try:
            return item_of(line)
        except ValueError as error:
            raise self._damaged(f"is corrupted: {error}") from error

    def _more(self) -> None:
        """Some lines, in reverse; at the end of the file the checks."""
        data = self._compressed
        if not data:
            try:
                data = self._stream.read(CHUNK_BYTES)
            except FileNotFoundError as error:  # the connection was lost, and meanwhile the object went away
                raise self._damaged("is missing") from error
            self._md5.update(data)
            self._sha256.update(data)
            if not data:
                self._end()
                return
        if self._inflater.eof:  # another gzip member
            self._inflater, self._begun = zlib.decompressobj(GZIP), False
        try:
            text = self._inflater.decompress(data, INFLATED_BYTES_MAX)
        except zlib.error as error:
            raise self._damaged(f"is corrupted: {error}") from error
        self._begun = True
        self._compressed = self._inflater.unconsumed_tail or self._inflater.unused_data
        *lines, self._text = (self._text + text).split(b"\n")
        if len(self._text) > LINE_BYTES_MAX:
            raise self._damaged("is corrupted: a line does not end")
        self._lines = [line for line in reversed(lines) if line]

    def _end(self) -> None:
        self._ended = True
        if self._begun and not self._inflater.eof:
            raise self._damaged("is truncated: it ends in the middle")
        if md5_of_digest(self._md5.digest()) != self.file.md5:
            raise self._damaged(
                f"is not what was written: its MD5 is {md5_of_digest(self._md5.digest())}, and the manifest says"
                f" {self.file.md5}"
            )
        if self._text:
            self._lines, self._text = [self._text], b""

    def _damaged(self, reason: str) -> SnapshotDamaged:
        return SnapshotDamaged(self.file.path, reason)


def md5_of_digest(digest: bytes) -> str:
    return b2a_base64(digest, newline=False).decode("ascii")
