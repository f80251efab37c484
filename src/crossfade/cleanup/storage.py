"""Where a snapshot is: a folder, or a bucket of S3. Names are relative to it, with slashes.

A file is there whole or not at all: in a folder it gets its name when it is on the disk, and S3 does the same.
Everything here blocks; on an event loop it is called on a thread.
"""

from __future__ import annotations

import base64
import hashlib
import os
import uuid
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, BinaryIO, Final, Protocol, cast

from botocore.exceptions import BotoCoreError, ClientError

from crossfade.cleanup.streaming import S3Stream
from crossfade.errors import ConfigurationError, CrossfadeError

S3_SCHEME: Final = "s3://"
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
        path.parent.mkdir(parents=True, exist_ok=True)
        whole = path.with_name(f"{path.name}.{uuid.uuid4().hex[:8]}.part")
        with whole.open("wb") as file:
            _ = file.write(body)
            file.flush()
            os.fsync(file.fileno())
        _ = whole.replace(path)
        folder = os.open(path.parent, os.O_RDONLY)
        try:
            os.fsync(folder)  # the name is on the disk too
        finally:
            os.close(folder)

    def open(self, name: str) -> BinaryIO:
        return (self.path / name).open("rb")

    def below(self, name: str) -> Folder:
        return Folder(self.path / name)

    def folders(self, name: str) -> Sequence[str]:
        path = self.path / name
        return sorted(each.name for each in path.iterdir() if each.is_dir()) if path.is_dir() else []


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
        return Bucket(s3(), bucket, f"{prefix.strip('/')}/" if prefix.strip("/") else "")
    path = text.removeprefix("file://").removeprefix("file:")
    if not path:
        raise ConfigurationError("no folder was named", next_step="write a path, or s3://bucket/prefix")
    return Folder(Path(path).expanduser().absolute())
