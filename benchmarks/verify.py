"""Items a second of one core that a verify compares, and its memory with few items and with many.

    make bench-verify        python -m benchmarks.verify [--items 100000] [--rounds 5] [--most 5000000]

The server makes every answer up, so what is measured is the client: items for each second of processor time that its
process used. An item counts on each side: each of the source is mapped and compared with the target's, each of the
target is mapped back and looked up in the source. Memory is the highest of a process that runs one verify and no more.
"""

from __future__ import annotations

import argparse
import json
import resource
import statistics
import subprocess
import sys
from typing import Any, Final

from benchmarks.measuring import apart, begun, client_of, cpu_seconds, machine
from benchmarks.null_server import running

from crossfade import Migration
from crossfade.core.effects import Place
from crossfade.verify.result import VerifyOptions
from crossfade.verify.run import run_verify

FEWEST: Final = 10_000  # items a table, for the memory that a small verify takes
MOST: Final = 5_000_000
MIB_KIB: Final = 1024  # ru_maxrss is in KiB on Linux


def verify(migration: Migration, client: Any, items: int) -> None:
    clients: dict[Place, Any] = {"source": client, "target": client, "control": client}
    result = run_verify(migration, clients, VerifyOptions())
    if (result.status, result.source_items, result.target_items, result.matching) != ("clean", items, items, items):
        raise RuntimeError(f"{result.as_json()}")


def rates(endpoint_url: str, items: int, rounds: int) -> list[float]:
    """Items of both tables for each second of processor time; the first round only warms."""
    client = client_of(endpoint_url)
    migration = begun(client)
    found: list[float] = []
    for _ in range(rounds + 1):
        used = cpu_seconds()
        verify(migration, client, items)
        found.append(2 * items / (cpu_seconds() - used))
    return found[1:]


def once(items: int) -> dict[str, float]:
    """In this process: one verify, and the most memory that it took."""
    core = apart()
    with running("--items", str(items), module="benchmarks.null_tables", core=core) as endpoint_url:
        client = client_of(endpoint_url)
        migration = begun(client)
        used = cpu_seconds()
        verify(migration, client, items)
        seconds = cpu_seconds() - used
    highest = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / MIB_KIB
    return {"items": items, "rss_mib_highest": round(highest, 1), "items_per_cpu_second": round(2 * items / seconds)}


def alone(items: int) -> dict[str, float]:
    """In a process of its own."""
    command = [sys.executable, "-m", "benchmarks.verify", "--once", str(items)]
    done = subprocess.run(command, check=True, stdout=subprocess.PIPE, text=True)  # noqa: S603
    found: dict[str, float] = json.loads(done.stdout)
    return found


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    _ = parser.add_argument("--items", type=int, default=100_000)
    _ = parser.add_argument("--rounds", type=int, default=5)
    _ = parser.add_argument("--most", type=int, default=MOST, help="items a table where memory is measured; 0: skip")
    _ = parser.add_argument("--once", type=int, help=argparse.SUPPRESS)
    arguments = parser.parse_args()
    if arguments.once:
        print(json.dumps(once(arguments.once)))
        return
    memory = [alone(items) for items in (FEWEST, arguments.most)] if arguments.most else []
    core = apart()
    with running("--items", str(arguments.items), module="benchmarks.null_tables", core=core) as endpoint_url:
        found = rates(endpoint_url, arguments.items, arguments.rounds)
    print(
        json.dumps(
            {
                "machine": machine(),
                "items_a_table": arguments.items,
                "rounds": arguments.rounds,
                "items_per_cpu_second": round(statistics.median(found)),
                "lowest_to_highest": [round(min(found)), round(max(found))],
                "memory": memory,
            },
            indent=2,
        )
    )


if __name__ == "__main__":
    main()
