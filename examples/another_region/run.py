"""Plays the migration to another Region: `python -m examples.another_region.run`. Each Region is an engine of its own,
so no transaction spans both, and what is in one is not in the other."""

from __future__ import annotations

import os
import sys
import time
from pathlib import Path
from typing import Any

import boto3

from crossfade.local import LocalEngine
from examples.another_region.counter import member_of, seeded
from examples.another_region.members import TABLE
from examples.another_region.migration import NEW, OLD, in_the_new_region
from examples.play import Play, create_table, differences, every, last_written, open_play, plain, run

COUNTERS = 2
PAUSE_SECONDS = 1.0


def play_region(items: int) -> int:
    """`items`: how many members there are, and are to come."""
    with open_play(Path(__file__).parent) as play, LocalEngine.start() as there:
        place = {"NEW_REGION_ENDPOINT": there.client_options()["endpoint_url"], "AWS_DEFAULT_REGION": OLD}
        os.environ |= place
        play.environment |= place
        journals = [play.folder / f"counter-{n}.jsonl" for n in range(COUNTERS)]
        prepare(play, items)
        play.console.chapter("Two counters, each with a Switch in front of both Regions")
        for n, journal in enumerate(journals):
            play.start(f"counter {n + 1}", "examples.another_region.counter", journal, n, items)
        play.wait_for(*journals)
        go_up(play)
        go_back_and_up(play)
        finish(play)
        judge(play, items, journals)
        return play.verdict("NOTHING LOST: both Regions hold what was acknowledged, and nothing else")


def prepare(play: Play, items: int) -> None:
    play.console.chapter(f"The old Region ({OLD}): {items:,} members, of whom some are yet to join")
    table = create_table(play.dynamodb, TABLE, {"member": "S"})
    with table.batch_writer() as batch:
        for number in range(items):
            member = seeded(number)
            if member is not None:
                batch.put_item(Item={"member": member_of(number), **member})
    play.console.chapter(f"The new Region ({NEW}): a table of the same name, without items")
    create_table(new_region(), TABLE, {"member": "S"})
    play.crossfade("check")
    play.crossfade("start", "--execute")


def go_up(play: Play) -> None:
    play.console.chapter("What is there is copied, and what is written meanwhile is mirrored")
    play.crossfade("advance", "--to", "dualwrite", "--execute")
    play.crossfade("backfill", "--execute")
    play.console.command("crossfade replicate --enable-streams --execute")
    play.start("replicate", "crossfade.cli", "replicate", "--enable-streams", "--execute")

    play.console.chapter("Reads are compared in the background")
    play.crossfade("advance", "--to", "shadow", "--execute")
    play.crossfade("verify")
    trade(play)

    play.console.chapter("The new Region decides, after a freeze of a second or so")
    play.crossfade("advance", "--to", "live", "--execute")
    trade(play)


def go_back_and_up(play: Play) -> None:
    play.console.chapter("Back: what was written meanwhile is in the old Region as well")
    play.crossfade("verify")
    play.crossfade("rollback", "--to", "shadow", "--execute")
    trade(play)

    play.console.chapter("And up again, to the end")
    play.crossfade("advance", "--to", "rampdown", "--execute")
    trade(play)


def finish(play: Play) -> None:
    play.crossfade("verify")
    play.stop(*(f"counter {n + 1}" for n in range(COUNTERS)))
    play.crossfade("complete", "--execute", "--confirm", "members")
    play.finish("replicate")
    play.crossfade("cleanup")


def trade(play: Play) -> None:
    """For a moment, in which nobody may end by itself."""
    time.sleep(PAUSE_SECONDS)
    play.look_after()


def judge(play: Play, items: int, journals: list[Path]) -> None:
    play.console.chapter("What the counters had acknowledged, and what each Region holds")
    written = {member_of(number): seeded(number) for number in range(items)} | last_written(*journals)
    expected = {member: one for member, one in written.items() if one is not None}
    for region, resource in ((OLD, play.dynamodb), (NEW, new_region())):
        found = {item.pop("member"): plain(item) for item in every(resource.Table(TABLE))}
        wrong = differences(expected, found)
        play.check(f"{region} holds {len(found):,} members, with the points that they have earned", not wrong, *wrong)


def new_region() -> Any:
    """boto3's resource of it."""
    return boto3.resource("dynamodb", region_name=NEW, endpoint_url=in_the_new_region().meta.endpoint_url)


if __name__ == "__main__":
    sys.exit(run(play_region, __doc__ or ""))
