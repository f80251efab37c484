"""The application: sessions that expire, as AWS advises to write it. Nothing in here knows of a migration.

A session may be there for days after its time. So whoever reads looks at its time, and whoever puts it off says that it
is not over.
"""

from __future__ import annotations

import time
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

from botocore.exceptions import ClientError

Session = dict[str, Any]


@dataclass(frozen=True)
class Sessions:
    """`table` is boto3's `Table("sessions")`, `seconds` for how long a session lasts that nobody uses."""

    table: Any
    seconds: float

    def log_in(self, session: str, user: str) -> Session:
        now = int(time.time())
        login = datetime.fromtimestamp(now, UTC).isoformat().replace("+00:00", "Z")
        made: Session = {"session": session, "user": user, "login": login, "uses": 0, "ttl": now + int(self.seconds)}
        self.table.put_item(Item=made)
        return made

    def find(self, session: str) -> Session | None:
        """None also for one whose time is over."""
        found: Session | None = self.table.get_item(Key={"session": session}, ConsistentRead=True).get("Item")
        return found if found is not None and found["ttl"] > time.time() else None

    def use(self, session: str) -> Session | None:
        """The session as it then is, its time put off; None if that was over."""
        now = int(time.time())
        try:
            used: Session = self.table.update_item(
                Key={"session": session},
                UpdateExpression="SET #ttl = :later ADD uses :one",
                ConditionExpression="#ttl > :now",
                ExpressionAttributeNames={"#ttl": "ttl"},
                ExpressionAttributeValues={":later": now + int(self.seconds), ":now": now, ":one": 1},
                ReturnValues="ALL_NEW",
            )["Attributes"]
        except ClientError as error:
            response: Any = error.response
            if response["Error"]["Code"] != "ConditionalCheckFailedException":
                raise
            return None
        return used

    def log_out(self, session: str) -> None:
        self.table.delete_item(Key={"session": session})
