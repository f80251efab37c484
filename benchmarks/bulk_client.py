"""CPU time per call of the lean client beside boto3's, on a server that answers from memory.

    python -m benchmarks.bulk_client [--rounds 5] [--seconds 1.0]

The two take turns in one process, A B A B; medians over the rounds, of the process's user and system time in all its
threads. Where there are two cores the server has one and the client the other.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import os
import resource
import statistics
import time
from collections.abc import Awaitable, Callable
from typing import Any, Final

import botocore.session
from benchmarks.null_server import item, running

from crossfade.aws.lean.client import BulkClient
from crossfade.aws.own_calls import method_name
from crossfade.core.effects import Request

CONCURRENT: Final = 16  # calls under way at once in the lean client
REQUESTS: Final[dict[str, Request]] = {
    "PutItem": {"TableName": "table", "Item": item(1)},
    "GetItem": {"TableName": "table", "Key": {"pk": {"S": "p1"}, "sk": {"S": "s1"}}, "ConsistentRead": True},
    "BatchWriteItem": {"RequestItems": {"table": [{"PutRequest": {"Item": item(n)}} for n in range(25)]}},
    "Scan": {"TableName": "table", "Segment": 0, "TotalSegments": 4, "ConsistentRead": True},
}


def cpu_seconds() -> float:
    used = resource.getrusage(resource.RUSAGE_SELF)
    return used.ru_utime + used.ru_stime


def boto3_us(client: Any, operation: str, seconds: float) -> float:
    """CPU microseconds per call, one call after the other: what boto3 needs the least for."""
    method = getattr(client, method_name(operation))
    request = REQUESTS[operation]
    calls, until, used = 0, time.monotonic() + seconds, cpu_seconds()
    while time.monotonic() < until:
        method(**request)
        calls += 1
    return (cpu_seconds() - used) / calls * 1e6


async def lean_us(client: BulkClient, operation: str, seconds: float) -> float:
    request = REQUESTS[operation]
    calls, until, used = 0, time.monotonic() + seconds, cpu_seconds()

    async def caller() -> None:
        nonlocal calls
        while time.monotonic() < until:
            _ = await client.call(operation, request)
            calls += 1

    await gather(caller)
    return (cpu_seconds() - used) / calls * 1e6


async def gather(caller: Callable[[], Awaitable[None]]) -> None:
    _ = await asyncio.gather(*(caller() for _ in range(CONCURRENT)))


async def measure(endpoint_url: str, rounds: int, seconds: float) -> dict[str, dict[str, float]]:
    session: Any = botocore.session.Session()
    session.set_credentials("AKIDEXAMPLE", "wJalrXUtnFEMI/K7MDENG+bPxRfiCYEXAMPLEKEY")
    theirs = session.create_client("dynamodb", region_name="eu-west-1", endpoint_url=endpoint_url)
    found: dict[str, dict[str, float]] = {}
    async with BulkClient.like(theirs) as ours:
        for operation in REQUESTS:
            _ = boto3_us(theirs, operation, seconds / 5), await lean_us(ours, operation, seconds / 5)  # warm
            pairs = [
                (boto3_us(theirs, operation, seconds), await lean_us(ours, operation, seconds)) for _ in range(rounds)
            ]
            boto3, lean = (statistics.median(column) for column in zip(*pairs, strict=True))
            found[operation] = {
                "boto3_us": round(boto3, 1),
                "lean_us": round(lean, 1),
                "ratio": round(statistics.median(a / b for a, b in pairs), 1),
            }
    return found


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    _ = parser.add_argument("--rounds", type=int, default=5)
    _ = parser.add_argument("--seconds", type=float, default=1.0, help="for each of the two in a round")
    arguments = parser.parse_args()
    cores = sorted(os.sched_getaffinity(0))
    if len(cores) > 1:
        os.sched_setaffinity(0, {cores[0]})
    with running(core=cores[1] if len(cores) > 1 else None) as endpoint_url:
        found = asyncio.run(measure(endpoint_url, arguments.rounds, arguments.seconds))
    print(json.dumps(found, indent=2))


if __name__ == "__main__":
    main()
