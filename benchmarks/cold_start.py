"""What the start of a process costs: `import crossfade` on top of boto3, and `attach` in stage off.

    python -m benchmarks.cold_start [--rounds 10]

Each start is a process of its own, and the two kinds of attaching take turns. Medians of CPU milliseconds of the whole
process, its threads included, are printed; attaching is what a client of boto3 takes on top of making it.
"""

from __future__ import annotations

import argparse
import json
import statistics
import subprocess
import sys
from collections import defaultdict
from typing import Any, Final

from benchmarks.measuring import begun, client_of, machine

from crossfade.core.stages import Stage
from crossfade.local import LocalEngine

IMPORT_MILLISECONDS_MAX: Final = 80.0
ATTACH_MILLISECONDS_MAX: Final = 30.0
KINDS: Final = ("beside", "inline")
START: Final = """
import json, sys, time
url, kind = sys.argv[1:]
at = [time.process_time()]
import boto3
from botocore.config import Config
at.append(time.process_time())
import crossfade
at.append(time.process_time())
from benchmarks.orders import migration
session = boto3.session.Session("a", "b", region_name="eu-west-1")
client = session.client("dynamodb", endpoint_url=url, config=Config(connect_timeout=1, read_timeout=2))
moved = migration()
at.append(time.process_time())
router = crossfade.attach(client, moved, background=kind)
at.append(time.process_time())
ours = sum(module.startswith("crossfade") for module in sys.modules)
found = {"boto3": at[1] - at[0], "import crossfade": at[2] - at[1], f"attach, {kind}": at[4] - at[3]}
print(json.dumps({"seconds": found, "modules": ours}))
router.detach()
"""


def started(url: str, kind: str) -> dict[str, Any]:
    """One start, as it tells of itself."""
    command = [sys.executable, "-c", START, url, kind]
    done = subprocess.run(command, capture_output=True, text=True, check=True)  # noqa: S603 - our own
    told: dict[str, Any] = json.loads(done.stdout)
    return told


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    _ = parser.add_argument("--rounds", type=int, default=10)
    rounds = parser.parse_args().rounds
    found: defaultdict[str, list[float]] = defaultdict(list)
    modules: dict[str, int] = {}
    with LocalEngine.start() as engine:
        _ = begun(client_of(engine.endpoint_url), Stage.OFF)
        for kind in KINDS:
            _ = started(engine.endpoint_url, kind)  # whose modules are compiled then
        for _ in range(rounds):
            for kind in KINDS:
                told = started(engine.endpoint_url, kind)
                modules[kind] = told["modules"]
                for name, seconds in told["seconds"].items():
                    found[name].append(1000 * seconds)
    print(f"{machine()}; medians of {rounds} starts, milliseconds of CPU")
    for name, milliseconds in found.items():
        print(f"{name:18} {statistics.median(milliseconds):6.1f}   least {min(milliseconds):.1f}")
    print("modules of crossfade after attach:", ", ".join(f"{kind} {count}" for kind, count in modules.items()))
    slow = {
        name: most
        for name, most in (("import crossfade", IMPORT_MILLISECONDS_MAX), ("attach, inline", ATTACH_MILLISECONDS_MAX))
        if statistics.median(found[name]) > most
    }
    for name, most in slow.items():
        print(f"{name}: more than {most:g} ms")
    return 1 if slow else 0


if __name__ == "__main__":
    raise SystemExit(main())
