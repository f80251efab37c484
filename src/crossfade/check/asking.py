"""What an answer says that is an error."""

from __future__ import annotations

from typing import Any

from botocore.exceptions import ClientError


def code_of(error: ClientError) -> str:
    """Return the service's code, "" for none."""
    response: Any = error.response  # pyright: ignore[reportUnknownMemberType]
    return str(response.get("Error", {}).get("Code", ""))
