"""Places other than a folder: what is asked of S3 and what is made of the answers; data files of other writers.

How the service's own export goes as a whole is in tests/cli/test_cleanup_export.py.
"""

from __future__ import annotations

import gzip
import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import botocore.session
import pytest

from crossfade.cleanup.data_files import DataFileReader, DataFileWriter
from crossfade.cleanup.export_format import DataFile, export_folder, md5_of, read_manifests, write_manifests
from crossfade.cleanup.steps import SnapshotDamaged
from crossfade.cleanup.storage import Bucket, Folder, place_of
from crossfade.cleanup.streaming import TRIES_MAX
from crossfade.core.items import Item
from crossfade.errors import ConfigurationError
from tests.cleanup.s3 import S3

ARN = "arn:aws:dynamodb:us-east-1:123456789012:table/orders"


@pytest.fixture
def s3() -> Iterator[S3]:
    with S3() as served:
        yield served


@pytest.fixture
def client(s3: S3) -> Any:
    session: Any = botocore.session.Session()
    secrets = {"aws_access_key_id": "x", "aws_secret_access_key": "x"}
    return session.create_client("s3", region_name="us-east-1", endpoint_url=s3.url, **secrets)


def test_a_file_is_put_with_its_checksum_and_got_as_a_stream(s3: S3, client: Any) -> None:
    """The request says the MD5, so that the service refuses what was damaged on the way."""
    place = place_of("s3://backups/orders/", lambda: client)
    body = b"some bytes"
    place.write("data/a.gz", body)
    assert s3.objects == {("backups", "orders/data/a.gz"): body}
    assert s3.checksums == [md5_of(body)]
    with place.open("data/a.gz") as file:
        assert (file.read(4), file.read(), file.read()) == (b"some", b" bytes", b"")
    with pytest.raises(FileNotFoundError):
        _ = place.open("data/b.gz")
    with pytest.raises(ConfigurationError, match=r"s3://elsewhere/orders: .*NoSuchBucket"):
        place_of("s3://elsewhere/orders/", lambda: client).write("data/a.gz", body)
    assert place.text == "s3://backups/orders"


def test_a_lost_connection_is_made_anew_and_goes_on_where_it_broke_off(s3: S3, client: Any) -> None:
    """Of the same version of the object: one that was written anew meanwhile is not mixed in."""
    place = Bucket(client, "backups", "")
    body = bytes(range(256)) * 40
    place.write("a", body)
    s3.breaks_off = 3
    with place.open("a") as file:
        assert file.read(1 << 20) == body
    assert s3.ranges == ["bytes=5120-", "bytes=7680-", "bytes=8960-"]
    s3.breaks_off = 1
    with place.open("a") as file:
        assert file.read(100) == body[:100]
        place.write("a", body[::-1])
        with pytest.raises(ConfigurationError, match="PreconditionFailed"):
            _ = file.read(1 << 20)


def test_a_connection_that_gives_nothing_is_told(s3: S3, client: Any) -> None:
    """After some tries in a row, and with the next step; and a file that goes away meanwhile is missing."""
    place = Bucket(client, "backups", "")
    place.write("data/a", b"x")
    s3.breaks_off = TRIES_MAX
    with place.open("data/a") as file, pytest.raises(ConfigurationError, match="is lost time and again"):
        _ = file.read(10)
    s3.breaks_off = 1
    reader = DataFileReader(place, DataFile("a", 1, ""))
    del s3.objects["backups", "data/a"]
    with pytest.raises(SnapshotDamaged, match="data/a: is missing"):
        _ = reader.batch(1)
    reader.close()


def test_a_snapshot_in_s3_is_found_below_its_prefix(s3: S3, client: Any) -> None:
    """The listing names the only export; keys in the manifests hold the prefix."""
    place = Bucket(client, "backups", "orders/")
    folder = place.below("AWSDynamoDB").below("01700000000000-1a2b3c4d")
    writer = DataFileWriter()
    item: Item = {"id": {"S": "a"}}
    writer.add(item)
    file, body = writer.whole("one.json.gz")
    folder.write(file.path, body)
    write_manifests(folder, [file], {"tableArn": ARN})
    written = {key.removeprefix(folder.prefix): body for (_, key), body in s3.objects.items()}
    summary = json.loads(written["manifest-summary.json"])
    assert (summary["s3Bucket"], summary["s3Prefix"]) == ("backups", "orders")
    assert summary["manifestFilesS3Key"] == f"{folder.prefix}manifest-files.json"
    line = json.loads(written["manifest-files.json"])
    assert line["dataFileS3Key"] == f"{folder.prefix}data/one.json.gz"
    found = export_folder(place)
    assert found.text == folder.text
    snapshot = read_manifests(found)
    assert (snapshot.items, snapshot.table_name, snapshot.files) == (1, "orders", (file,))
    reader = DataFileReader(found, snapshot.files[0])
    assert (reader.batch(10), reader.batch(10)) == ([item], [])
    reader.close()


def test_what_is_typed_for_a_place() -> None:
    """A path, file: and s3: are told apart; what names nothing is refused."""
    assert isinstance(place_of("file:backups", lambda: None), Folder)
    with pytest.raises(ConfigurationError, match="names no bucket"):
        _ = place_of("s3://", lambda: None)


def test_two_gzip_members_are_one_file(tmp_path: Path) -> None:
    """As tools that append write them; and a last line without an end counts."""
    body = gzip.compress(b'{"Item":{"id":{"S":"a"}}}\n') + gzip.compress(b'{"Item":{"id":{"S":"b"}}}')
    place = Folder(tmp_path)
    place.write("data/x.json.gz", body)
    reader = DataFileReader(place, DataFile("x.json.gz", 2, md5_of(body)))
    assert [item["id"]["S"] for item in reader.batch(10)] == ["a", "b"]
    assert reader.batch(10) == []
