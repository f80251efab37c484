"""Plays the migration of the shop: `python -m examples.mysql_to_dynamodb.run`. Its real servers are fetched on first
use: MariaDB is 149 MB, Kafka 45 MB."""

from __future__ import annotations

import sys

from examples.mysql_to_dynamodb.staging import PROCESSES, ShopPlay, open_shop
from examples.play import run


def play_shop(items: int) -> int:
    """`items`: how many orders there are."""
    print("    on first use, a MariaDB (149 MB) and a Kafka (45 MB) are fetched from the Maven registry", flush=True)
    with open_shop(items) as shop:
        play = shop.play
        play.console.chapter(f"The old database: {items:,} orders and their customers in three tables of MySQL")
        play.crossfade("check")
        play.crossfade("start", "--execute")

        play.console.chapter("The web service with its Switch, and two buyers")
        shop.open_services()
        shop.let_buyers_in()
        play.wait_for(*shop.journals)
        go_up(shop)
        go_back_and_up(shop)
        finish(shop)
        return play.verdict("NOTHING LOST: every acknowledged write is in DynamoDB, and nothing else is")


def go_up(shop: ShopPlay) -> None:
    play = shop.play
    play.console.chapter("Rows become items: those that are there, and then the log")
    play.crossfade("advance", "--to", "dualwrite", "--execute")
    play.crossfade("backfill", "--execute")
    shop.open_pipeline()
    shop.until_carried()

    play.console.chapter("Reads: compared in the background, and some pages served by the target")
    play.crossfade("advance", "--to", "shadow", "--execute")
    shop.verify()
    play.crossfade("advance", "--ramp", "50", "--execute")
    shop.let_buy(20)

    play.console.chapter("The target decides, after a freeze of a second or so")
    shop.move("advance", "--to", "live")
    shop.let_buy(40)


def go_back_and_up(shop: ShopPlay) -> None:
    play = shop.play
    play.console.chapter("Back: what was written meanwhile is in MySQL as well")
    shop.move("rollback", "--to", "shadow")
    shop.let_buy(40)

    play.console.chapter("And up again")
    shop.verify()
    shop.move("advance", "--to", "live")
    shop.let_buy(20)
    play.crossfade("advance", "--to", "rampdown", "--execute")
    shop.let_buy(20)


def finish(shop: ShopPlay) -> None:
    play = shop.play
    play.console.chapter("The buyers rest, so that both can be looked at: by crossfade, and without it")
    shop.see_buyers_out()
    shop.verify()
    shop.judge_rows()
    shop.judge_items()

    play.console.chapter("The end: no events come any more, so what has carried the log ends by itself")
    shop.let_buyers_in()
    play.crossfade("complete", "--execute", "--confirm", "shop")
    for name in ("replicate", *(f"etl {n + 1}" for n in range(PROCESSES))):
        play.finish(name)
    shop.let_buy(20)

    play.console.chapter("What crossfade has left anywhere is taken away")
    while "All steps are done" not in play.crossfade("cleanup", "--execute"):
        shop.let_buy(40)  # a tombstone stays for a minute: what was under way then has landed
    shop.see_buyers_out()
    play.stop()
    play.console.say(str(shop.holds()))
    left = shop.stamped()
    play.check("no tombstone is left, and no item has a version", not left, *left)
    play.check("nor is any table but the shop's and the control table", shop.tables() == ["crossfade", "shop"])
    shop.judge_items()


if __name__ == "__main__":
    sys.exit(run(play_shop, __doc__ or ""))
