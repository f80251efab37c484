"""Plays the migration of the functions: `python -m examples.aws_lambda.run`."""

from __future__ import annotations

import sys
import time
from contextlib import ExitStack
from pathlib import Path
from typing import Any

from examples.aws_lambda.migration import migration
from examples.aws_lambda.service import CALLERS, Functions
from examples.play import (
    Journal,
    Play,
    create_table,
    differences,
    every,
    last_written,
    open_play,
    plain,
    run,
    without_stamp,
)

FOLDER = Path(__file__).parent
KEY = {"customer": "S", "cart": "S"}
UNDER_WAY_SECONDS = 1.0  # between the steps: so that environments are frozen, and ended, in every stage


def play_functions(items: int) -> int:
    with open_play(FOLDER) as play:
        play.console.chapter(f"The old table: {items:,} carts")
        old, new = (create_table(play.dynamodb, table.name, KEY) for table in (migration.source, migration.target))
        seeded = {f"old/{n:06d}": {"customer": "old", "cart": f"{n:06d}", "count": n % 7} for n in range(items)}
        with old.batch_writer() as batch:
            for cart in seeded.values():
                batch.put_item(Item=cart)
        play.crossfade("check")
        play.crossfade("start", "--execute")

        play.console.chapter("Functions, whose environments are frozen whenever they have answered, and some for ever")
        files = [play.folder / f"caller-{n}.jsonl" for n in range(CALLERS)]
        with ExitStack() as opened:
            journals = [opened.enter_context(Journal(file)) for file in files]
            functions = opened.enter_context(Functions(play.environment, journals))
            migrate(play, functions)
        play.console.chapter("What is there in the end, by the callers' own journals")
        judge(play, new, functions, seeded | last_written(*files))
        return play.verdict("NOTHING LOST: no call failed, and no step waited for what was frozen for ever")


def migrate(play: Play, functions: Functions) -> None:
    def step(*words: str) -> None:
        time.sleep(UNDER_WAY_SECONDS)
        play.crossfade(*words, "--execute")

    step("advance", "--to", "dualwrite")
    step("backfill")
    play.crossfade("verify")
    play.console.chapter("One verify is enough for the way up, down and up again: no end of an environment counts")
    step("advance", "--to", "live")
    step("rollback", "--to", "shadow")
    step("advance", "--to", "rampdown")
    time.sleep(UNDER_WAY_SECONDS)
    play.crossfade("complete", "--execute", "--confirm", "carts-v2")
    time.sleep(UNDER_WAY_SECONDS)
    play.check(f"{functions.ended} environments were ended while they were frozen", functions.ended > 0)


def judge(play: Play, new: Any, functions: Functions, written: dict[str, Any]) -> None:
    """`written`: the last value of each cart; None where it was emptied."""
    calls, wrong = functions.calls, functions.wrong
    play.check(
        f"{calls:,} calls of {functions.started} environments had their answers, each the right one", not wrong, *wrong
    )
    expected: dict[str, Any] = {}
    for name, cart in written.items():
        if cart is not None:
            expected[name] = {"items": cart["count"]} | {k: v for k, v in cart.items() if k in ("cart", "call_number")}
    found = {name_of(item): without_stamp(plain(item)) for item in every(new, ConsistentRead=True)}
    shown = {name: {k: v for k, v in cart.items() if k != "customer"} for name, cart in found.items()}
    missed = differences(expected, shown)
    play.check(f"{len(expected):,} carts are as last written, spread over partitions", not missed, *missed)


def name_of(item: dict[str, Any]) -> str:
    """The old name of a cart of the new table, whose customer has got a suffix."""
    return f"{item['customer'].rpartition('#')[0]}/{item['cart']}"


if __name__ == "__main__":
    sys.exit(run(play_functions, __doc__ or ""))
