"""DynamoDB with point-in-time recovery and exports: the embedded engine, and what that has not.

Everything goes on to the engine but four operations, which are answered as the service does:
https://docs.aws.amazon.com/amazondynamodb/latest/APIReference/API_ExportTableToPointInTime.html, API_DescribeExport,
API_DescribeContinuousBackups and API_UpdateContinuousBackups. What an export writes has the layout of
https://docs.aws.amazon.com/amazondynamodb/latest/developerguide/S3DataExport.Output.html as the service really writes
it: checksums in `.md5`, keys with the prefix, ETags of objects that were put in parts, files without items, and neither
`exportType` in the summary nor `ExportType` in a description where nobody asked for it.
"""

from __future__ import annotations

import base64
import gzip
import hashlib
import http.client
import json
import time
import uuid
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any
from urllib.parse import urlsplit

from tests.cleanup.s3 import S3
from tests.cleanup.serving import Handler, Served

FILES = 3  # with items; one more has none, as that of an empty partition
ACCOUNT = "000000000000"


class Refusal(Exception):
    def __init__(self, code: str, message: str) -> None:
        super().__init__(message)
        self.code = code


@dataclass
class Export:
    """`lines` are the items at the time of the request."""

    arn: str
    request: dict[str, Any]
    table: dict[str, Any]
    lines: list[bytes]
    began_at: float
    looks_left: int
    ended: dict[str, Any] = field(default_factory=dict[str, Any])

    @property
    def prefix(self) -> str:
        """Of the keys of all its objects."""
        before = f"{self.request['S3Prefix']}/" if "S3Prefix" in self.request else ""
        return f"{before}AWSDynamoDB/{self.arn.rpartition('/')[2]}/"

    def described(self) -> dict[str, Any]:
        return {
            "ExportArn": self.arn,
            "ExportStatus": "IN_PROGRESS",
            "StartTime": self.began_at,
            "ExportTime": self.began_at,
            "TableArn": self.table["TableArn"],
            "TableId": "12345a12-abcd-123a-ab12-1234abc12345",
            "ClientToken": self.request["ClientToken"],
            "S3Bucket": self.request["S3Bucket"],
            "S3SseAlgorithm": "AES256",
            "ExportFormat": self.request["ExportFormat"],
            **{name: self.request[name] for name in ("S3Prefix",) if name in self.request},
            **self.ended,
        }


@dataclass
class Exporting(Served):
    """`looks` is how often a new export is still in progress when it is asked for. `at_request` and `at_look` are
    called when the answer to ExportTableToPointInTime, or DescribeExport, is about to go out."""

    endpoint_url: str
    client: Any
    s3: S3
    looks: int = 0
    exports: dict[str, Export] = field(default_factory=dict[str, Export])
    requests: list[str] = field(default_factory=list[str])
    at_request: Callable[[], None] = lambda: None
    at_look: Callable[[], None] = lambda: None
    _recovered: set[str] = field(default_factory=set[str])

    def handle(self, handler: Handler, body: bytes) -> None:
        operation = handler.headers["X-Amz-Target"].partition(".")[2]
        mine = {
            "ExportTableToPointInTime": self._export,
            "DescribeExport": self._describe,
            "UpdateContinuousBackups": self._update_backups,
            "DescribeContinuousBackups": self._describe_backups,
        }
        if operation not in mine:
            self._forward(handler, body)
            return
        self.requests.append(operation)
        try:
            status, reply = 200, mine[operation](json.loads(body))
        except Refusal as error:
            reply = {"__type": f"com.amazonaws.dynamodb.v20120810#{error.code}", "message": str(error)}
            status = 400
        handler.answer(status, json.dumps(reply).encode(), "application/x-amz-json-1.0")

    def recover(self, table: str, *, on: bool = True) -> None:
        """Switch point-in-time recovery on or off."""
        (self._recovered.add if on else self._recovered.discard)(table)

    # --- the four

    def _update_backups(self, request: dict[str, Any]) -> dict[str, Any]:
        table = self._table(request["TableName"])
        self.recover(table["TableName"], on=request["PointInTimeRecoverySpecification"]["PointInTimeRecoveryEnabled"])
        return self._describe_backups(request)

    def _describe_backups(self, request: dict[str, Any]) -> dict[str, Any]:
        table = self._table(request["TableName"])["TableName"]
        now = time.time()
        recovery: dict[str, Any] = {"PointInTimeRecoveryStatus": "DISABLED"}
        if table in self._recovered:
            times = {"EarliestRestorableDateTime": now - 3_600.0, "LatestRestorableDateTime": now - 300.0}
            recovery = {"PointInTimeRecoveryStatus": "ENABLED", "RecoveryPeriodInDays": 35, **times}
        return {
            "ContinuousBackupsDescription": {
                "ContinuousBackupsStatus": "ENABLED",
                "PointInTimeRecoveryDescription": recovery,
            }
        }

    def _export(self, request: dict[str, Any]) -> dict[str, Any]:
        name = request["TableArn"].rpartition("/")[2]
        table = self._table(name, f"Table not found: {request['TableArn']}")
        if name not in self._recovered:
            raise Refusal(
                "PointInTimeRecoveryUnavailableException",
                f"Point in time recovery is not enabled for table '{name}'",
            )
        found = self._of_token(request)
        if found is None:
            began_at = time.time()
            arn = f"{table['TableArn']}/export/{int(began_at * 1000):014d}-{uuid.uuid4().hex[:8]}"
            found = Export(arn, request, table, self._lines(name), began_at, self.looks)
            self.exports[arn] = found
            if request["S3Bucket"] in self.s3.buckets:
                self._put(found, "_started", b"")
        self.at_request()
        return {"ExportDescription": found.described()}

    def _of_token(self, request: dict[str, Any]) -> Export | None:
        for export in self.exports.values():
            if export.request["ClientToken"] == request["ClientToken"]:
                if export.request != request:
                    raise Refusal("ExportConflictException", "Duplicate request detected")
                return export
        return None

    def _describe(self, request: dict[str, Any]) -> dict[str, Any]:
        export = self.exports.get(request["ExportArn"])
        if export is None:
            raise Refusal("ExportNotFoundException", f"Export not found: {request['ExportArn']}")
        if export.looks_left:
            export.looks_left -= 1
        elif not export.ended:
            self._end(export)
        self.at_look()
        return {"ExportDescription": export.described()}

    # --- beneath

    def _end(self, export: Export) -> None:
        export.ended = {"EndTime": time.time()}
        if export.request["S3Bucket"] not in self.s3.buckets:
            export.ended |= {
                "ExportStatus": "FAILED",
                "FailureCode": "S3NoSuchBucket",
                "FailureMessage": "The specified bucket does not exist",
            }
            return
        listed: list[dict[str, Any]] = []
        for n in range(FILES + 1):
            lines = export.lines[n::FILES] if n < FILES else []
            body = gzip.compress(b"".join(lines))
            name = f"data/{base64.b32encode(uuid.uuid4().bytes).decode().strip('=').lower()}.json.gz"
            self._put(export, name, body)
            parts = hashlib.md5(hashlib.md5(body, usedforsecurity=False).digest(), usedforsecurity=False).hexdigest()
            etag = f"{parts}-1"
            key = export.prefix + name
            listed.append({"itemCount": len(lines), "md5Checksum": _md5(body), "etag": etag, "dataFileS3Key": key})
        described, size = export.described(), sum(map(len, export.lines))
        summary = {
            "version": "2020-06-30",
            "exportArn": export.arn,
            "startTime": _moment(export.began_at),
            "endTime": _moment(export.ended["EndTime"]),
            "tableArn": described["TableArn"],
            "tableId": described["TableId"],
            "exportTime": _moment(export.began_at),
            "s3Bucket": export.request["S3Bucket"],
            "s3Prefix": export.request.get("S3Prefix"),
            "s3SseAlgorithm": "AES256",
            "s3SseKmsKeyId": None,
            "manifestFilesS3Key": f"{export.prefix}manifest-files.json",
            "billedSizeBytes": size,
            "itemCount": len(export.lines),
            "outputFormat": "DYNAMODB_JSON",
        }
        each_file = "".join(f"{json.dumps(each, separators=(',', ':'))}\n" for each in listed)
        for name, text in (
            ("manifest-files", each_file),
            ("manifest-summary", json.dumps(summary, separators=(",", ":"))),
        ):
            self._put(export, f"{name}.json", text.encode())
            self._put(export, f"{name}.md5", _md5(text.encode()).encode())
        manifest = f"{export.prefix}manifest-summary.json"
        export.ended |= {
            "ExportStatus": "COMPLETED",
            "ExportManifest": manifest,
            "ItemCount": len(export.lines),
            "BilledSizeBytes": size,
        }

    def _put(self, export: Export, name: str, body: bytes) -> None:
        self.s3.objects[export.request["S3Bucket"], export.prefix + name] = body

    def _lines(self, table: str) -> list[bytes]:
        pages = self.client.get_paginator("scan").paginate(TableName=table, ConsistentRead=True)
        items = [item for page in pages for item in page["Items"]]
        return [json.dumps({"Item": item}, default=lambda b: base64.b64encode(b).decode()).encode() + b"\n"
                for item in items]  # fmt: skip

    def _table(self, name: str, unknown: str = "") -> dict[str, Any]:
        try:
            found: dict[str, Any] = self.client.describe_table(TableName=name)["Table"]
        except self.client.exceptions.ResourceNotFoundException:
            raise Refusal("TableNotFoundException", unknown or f"Table not found: {name}") from None
        return found

    def _forward(self, handler: Handler, body: bytes) -> None:
        connection = http.client.HTTPConnection(urlsplit(self.endpoint_url).netloc)
        headers = {name: value for name, value in handler.headers.items() if name.lower() != "host"}
        connection.request("POST", "/", body, headers)
        reply = connection.getresponse()
        found = reply.read()
        skipped = ("content-length", "date", "server", "connection", "transfer-encoding")
        kept = {name: value for name, value in reply.getheaders() if name.lower() not in skipped}
        handler.answer(reply.status, found, headers=kept)
        connection.close()


def _md5(body: bytes) -> str:
    return base64.b64encode(hashlib.md5(body, usedforsecurity=False).digest()).decode()


def _moment(at: float) -> str:
    return datetime.fromtimestamp(at, UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")
