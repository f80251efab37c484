"""A snapshot by the service itself: ExportTableToPointInTime, where point-in-time recovery is on and the place is S3.

It reads a backup and not the table, so it takes none of the table's capacity.
https://docs.aws.amazon.com/amazondynamodb/latest/APIReference/API_ExportTableToPointInTime.html
"""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Final

from botocore.exceptions import ClientError

from crossfade.cleanup.places import Bucket, Place
from crossfade.errors import Refused

LOOK_SECONDS: Final = 15.0  # an export takes minutes at the least
# Answers of what has no such operation (DynamoDB Local) or of who may not ask: then we scan.
UNKNOWN: Final = frozenset({"UnknownOperationException", "AccessDeniedException", "ValidationException"})


@dataclass(frozen=True, slots=True)
class Exported:
    """`place` holds the manifests."""

    arn: str
    place: Place


def can_export(client: Any, table: str) -> bool:
    """Whether point-in-time recovery is on. Blocks."""
    try:
        reply = client.describe_continuous_backups(TableName=table)
    except ClientError as error:
        if _code(error) in UNKNOWN:
            return False
        raise
    recovery: dict[str, Any] = reply["ContinuousBackupsDescription"].get("PointInTimeRecoveryDescription", {})
    return bool(recovery.get("PointInTimeRecoveryStatus") == "ENABLED")


def begin_export(client: Any, table_arn: str, place: Bucket, token: str) -> str:
    """Its ARN. The same token is the same export, however often it is sent in eight hours."""
    request: dict[str, Any] = {
        "TableArn": table_arn,
        "S3Bucket": place.bucket,
        "ClientToken": token[:36],
        "ExportFormat": "DYNAMODB_JSON",
    }
    if place.prefix:
        request["S3Prefix"] = place.prefix.rstrip("/")
    return str(client.export_table_to_point_in_time(**request)["ExportDescription"]["ExportArn"])


def await_export(
    client: Any, arn: str, place: Bucket, stopped: Callable[[], bool], sleep: Callable[[float], None] = time.sleep
) -> Exported | None:
    """Until the service has ended it; None when stopped before. Raises Refused with the service's reason. Blocks."""
    while True:
        found: dict[str, Any] = client.describe_export(ExportArn=arn)["ExportDescription"]
        if found["ExportStatus"] == "COMPLETED":
            folder = str(found["ExportManifest"]).rpartition("/")[0]
            return Exported(arn, Bucket(place.client, place.bucket, f"{folder}/"))
        if found["ExportStatus"] == "FAILED":
            raise Refused(
                f"the export failed: {found.get('FailureCode', '?')}: {found.get('FailureMessage', '')}",
                next_step="correct that, then crossfade cleanup --step snapshot --again --execute",
            )
        if stopped():
            return None
        sleep(LOOK_SECONDS)


def _code(error: ClientError) -> str:
    response: Any = error.response  # pyright: ignore[reportUnknownMemberType]
    return str(response["Error"].get("Code", ""))
