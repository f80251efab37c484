"""The private names of other packages that crossfade leans on, all of them; tests/aws notices when one is gone.

PynamoDB has no public way from a model to the botocore client beneath it.
"""

from __future__ import annotations

from typing import Any


def pynamodb_connection(model: Any) -> Any:
    """The `TableConnection` of a PynamoDB model; its `.connection.client` is botocore's."""
    return model._get_connection()  # pyright: ignore[reportPrivateUsage]
