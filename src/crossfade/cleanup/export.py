"""A snapshot by the service itself: ExportTableToPointInTime, where point-in-time recovery is on and the place is S3.

It reads a backup and not the table, so it takes none of the table's capacity.
https://docs.aws.amazon.com/amazondynamodb/latest/APIReference/API_ExportTableToPointInTime.html
"""

from __future__ import annotations

import asyncio
from dataclasses import dataclass
from typing import Any, Final

from crossfade.cleanup.part_workers import Crew
from crossfade.cleanup.storage import Bucket
from crossfade.core.effects import Call, Reply, Request, Routine
from crossfade.core.sync.retry import patiently, read_again
from crossfade.errors import NotPossibleInStage, ServiceRejected

LOOK_SECONDS_FIRST: Final = 1.0  # doubled after each look: what is wrong with the bucket is found out soon
LOOK_SECONDS_MAX: Final = 15.0  # the export of a table with ten items takes ten minutes
# Answers of what has no such operation (the embedded engine) or of who may not ask: then we scan.
UNKNOWN: Final = frozenset({"UnknownOperationException", "AccessDeniedException", "ValidationException"})


@dataclass(frozen=True, slots=True)
class Ended:
    """`place` holds the manifests; None: it failed, and `reason` is the service's."""

    place: Bucket | None
    reason: str = ""


def can_export(table: str) -> Routine[bool]:
    """Whether point-in-time recovery is on."""
    try:
        reply = yield from patiently(Call("source", "DescribeContinuousBackups", {"TableName": table}))
    except ServiceRejected as error:
        if error.code in UNKNOWN:
            return False
        raise
    recovery: dict[str, Any] = reply["ContinuousBackupsDescription"].get("PointInTimeRecoveryDescription", {})
    return bool(recovery.get("PointInTimeRecoveryStatus") == "ENABLED")


def begin_export(table_arn: str, place: Bucket, token: str) -> Routine[str]:
    """Begin an export and return its ARN. The same token means the same export for eight hours; after that it would be
    another one, in a folder of its own. Raises NotPossibleInStage with the service's reason."""
    request: Request = {
        "TableArn": table_arn,
        "S3Bucket": place.bucket,
        "ClientToken": token[:36],
        "ExportFormat": "DYNAMODB_JSON",
    }
    if place.prefix:
        request["S3Prefix"] = place.prefix.rstrip("/")
    try:
        reply: Reply = yield from Call("source", "ExportTableToPointInTime", request)
    except ServiceRejected as error:
        raise NotPossibleInStage(
            f"the service does not export the table: {error.code}: {error.text}",
            next_step="correct that, then the same command; or let crossfade decide anew how, which scans the table"
            " where point-in-time recovery is off:"
            f" crossfade cleanup --step snapshot --again --to {place.text} --execute",
        ) from error
    return str(reply["ExportDescription"]["ExportArn"])


async def await_export(crew: Crew, arn: str, place: Bucket) -> Ended | None:
    """Until the service has ended it; None when stopped before. It goes on by itself, whoever looks."""
    seconds = LOOK_SECONDS_FIRST
    while True:
        reply = await crew.hands.run(read_again(Call("source", "DescribeExport", {"ExportArn": arn})))
        found: dict[str, Any] = reply["ExportDescription"]
        if found["ExportStatus"] == "COMPLETED":
            folder = str(found["ExportManifest"]).rpartition("/")[0]
            return Ended(Bucket(place.client, place.bucket, f"{folder}/"))
        if found["ExportStatus"] == "FAILED":
            return Ended(None, f"{found.get('FailureCode', '?')}: {found.get('FailureMessage', '')}")
        await crew.tell()
        if crew.stop.is_set():
            return None
        _ = await asyncio.to_thread(crew.stop.wait, seconds)
        seconds = min(2 * seconds, LOOK_SECONDS_MAX)
