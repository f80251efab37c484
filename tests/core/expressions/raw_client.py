"""A bare client for the embedded engine: many small requests, and nothing between the test and the reply's words."""

from __future__ import annotations

import base64
import http.client
import json
import urllib.parse
from typing import Any

from crossfade.core.items import AttributeValue, Item


class Failure(Exception):
    """A refusal by the engine."""

    def __init__(self, code: str, message: str) -> None:
        super().__init__(f"{code}: {message}")
        self.answer = (code, message)


class Connection:
    """A bare client: one connection, no retries, botocore's item form in and out."""

    def __init__(self, endpoint_url: str) -> None:
        parts = urllib.parse.urlsplit(endpoint_url)
        self._http = http.client.HTTPConnection(parts.hostname or "", parts.port or 80)
        self._credential = "Credential=local/20260101/us-east-1/dynamodb/aws4_request"

    def call(self, operation: str, **parameters: Any) -> Any:
        self._http.request(
            "POST",
            "/",
            json.dumps({key: value for key, value in parameters.items() if value is not None}, default=_base64),
            {
                "X-Amz-Target": f"DynamoDB_20120810.{operation}",
                "X-Amz-Date": "20260101T000000Z",
                "Content-Type": "application/x-amz-json-1.0",
                "Authorization": f"AWS4-HMAC-SHA256 {self._credential}, SignedHeaders=host, Signature=0",
            },
        )
        response = self._http.getresponse()
        answer = json.loads(response.read())
        if response.status != http.HTTPStatus.OK:
            raise Failure(answer["__type"].rpartition("#")[2], answer.get("message") or answer.get("Message") or "")
        return answer

    def close(self) -> None:
        self._http.close()


def _base64(value: bytes) -> str:
    return base64.b64encode(value).decode()


def parsed(value: Any) -> AttributeValue:
    """An attribute value of a reply with its binary as bytes."""
    ((kind, content),) = value.items()
    match kind:
        case "B":
            return {kind: base64.b64decode(content)}
        case "BS":
            return {kind: [base64.b64decode(element) for element in content]}
        case "L":
            return {kind: [parsed(element) for element in content]}
        case "M":
            return {kind: {name: parsed(member) for name, member in content.items()}}
        case _:
            return {kind: content}


def parsed_item(reply: Any) -> Item | None:
    return None if reply is None else {name: parsed(value) for name, value in reply.items()}
