"""`crossfade demo`: one run, told as it goes on."""

from __future__ import annotations

import json
import signal
import sys

from crossfade.demo.console import Console
from crossfade.demo.fleet import ApplicationError
from crossfade.demo.performance import Settings, perform, work_folder
from crossfade.demo.report import as_json, tell
from crossfade.demo.wire import WireError
from crossfade.errors import CrossfadeError, in_full
from crossfade.local import LocalEngine

HOLDS, DOES_NOT_HOLD, COULD_NOT_RUN, INTERRUPTED = 0, 1, 2, 130


def run(settings: Settings, *, json_output: bool = False) -> int:
    """The exit status: 0 when nothing was lost, 1 when something was, 2 when it could not be carried out."""
    console = Console(quiet=json_output)
    _ = signal.signal(signal.SIGTERM, signal.default_int_handler)  # ended like Ctrl-C, everything is cleaned up
    try:
        console.chapter("A database of its own: the embedded engine, in memory")
        with LocalEngine.start() as server, work_folder() as folder:
            console.say(f"answers at {server.endpoint_url}; journals and logs are in {folder} until the end")
            console.say(
                f"Leases last {settings.lease_seconds:g} s here instead of 10 s, and requests give up after 3 s: the "
                "demo waits for leases to end. A client counts as gone after the sum of both."
            )
            outcome = perform(server, settings, console, folder)
    except KeyboardInterrupt:
        print("\ninterrupted; every process was ended", file=sys.stderr)
        return INTERRUPTED
    except (CrossfadeError, ApplicationError, WireError, OSError) as error:
        print(f"crossfade demo could not be carried out: {in_full(error)}", file=sys.stderr)
        return COULD_NOT_RUN
    tell(outcome, console)
    if json_output:
        print(json.dumps(as_json(outcome), indent=2))
    return HOLDS if outcome.holds else DOES_NOT_HOLD
