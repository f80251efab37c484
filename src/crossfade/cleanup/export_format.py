"""A snapshot's files, in the form of DynamoDB's own full export to S3.

    AWSDynamoDB/ID/manifest-summary.json, .md5, .checksum    one JSON object; its MD5 in base64
    AWSDynamoDB/ID/manifest-files.json, .md5, .checksum      a line a data file: itemCount, md5Checksum, etag, name
    AWSDynamoDB/ID/data/NAME.json.gz                         a line an item: {"Item": {...}} in DynamoDB's JSON
    AWSDynamoDB/ID/table.json, .md5                          ours: the table's definition, for restore
    AWSDynamoDB/ID/_started                                  empty

https://docs.aws.amazon.com/amazondynamodb/latest/developerguide/S3DataExport.Output.html calls the checksum files
`.checksum`; what the service writes ends in `.md5`. We write both and read either. `md5Checksum` is of the compressed
file. Keys in a manifest hold the bucket's prefix of the time; a reader takes their last part, so a copy can be read.
"""

from __future__ import annotations

import base64
import hashlib
import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Final

from crossfade.cleanup.steps import SnapshotDamaged
from crossfade.cleanup.storage import Place
from crossfade.errors import ConfigurationError

EXPORTS: Final = "AWSDynamoDB"
SUMMARY: Final = "manifest-summary"
FILES: Final = "manifest-files"
CHECKSUMS: Final = (".md5", ".checksum")
STARTED: Final = "_started"
TABLE: Final = "table.json"
TABLE_CHECKSUM: Final = "table.md5"
VERSION: Final = "2020-06-30"


@dataclass(frozen=True, slots=True)
class DataFile:
    """One line of manifest-files.json. `name` is within `data/`; `md5` is base64, of the compressed bytes."""

    name: str
    items: int
    md5: str

    @property
    def path(self) -> str:
        return f"data/{self.name}"


@dataclass(frozen=True, slots=True)
class Snapshot:
    """What the manifests say. `place` is the folder that they are in."""

    place: Place
    summary: Mapping[str, Any]
    files: tuple[DataFile, ...]

    @property
    def items(self) -> int:
        return int(self.summary["itemCount"])

    @property
    def table_name(self) -> str:
        return str(self.summary.get("tableArn", "")).rpartition("/")[2]


def md5_of(body: bytes) -> str:
    return base64.b64encode(hashlib.md5(body, usedforsecurity=False).digest()).decode()


def new_export_id(moment: datetime, token: str) -> str:
    """Like the service's: milliseconds since 1970 in 14 digits, and 8 hexadecimal digits."""
    return f"{int(moment.timestamp() * 1000):014d}-{token[:8]}"


def data_file_name(token: str) -> str:
    return f"{token}.json.gz"


def manifest_line(place: Place, file: DataFile) -> str:
    etag = base64.b64decode(file.md5).hex()  # of an object that was put in one part
    key = f"{place.prefix}{file.path}"
    return json.dumps({"itemCount": file.items, "md5Checksum": file.md5, "etag": etag, "dataFileS3Key": key})


def write_manifests(place: Place, files: Sequence[DataFile], facts: Mapping[str, Any]) -> None:
    """The last thing that is written: with them a snapshot is whole. `facts` go into the summary."""
    lines = "".join(f"{manifest_line(place, file)}\n" for file in files).encode()
    summary = {
        "version": VERSION,
        **facts,
        "s3Bucket": place.bucket or None,
        "s3Prefix": place.prefix.partition(f"{EXPORTS}/")[0].rstrip("/") or None,
        "s3SseAlgorithm": None,
        "s3SseKmsKeyId": None,
        "manifestFilesS3Key": f"{place.prefix}{FILES}.json",
        "itemCount": sum(file.items for file in files),
        "outputFormat": "DYNAMODB_JSON",
        "exportType": "FULL_EXPORT",
    }
    for name, body in ((FILES, lines), (SUMMARY, json.dumps(summary, indent=1).encode())):
        place.write(f"{name}.json", body)
        for ending in CHECKSUMS:
            place.write(name + ending, md5_of(body).encode())


def export_folder(place: Place) -> Place:
    """The folder of the manifests: the given one, or the only export below it. ConfigurationError where unclear."""
    try:
        place.open(f"{SUMMARY}.json").close()
    except FileNotFoundError:
        pass
    else:
        return place
    found = place.folders(EXPORTS)
    if len(found) == 1:
        return place.below(EXPORTS).below(found[0])
    if not found:
        raise ConfigurationError(
            f"{place.text} holds no snapshot: neither {SUMMARY}.json nor {EXPORTS}/ is there",
            next_step="give the folder that holds manifest-summary.json",
        )
    raise ConfigurationError(
        f"{place.text} holds {len(found)} snapshots: {', '.join(found)}",
        next_step=f"give one of them: {place.text}/{EXPORTS}/{found[-1]}",
    )


def read_manifests(place: Place) -> Snapshot:
    """Raises SnapshotDamaged where the manifests are not whole or do not fit one another."""
    summary = _json(f"{SUMMARY}.json", _checked(place, SUMMARY))
    lines = _checked(place, FILES).splitlines()
    files = tuple(_data_file(_json(f"{FILES}.json", line)) for line in lines if line.strip())
    if summary.get("outputFormat") != "DYNAMODB_JSON" or summary.get("exportType", "FULL_EXPORT") != "FULL_EXPORT":
        kind = f"{summary.get('outputFormat')}, {summary.get('exportType')}"
        raise ConfigurationError(f"{place.text} is an export of another kind ({kind}): a full one in JSON is needed")
    if len({file.name for file in files}) != len(files):
        raise SnapshotDamaged(f"{FILES}.json", "names a data file twice")
    listed = sum(file.items for file in files)
    if listed != summary.get("itemCount"):
        raise SnapshotDamaged(
            f"{SUMMARY}.json", f"says {summary.get('itemCount')} items, but {FILES}.json lists {listed}"
        )
    return Snapshot(place, summary, files)


def write_table(place: Place, document: Mapping[str, Any]) -> None:
    """Write our definition of the table, and its checksum, beside the data."""
    body = json.dumps(document, indent=1).encode()
    place.write(TABLE, body)
    place.write(TABLE_CHECKSUM, md5_of(body).encode())


def read_table(place: Place) -> dict[str, Any] | None:
    """Return our definition of the table; None where there never was one (an export of the service's own).

    Raises SnapshotDamaged where it is not what was written.
    """
    checksum = _optional(place, TABLE_CHECKSUM)
    body = _optional(place, TABLE)
    if body is None:
        if checksum is None:
            return None
        raise SnapshotDamaged(TABLE, "is missing")
    if checksum is not None and checksum.decode("ascii", "replace").strip() != md5_of(body):
        raise SnapshotDamaged(TABLE, f"its MD5 is {md5_of(body)}, and {TABLE_CHECKSUM} says another")
    return _json(TABLE, body)


def _optional(place: Place, name: str) -> bytes | None:
    try:
        return read_whole(place, name)
    except SnapshotDamaged:
        return None


def read_whole(place: Place, name: str) -> bytes:
    """A small file."""
    try:
        with place.open(name) as file:
            return file.read()
    except FileNotFoundError as error:
        raise SnapshotDamaged(name, "is missing") from error


def _checked(place: Place, name: str) -> bytes:
    body = read_whole(place, f"{name}.json")
    for ending in CHECKSUMS:
        try:
            wanted = read_whole(place, name + ending).decode("ascii", "replace").strip()
        except SnapshotDamaged:
            continue
        if wanted != md5_of(body):
            raise SnapshotDamaged(f"{name}.json", f"its MD5 is {md5_of(body)}, and {name}{ending} says {wanted}")
        return body
    raise SnapshotDamaged(name + CHECKSUMS[0], "is missing")


def _json(name: str, body: bytes) -> dict[str, Any]:
    try:
        found = json.loads(body)
    except ValueError as error:
        raise SnapshotDamaged(name, f"is no JSON: {error}") from error
    if not isinstance(found, dict):
        raise SnapshotDamaged(name, "is no JSON object")
    return found  # pyright: ignore[reportUnknownVariableType]


def _data_file(line: Mapping[str, Any]) -> DataFile:
    try:
        key, items, md5 = str(line["dataFileS3Key"]), int(line["itemCount"]), str(line["md5Checksum"])
    except (KeyError, TypeError, ValueError) as error:
        raise SnapshotDamaged(f"{FILES}.json", f"a line lacks {error}") from error
    return DataFile(key.rpartition("/")[2], items, md5)
