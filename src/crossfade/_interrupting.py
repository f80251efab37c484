"""Ctrl-C while the command `crossfade` still imports what it needs ends it without a traceback.

The package imports this first. Nothing is done in any other process, nor where somebody has another handler already.
"""

from __future__ import annotations

import os
import signal
import sys
import threading
from types import FrameType
from typing import Final

INTERRUPTED: Final = 130  # what shells give a program that Ctrl-C ended
COMMANDS: Final = ("crossfade", "crossfade.exe", "-m")  # the last: `python -m`, before it is known of what


def end_at_once(number: int, frame: FrameType | None) -> None:
    """End as after Ctrl-C: what is being imported may be half there, so nothing of it is asked."""
    del number, frame
    _ = os.write(2, b"\ncrossfade: interrupted\n")
    os._exit(INTERRUPTED)


def quiet_while_importing() -> None:
    """Have Ctrl-C end this process quietly, where it is the command."""
    main = threading.current_thread() is threading.main_thread()
    ours = os.path.basename(sys.argv[0] if sys.argv else "") in COMMANDS  # noqa: PTH119 - pathlib is an import too
    if main and ours and signal.getsignal(signal.SIGINT) is signal.default_int_handler:
        _ = signal.signal(signal.SIGINT, end_at_once)


def as_always() -> None:
    """Have Ctrl-C raise KeyboardInterrupt again, for commands that tidy up."""
    if signal.getsignal(signal.SIGINT) is end_at_once:
        _ = signal.signal(signal.SIGINT, signal.default_int_handler)


quiet_while_importing()
