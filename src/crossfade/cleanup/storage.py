"""Where a snapshot is: a folder, or a bucket of S3. Names are relative to it, with slashes.

A file is there whole or not at all: in a folder it gets its name when it is on the disk, and S3 does the same.
Everything here blocks; on an event loop it is called on a thread.
"""

from __future__ import annotations

import base64
import contextlib
import errno
import hashlib
import io
import os
import re
import uuid
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, BinaryIO, Final, Protocol, cast

from botocore.exceptions import BotoCoreError, ClientError

from crossfade.cleanup.streaming import S3Stream
from crossfade.errors import ConfigurationError, CrossfadeError

S3_SCHEME: Final = "s3://"
SCHEME: Final = re.compile(r"[A-Za-z][A-Za-z0-9+.-]+:/", re.ASCII)  # a slip like s3:/bucket would make a folder `s3:`
BUCKET_NAME: Final = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{2,254}|arn:\S+", re.ASCII)
ABSENT: Final = frozenset({"NoSuchKey", "404", "NotFound"})


class Place(Protocol):
    @property
    def text(self) -> str:
        """The place as people type it."""
        ...

    @property
    def bucket(self) -> str:
        """The bucket; empty for a folder."""
        ...

    @property
    def prefix(self) -> str:
        """What stands before the names within the bucket, with its slash; empty for a folder."""
        ...

    def write(self, name: str, body: bytes) -> None: ...

    def open(self, name: str) -> BinaryIO:
        """Raises FileNotFoundError."""
        ...

    def below(self, name: str) -> Place: ...

    def folders(self, name: str) -> Sequence[str]:
        """The names of the folders right below."""
        ...


@dataclass(frozen=True, slots=True)
class Folder:
    path: Path
    bucket: str = ""
    prefix: str = ""

    @property
    def text(self) -> str:
        return str(self.path)

    def write(self, name: str, body: bytes) -> None:
        path = self.path / name
        part = path.with_name(f"{path.name}.{uuid.uuid4().hex[:8]}.part")
        try:
            path.parent.mkdir(parents=True, exist_ok=True)
            try:
                _write_through(part, body)
                _ = part.replace(path)
            except OSError:
                with contextlib.suppress(OSError):
                    part.unlink(missing_ok=True)
                raise
            _sync_folder(path.parent)  # the name is on the disk too
        except OSError as error:
            raise _no_file(path, error) from error

    def open(self, name: str) -> BinaryIO:
        path = self.path / name
        try:
            return cast("BinaryIO", DiskFile(path))
        except FileNotFoundError:
            raise
        except NotADirectoryError as error:
            raise FileNotFoundError(name) from error
        except OSError as error:
            raise _no_file(path, error) from error

    def below(self, name: str) -> Folder:
        return Folder(self.path / name)

    def folders(self, name: str) -> Sequence[str]:
        path = self.path / name
        try:
            return sorted(each.name for each in path.iterdir() if each.is_dir()) if path.is_dir() else []
        except OSError as error:
            raise _no_file(path, error) from error


class DiskFile(io.RawIOBase):
    """A file of a folder, whose disk may fail while it is read. It raises what `Path.open` does."""

    def __init__(self, path: Path) -> None:
        super().__init__()
        self._path = path
        self._file = path.open("rb")

    def readable(self) -> bool:
        return True

    def read(self, size: int = -1, /) -> bytes:
        try:
            return self._file.read(size)
        except OSError as error:
            raise _no_file(self._path, error) from error

    def close(self) -> None:
        if not self.closed:
            self._file.close()
        super().close()


def _write_through(path: Path, body: bytes) -> None:
    with path.open("wb") as file:
        _ = file.write(body)
        file.flush()
        os.fsync(file.fileno())


def _sync_folder(path: Path) -> None:
    folder = os.open(path, os.O_RDONLY)
    try:
        os.fsync(folder)
    finally:
        os.close(folder)


FULL: Final = frozenset({errno.ENOSPC, errno.EDQUOT, errno.EFBIG})


def _no_file(path: Path, error: OSError) -> ConfigurationError:
    if error.errno in FULL:
        step = (
            "make room, then the same command goes on; or begin anew elsewhere:"
            " crossfade cleanup --step snapshot --again --to PLACE --execute"
        )
        return ConfigurationError(f"{path} cannot be written: {error.strerror}", next_step=step)
    step = "see that it is a folder, and that it may be read and written by you; or give another place"
    return ConfigurationError(f"{path}: {error.strerror or error}", next_step=step)


@dataclass(frozen=True, slots=True)
class Bucket:
    """`client` is a botocore client of S3; it tries again by itself."""

    client: Any
    bucket: str
    prefix: str

    @property
    def text(self) -> str:
        return f"{S3_SCHEME}{self.bucket}/{self.prefix}".rstrip("/")

    def write(self, name: str, body: bytes) -> None:
        md5 = base64.b64encode(hashlib.md5(body, usedforsecurity=False).digest()).decode()
        self._asked(
            lambda: self.client.put_object(Bucket=self.bucket, Key=self.prefix + name, Body=body, ContentMD5=md5)
        )

    def open(self, name: str) -> BinaryIO:
        def get(**more: Any) -> Any:
            try:
                return self.client.get_object(Bucket=self.bucket, Key=self.prefix + name, **more)
            except ClientError as error:
                response: Any = error.response  # pyright: ignore[reportUnknownMemberType]
                if response["Error"]["Code"] in ABSENT:
                    raise FileNotFoundError(name) from error
                raise _no_answer(self.text, error) from error
            except BotoCoreError as error:
                raise _no_answer(self.text, error) from error

        return cast("BinaryIO", S3Stream(get(), get))

    def below(self, name: str) -> Bucket:
        return Bucket(self.client, self.bucket, f"{self.prefix}{name}/")

    def folders(self, name: str) -> Sequence[str]:
        prefix = f"{self.prefix}{name}/"
        reply = self._asked(lambda: self.client.list_objects_v2(Bucket=self.bucket, Prefix=prefix, Delimiter="/"))
        return sorted(each["Prefix"][len(prefix) : -1] for each in reply.get("CommonPrefixes", ()))

    def _asked(self, ask: Callable[[], Any]) -> Any:
        try:
            return ask()
        except (BotoCoreError, ClientError) as error:
            raise _no_answer(self.text, error) from error


def _no_answer(place: str, error: Exception) -> CrossfadeError:
    return ConfigurationError(f"{place}: {error}", next_step="check the bucket, its Region and your rights to it")


def place_of(text: str, s3: Callable[[], Any]) -> Place:
    """Parse `s3://bucket/prefix`, `file:path` or a path. `s3` makes a client when one is needed."""
    if text.startswith(S3_SCHEME):
        bucket, _, prefix = text.removeprefix(S3_SCHEME).partition("/")
        if not bucket:
            raise ConfigurationError(f"{text} names no bucket", next_step="write s3://bucket/prefix")
        if not BUCKET_NAME.fullmatch(bucket):
            raise ConfigurationError(
                f"{text}: {bucket} is no name of a bucket",
                next_step="write s3://bucket/prefix: small letters, digits, dots and hyphens, at least three",
            )
        return Bucket(s3(), bucket, f"{prefix.strip('/')}/" if prefix.strip("/") else "")
    path = text.removeprefix("file://").removeprefix("file:")
    if not path.strip():
        raise ConfigurationError("no folder was named", next_step="write a path, or s3://bucket/prefix")
    if SCHEME.match(path):
        raise ConfigurationError(
            f"{text} is neither a folder nor a bucket", next_step="write a path, or s3://bucket/prefix"
        )
    try:
        folder = Path(path).expanduser().absolute()
        is_file = folder.exists() and not folder.is_dir()
    except (RuntimeError, OSError, ValueError) as error:  # ~somebody unknown, a folder closed to us, a NUL
        raise ConfigurationError(f"{text}: {error}", next_step="write a path, or s3://bucket/prefix") from error
    if is_file:
        raise ConfigurationError(
            f"{folder} is a file, and a snapshot is a folder", next_step="give a folder; it is made where there is none"
        )
    return Folder(folder)
