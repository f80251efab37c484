"""All examples, one after the other: `python -m examples`, which is what `make examples` runs. The first that fails
ends it, with its exit status."""

from __future__ import annotations

import subprocess
import sys
import time

from examples.play import SKIPPED

EXAMPLES = (
    ("documents", "examples.documents.run"),
    ("guid", "examples.guid.run"),
    ("guid, derived", "examples.guid.run", "--derived"),
    ("sessions", "examples.sessions.run"),
    ("sessions, copying", "examples.sessions.run", "--copying"),
    ("aws_lambda", "examples.aws_lambda.run"),
    ("another_region", "examples.another_region.run"),
    ("mysql_to_dynamodb", "examples.mysql_to_dynamodb.run"),
)


def main(arguments: list[str]) -> int:
    """`arguments` are handed to each of them: --items N."""
    for name, module, *flags in EXAMPLES:
        began = time.monotonic()
        print(f"\n=== {name} " + "=" * (95 - len(name)), flush=True)
        done = subprocess.run([sys.executable, "-m", module, *flags, *arguments], check=False)
        print(f"({time.monotonic() - began:.0f} s)", flush=True)
        if done.returncode == SKIPPED:
            continue  # it has said why
        if done.returncode:
            print(f"the example {name} failed, with status {done.returncode}", file=sys.stderr)
            return done.returncode
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
