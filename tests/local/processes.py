"""Whether a process lives, for tests of what ends it."""

from __future__ import annotations

import os
import time
from pathlib import Path
from typing import Final

SOON_SECONDS: Final = 20.0


def alive(process_id: int) -> bool:
    """True if there is such a process and it is more than a line in a table."""
    try:
        os.kill(process_id, 0)
    except ProcessLookupError:
        return False
    status = Path(f"/proc/{process_id}/stat")
    try:
        return status.read_text().rpartition(")")[2].split()[0] != "Z"
    except (FileNotFoundError, ProcessLookupError):  # gone in between, or a system without such files
        return not Path("/proc/self").exists()


def gone_soon(process_id: int) -> bool:
    until = time.monotonic() + SOON_SECONDS
    while alive(process_id) and time.monotonic() < until:
        time.sleep(0.02)
    return not alive(process_id)
