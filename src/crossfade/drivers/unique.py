"""What nothing else may have: ids of clients, stamps, tokens."""

from __future__ import annotations

import os
import time


def unique(digits: int = 32) -> str:
    """Return that many hexadecimal digits (an even number) of chance from the operating system.

    A forked child shares nothing with its parent. Of two machines restored from one snapshot the operating system may
    draw the same, so the time goes into it too.
    """
    drawn = int.from_bytes(os.urandom(digits // 2)) ^ time.time_ns()
    return f"{drawn % 16**digits:0{digits}x}"
