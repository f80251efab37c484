"""S3 and the service's own export, behind botocore's Stubber: what is asked, and what is made of the answers."""

from __future__ import annotations

import gzip
import io
import json
from pathlib import Path
from typing import Any

import pytest
from botocore.response import StreamingBody

from crossfade.cleanup.export import await_export, begin_export, can_export
from crossfade.cleanup.export_format import DataFile, export_folder, md5_of, read_manifests, write_manifests
from crossfade.cleanup.lines import DataFileReader, DataFileWriter
from crossfade.cleanup.places import Bucket, Folder, place_of
from crossfade.core.items import Item
from crossfade.errors import ConfigurationError, Refused
from tests.cleanup.stubs import client_of, stubbed

ARN = "arn:aws:dynamodb:us-east-1:123456789012:table/orders"
EXPORT = f"{ARN}/export/01700000000000-1a2b3c4d"


def test_a_file_is_put_with_its_checksum_and_got_as_a_stream() -> None:
    """The request says the MD5, so that the service refuses what was damaged on the way."""
    client = client_of("s3")
    place = place_of("s3://backups/orders/", lambda: client)
    body = b"some bytes"
    with stubbed(client) as stubber:
        put = {"Bucket": "backups", "Key": "orders/data/a.gz", "Body": body, "ContentMD5": md5_of(body)}
        stubber.add_response("put_object", {}, put)
        stream = StreamingBody(io.BytesIO(body), len(body))
        stubber.add_response("get_object", {"Body": stream}, {"Bucket": "backups", "Key": "orders/data/a.gz"})
        stubber.add_client_error("get_object", "NoSuchKey", http_status_code=404)
        stubber.add_client_error("put_object", "AccessDenied", "no")
        place.write("data/a.gz", body)
        assert place.open("data/a.gz").read() == body
        with pytest.raises(FileNotFoundError):
            _ = place.open("data/b.gz")
        with pytest.raises(ConfigurationError, match=r"s3://backups/orders: .*AccessDenied"):
            place.write("data/a.gz", body)
    assert place.text == "s3://backups/orders"


def test_a_snapshot_in_s3_is_found_below_its_prefix() -> None:
    """The listing names the only export; keys in the manifests hold the prefix."""
    client = client_of("s3")
    place = Bucket(client, "backups", "orders/")
    folder = place.below("AWSDynamoDB").below("01700000000000-1a2b3c4d")
    writer = DataFileWriter()
    item: Item = {"id": {"S": "a"}}
    writer.add(item)
    file, body = writer.whole("one.json.gz")
    written: dict[str, bytes] = {"data/one.json.gz": body}
    with stubbed(client) as stubber:
        for _ in range(6):
            stubber.add_response("put_object", {})

        def keep(params: dict[str, Any], **_: Any) -> None:
            written[params["Key"].removeprefix(folder.prefix)] = params["Body"]

        client.meta.events.register("before-parameter-build.s3.PutObject", keep)
        write_manifests(folder, [file], {"tableArn": ARN})
        summary = json.loads(written["manifest-summary.json"])
        assert (summary["s3Bucket"], summary["s3Prefix"]) == ("backups", "orders")
        assert summary["manifestFilesS3Key"] == f"{folder.prefix}manifest-files.json"
        line = json.loads(written["manifest-files.json"])
        assert line["dataFileS3Key"] == f"{folder.prefix}data/one.json.gz"

        def got(name: str) -> None:
            stream = StreamingBody(io.BytesIO(written[name]), len(written[name]))
            stubber.add_response("get_object", {"Body": stream}, {"Bucket": "backups", "Key": folder.prefix + name})

        stubber.add_client_error("get_object", "NoSuchKey", http_status_code=404)
        listing = {"CommonPrefixes": [{"Prefix": folder.prefix}]}
        stubber.add_response("list_objects_v2", listing)
        for name in ("manifest-summary.json", "manifest-summary.md5", "manifest-files.json", "manifest-files.md5"):
            got(name)
        found = export_folder(place)
        snapshot = read_manifests(found)
        assert (snapshot.items, snapshot.table_name, snapshot.files) == (1, "orders", (file,))
        got("data/one.json.gz")
        reader = DataFileReader(found, snapshot.files[0])
        assert (reader.batch(10), reader.batch(10)) == ([item], [])


@pytest.mark.parametrize(("status", "can"), [("ENABLED", True), ("DISABLED", False)])
def test_an_export_needs_point_in_time_recovery(status: str, can: bool) -> None:
    """As DescribeContinuousBackups says."""
    client = client_of("dynamodb")
    backups = {
        "ContinuousBackupsStatus": "ENABLED",
        "PointInTimeRecoveryDescription": {"PointInTimeRecoveryStatus": status},
    }
    with stubbed(client) as stubber:
        reply = {"ContinuousBackupsDescription": backups}
        stubber.add_response("describe_continuous_backups", reply, {"TableName": "orders"})
        assert can_export(client, "orders") is can


def test_a_service_without_exports_is_scanned() -> None:
    """DynamoDB Local does not know the operation; who may not ask scans too."""
    client = client_of("dynamodb")
    with stubbed(client) as stubber:
        stubber.add_client_error("describe_continuous_backups", "UnknownOperationException")
        assert not can_export(client, "orders")


def test_the_services_export_is_begun_and_awaited() -> None:
    """One token is one export; the folder of its manifest is where the snapshot is."""
    client = client_of("dynamodb")
    place = Bucket(None, "backups", "orders/")
    waits: list[float] = []
    with stubbed(client) as stubber:
        request = {
            "TableArn": ARN,
            "S3Bucket": "backups",
            "S3Prefix": "orders",
            "ClientToken": "token",
            "ExportFormat": "DYNAMODB_JSON",
        }
        stubber.add_response("export_table_to_point_in_time", _export("IN_PROGRESS"), request)
        stubber.add_response("describe_export", _export("IN_PROGRESS"), {"ExportArn": EXPORT})
        manifest = "orders/AWSDynamoDB/01700000000000-1a2b3c4d/manifest-summary.json"
        stubber.add_response("describe_export", _export("COMPLETED", ExportManifest=manifest), {"ExportArn": EXPORT})
        arn = begin_export(client, ARN, place, "token")
        done = await_export(client, arn, place, lambda: False, waits.append)
    assert done is not None
    assert done.place.text == "s3://backups/orders/AWSDynamoDB/01700000000000-1a2b3c4d"
    assert len(waits) == 1


def test_an_export_that_fails_says_why() -> None:
    """The service's own words; and a stop leaves it going on."""
    client = client_of("dynamodb")
    place = Bucket(None, "backups", "")
    with stubbed(client) as stubber:
        stubber.add_response("describe_export", _export("IN_PROGRESS"))
        stubber.add_response("describe_export", _export("FAILED", FailureCode="S3NoSuchBucket", FailureMessage="none"))
        assert await_export(client, EXPORT, place, lambda: True) is None
        with pytest.raises(Refused, match="S3NoSuchBucket: none"):
            _ = await_export(client, EXPORT, place, lambda: False)


def _export(status: str, **more: str) -> dict[str, Any]:
    return {"ExportDescription": {"ExportArn": EXPORT, "ExportStatus": status, **more}}


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
