"""What `check` says of indexes, and what `start` then does."""

from __future__ import annotations

from typing import Any

from tests.cli.conftest import Shell
from tests.migrations import make_anew


def by_note(projection: str) -> dict[str, Any]:
    return {
        "IndexName": "by_note",
        "KeySchema": [{"AttributeName": "note", "KeyType": "HASH"}],
        "Projection": {"ProjectionType": projection},
    }


def test_a_narrower_projection_is_an_error_of_check_and_no_bar_to_start(shell: Shell) -> None:
    """Every answer is right until the source is gone, so there is time to mend it, or to mean it."""
    shell.write()
    for side, projection in (("source", "ALL"), ("target", "KEYS_ONLY")):
        make_anew(shell.client, shell.tables[side], {"note": "S"}, GlobalSecondaryIndexes=[by_note(projection)])
    checked = shell("check", status=1)
    assert "projects less" in checked.output
    started = shell("start", "--execute")
    assert "projects less" not in started.output
    assert shell.json("status")["state"]["stage"] == "off"
