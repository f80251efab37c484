"""What Lambda starts for a function: a process that hands events to the handler, one after the other.

    python -m examples.aws_lambda.environment

Each line of its input is an event, each line of its output what came of it. Whoever gave the event freezes the process
then, threads and all.
"""

from __future__ import annotations

import json
import sys

from examples.aws_lambda.function import handler
from examples.play import plain


def main() -> int:
    print(json.dumps("initialised"), flush=True)
    for line in sys.stdin:
        try:
            told = {"returned": plain(handler(json.loads(line), None))}
        except Exception as error:  # noqa: BLE001 - as the runtime does
            told = {"raised": f"{type(error).__name__}: {error}"}
        print(json.dumps(told), flush=True)
    return 0


if __name__ == "__main__":
    sys.exit(main())
