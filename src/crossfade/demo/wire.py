"""DynamoDB's wire protocol in a few lines of the standard library, for what must owe nothing to anybody's client.

The seeding uses it because it is quick; the proof uses it because what judges the router must share nothing with it.
The embedded engine looks whether a request is signed and dated, not whether the signature is right, so none is made:
this speaks to nothing else.
"""

from __future__ import annotations

import http.client
import json
import time
from collections.abc import Iterator
from typing import Any
from urllib.parse import urlsplit

TIMEOUT_SECONDS = 30.0
TRIES_MAX = 6  # a busy machine now and then drops a connection
DATE = "20120810T000000Z"  # that of the protocol: nobody compares it with a clock
AUTHORIZATION = (
    "AWS4-HMAC-SHA256 Credential=crossfade/20120810/us-east-1/dynamodb/aws4_request, SignedHeaders=host, Signature=0"
)


class WireError(Exception):
    """An answer other than 200; `code` is DynamoDB's."""

    def __init__(self, operation: str, status: int, body: str) -> None:
        super().__init__(f"{operation}: HTTP {status}: {body[:300]}")
        try:
            self.code = str(json.loads(body).get("__type", "")).rpartition("#")[2]
        except ValueError:
            self.code = ""


class Wire:
    """One connection, for one thread. What it sends may be sent twice: use it for what may be done twice."""

    def __init__(self, endpoint_url: str) -> None:
        parts = urlsplit(endpoint_url)
        self._connection = http.client.HTTPConnection(parts.hostname or "", parts.port, timeout=TIMEOUT_SECONDS)

    def ask(self, operation: str, request: dict[str, Any]) -> dict[str, Any]:
        """One request, repeated when the connection breaks. Raises WireError, or OSError when it stays broken."""
        headers = {
            "Content-Type": "application/x-amz-json-1.0",
            "X-Amz-Target": f"DynamoDB_20120810.{operation}",
            "X-Amz-Date": DATE,
            "Authorization": AUTHORIZATION,
        }
        body = json.dumps(request).encode()
        for attempt in range(TRIES_MAX):
            try:
                self._connection.request("POST", "/", body=body, headers=headers)
                answer = self._connection.getresponse()
                text = answer.read()
            except (OSError, http.client.HTTPException):
                self._connection.close()
                if attempt + 1 == TRIES_MAX:
                    raise
                time.sleep(0.1 * 2**attempt)
                continue
            if answer.status != http.client.OK:
                raise WireError(operation, answer.status, text.decode(errors="replace"))
            reply: dict[str, Any] = json.loads(text)
            return reply
        raise AssertionError("unreachable")

    def pages(self, operation: str, request: dict[str, Any]) -> Iterator[dict[str, Any]]:
        """Every page of a Query or a Scan."""
        start: dict[str, Any] = {}
        while True:
            reply = self.ask(operation, request | start)
            yield reply
            if "LastEvaluatedKey" not in reply:
                return
            start = {"ExclusiveStartKey": reply["LastEvaluatedKey"]}

    def close(self) -> None:
        self._connection.close()
