"""The benchmarks run: what they find is for benchmarks/, and that they find something is for here."""

from __future__ import annotations

import json
import subprocess
import sys

import pytest

from tests.sampling import ALL


def output(*arguments: str, seconds: float = 120) -> str:
    done = subprocess.run(
        [sys.executable, "-m", *arguments], capture_output=True, text=True, timeout=seconds, check=False
    )
    assert done.returncode in (0, 1), done.stderr  # 1: slower than it should be, on a machine that has other work
    assert "Traceback" not in done.stderr, done.stderr
    return done.stdout


def test_backfill() -> None:
    found = json.loads(output("benchmarks.backfill", "--items", "2000", "--rounds", "1"))
    assert min(found["items_per_cpu_second"][name] for name in ("backfill", "boto3_put_if_absent", "boto3_batch")) > 0


def test_verify() -> None:
    found = json.loads(output("benchmarks.verify", "--items", "2000", "--rounds", "1", "--most", "0"))
    assert found["items_per_cpu_second"] > 0


@pytest.mark.parametrize("stage", ["off", "dualwrite"])
def test_router(stage: str) -> None:
    assert f"\n{stage}" in output("benchmarks.router", "--rounds", "1", "--calls", "20", "--stage", stage)


def test_hot_key() -> None:
    """All threads in one process and in two, in both stages; none of their updates is lost or counted twice."""
    found = output("benchmarks.hot_key", "--rounds", "1", "--seconds", "0.5", "--threads", "4", "--processes", "2")
    assert found.count("/s ") == 9


def test_row_log() -> None:
    found = json.loads(output("benchmarks.row_log", "--rows", "2000", "--rounds", "1"))
    assert all(each["crossfade"] > 0 for each in found["cpu_microseconds_per_row"].values())


@pytest.mark.skipif(not ALL, reason="with EVERY=1 only: it takes minutes")
def test_cdc() -> None:
    options = ("--rows", "400", "--rounds", "1", "--most", "400", "--seconds", "1")
    found = output("benchmarks.cdc", *options, seconds=900)
    assert all(f"\n{line}" in found for line in ("end to end, null", "ours to plain", "latency, engine", "memory over"))
