"""The web service with one thing left out that the proof rests on: the proof must then fail.

python -m examples.mysql_to_dynamodb.dropping RULE PORT HELD LEASE_SECONDS
"""

from __future__ import annotations

import sys
from typing import Any

from examples.mysql_to_dynamodb import behind, service
from examples.mysql_to_dynamodb.in_mysql import InMySQL

DROPS = {
    "way-back": "what is written in live is not mirrored to the rows",
    "hiding": "the service sees what is deleted, as tombstones",
}


def main(rule: str, port: int, held: str, lease_seconds: float) -> None:
    if rule == "way-back":

        def store(self: InMySQL, key: Any, image: Any) -> None:
            """Nothing."""

        setattr(InMySQL, "store", store)  # noqa: B010
    else:
        setattr(behind, "hide_versions", lambda *_: None)  # noqa: B010
    service.main(port, held, {"lease_seconds": lease_seconds, "landing_seconds": lease_seconds})


if __name__ == "__main__":
    main(sys.argv[1], int(sys.argv[2]), sys.argv[3], float(sys.argv[4]))
