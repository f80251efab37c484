"""Items a second of one core: the backfill, check-read and checkpoints included, beside the boto3 script.

    make bench-backfill        python -m benchmarks.backfill [--items 100000] [--rounds 5]

Both talk to a server that makes every answer up, so what is measured is the client: items for each second of processor
time that its process used. They take turns in one process, A B A B; medians over the rounds. Where there are two cores
the server has one and the client the other. Items are 1 KB; the mapping spreads a partition over 16 suffixes and moves
an attribute out of a map.
"""

from __future__ import annotations

import argparse
import json
import statistics
from collections.abc import Callable
from typing import Any, Final, cast

import boto3
from benchmarks import plain_copy
from benchmarks.measuring import apart, begun, client_of, cpu_seconds, machine
from benchmarks.null_server import running

from crossfade import Migration
from crossfade.backfill.result import BackfillOptions
from crossfade.backfill.run import run_backfill
from crossfade.core.effects import Place

PUTS: Final = 3_000  # items that the boto3 script puts one by one, a round
BATCHED: Final = 10_000  # and in batches


def backfill(migration: Migration, client: Any, items: int) -> None:
    clients: dict[Place, Any] = {"source": client, "target": client, "control": client}
    result = run_backfill(migration, clients, BackfillOptions(again=True))
    if (result.status, result.items, result.changed) != ("complete", items, 0):
        raise RuntimeError(f"{result.as_json()}")


def rate(items: int, work: Callable[[], None]) -> float:
    """Items for each second of processor time."""
    used = cpu_seconds()
    work()
    return items / (cpu_seconds() - used)


def measure(endpoint_url: str, items: int, rounds: int) -> dict[str, Any]:
    ours = client_of(endpoint_url)
    theirs = cast("Any", boto3).client(  # as people make it
        "dynamodb",
        region_name="eu-west-1",
        endpoint_url=endpoint_url,
        aws_access_key_id="AKIDEXAMPLE",
        aws_secret_access_key="wJalrXUtnFEMI/K7MDENG+bPxRfiCYEXAMPLEKEY",  # noqa: S106 - of a server that looks at none
    )
    migration = begun(ours)
    takes = (
        (items, lambda: backfill(migration, ours, items)),
        (PUTS, lambda: plain_copy.put_if_absent(theirs, PUTS)),
        (BATCHED, lambda: plain_copy.batch(theirs, BATCHED)),
    )
    found = [[rate(count, work) for count, work in takes] for _ in range(rounds + 1)]
    backfills, puts, batches = (list(column) for column in zip(*found[1:], strict=True))  # the first one warms
    return {
        "machine": machine(),
        "items": items,
        "rounds": rounds,
        "items_per_cpu_second": {
            "backfill": round(statistics.median(backfills)),
            "backfill_lowest_to_highest": [round(min(backfills)), round(max(backfills))],
            "boto3_put_if_absent": round(statistics.median(puts)),
            "boto3_batch": round(statistics.median(batches)),
        },
        "ratio_to_put_if_absent": round(statistics.median(a / b for a, b in zip(backfills, puts, strict=True)), 1),
        "ratio_to_batch": round(statistics.median(a / b for a, b in zip(backfills, batches, strict=True)), 1),
    }


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    _ = parser.add_argument("--items", type=int, default=100_000)
    _ = parser.add_argument("--rounds", type=int, default=5)
    arguments = parser.parse_args()
    core = apart()
    with running("--items", str(arguments.items), module="benchmarks.null_tables", core=core) as endpoint_url:
        print(json.dumps(measure(endpoint_url, arguments.items, arguments.rounds), indent=2))


if __name__ == "__main__":
    main()
