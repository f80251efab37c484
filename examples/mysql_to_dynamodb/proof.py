"""The shop's migration over many seeds, while its processes and the pipeline's are killed at random:

    python -m examples.mysql_to_dynamodb.proof --runs 10

Killed with -9, and started anew: the capture, the broker, the workers of the ETL, the service's processes. Afterwards
the tables must be equal, the buyers' journals must hold, and no write may have been held for longer than its bound.
With `--drop RULE` one thing that this rests on is left out, and the proof must then fail.
"""

from __future__ import annotations

import argparse
import io
import random
import signal
import sys
import time
from collections import Counter
from collections.abc import Generator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass

from crossfade.control.freezing import HOLD_SECONDS
from crossfade.demo.console import Console
from crossfade.errors import CrossfadeError, in_full
from crossfade.local.errors import JarsUnavailable, LocalServerError
from examples.mysql_to_dynamodb.dropping import DROPS
from examples.mysql_to_dynamodb.staging import PROCESSES, Holds, ShopPlay, open_shop
from examples.play import COULD_NOT_RUN, FAILED, INTERRUPTED, SKIPPED, PlayError

LEASE_SECONDS = 3.0  # of the service's processes: what dies is to be found dead soon
WRITE_SECONDS = 1.0  # what a write takes by itself at most, beside how long it is held
KILLS = 2  # around each move; it is tried again without any
KILL_SECONDS = 5.0  # within which after its beginning
STORY_LINES = 60  # of a run that failed, its last
VICTIMS = ("broker", "replicate", *(f"{name} {n + 1}" for name in ("etl", "service") for n in range(PROCESSES)))


@dataclass
class Killer:
    """Kills at random times, each time two at most, and starts anew."""

    shop: ShopPlay
    chance: random.Random
    kills: Counter[str]

    @contextmanager
    def about(self) -> Generator[None, None, None]:
        """Some of them, soon; leaving it waits until they are up again."""
        with ThreadPoolExecutor(KILLS) as pool:
            killing = [
                pool.submit(self._kill, victim, self.chance.random() * KILL_SECONDS, self.chance.random())
                for victim in self.chance.sample(VICTIMS, KILLS)
            ]
            yield
        for one in killing:
            one.result()

    def _kill(self, victim: str, after_seconds: float, away_seconds: float) -> None:
        time.sleep(after_seconds)
        kind, _, number = victim.partition(" ")
        self.kills[kind] += 1
        self.shop.play.console.say(f"kill -9: {victim}")
        if kind == "broker":
            self.shop.kafka.kill()
        else:
            self.shop.kill(victim)
        time.sleep(away_seconds)
        match kind:
            case "broker":
                self.shop.kafka.restart()
            case "replicate":
                self.shop.open_capture()
            case "etl":
                self.shop.open_worker(int(number) - 1)
            case _:
                self.shop.open_service(int(number) - 1)


@dataclass(frozen=True)
class Outcome:
    seed: int
    seconds: float
    kills: Counter[str]
    failures: tuple[str, ...]
    writes: int
    holds: Holds
    story: str

    def line(self) -> str:
        verdict = "DOES NOT HOLD" if self.failures else "holds"
        killed = ", ".join(f"{count} {name}" for name, count in sorted(self.kills.items()))
        head = f"seed {self.seed:3}  {verdict:13}  {self.seconds:4.0f} s"
        return f"{head}  killed: {killed}; {self.writes:,} writes; {self.holds}"


def perform(seed: int, orders: int, drop: str, *, verbose: bool) -> Outcome:
    """One run. What could not be gone on with is a failure as well."""
    began, out = time.monotonic(), io.StringIO()
    kills: Counter[str] = Counter()
    with open_shop(orders, Console() if verbose else Console(out=out)) as shop:
        shop.lease_seconds, shop.drop = LEASE_SECONDS, drop
        failures = shop.play.failures
        try:
            walk(shop, Killer(shop, random.Random(seed), kills))
        except (PlayError, LocalServerError) as error:
            failures.append(in_full(error))
        writes, holds = shop.lines(), shop.holds()
    return Outcome(seed, time.monotonic() - began, kills, tuple(failures), writes, holds, out.getvalue())


def walk(shop: ShopPlay, killer: Killer) -> None:
    play = shop.play
    play.crossfade("check")
    play.crossfade("start", "--execute")
    shop.open_services()
    shop.let_buyers_in()
    play.crossfade("advance", "--to", "dualwrite", "--execute")
    play.crossfade("backfill", "--execute")
    shop.open_pipeline()
    for words in (
        ("advance", "--to", "shadow"),
        ("advance", "--to", "live"),
        ("rollback", "--to", "shadow"),
        ("advance", "--to", "live"),
        ("advance", "--to", "rampdown"),
    ):
        with killer.about():
            shop.let_buy(10)
            shop.move(*words)
    judge(shop)


def judge(shop: ShopPlay) -> None:
    play = shop.play
    shop.see_buyers_out()
    shop.verify()
    shop.judge_rows()
    shop.judge_items()
    play.crossfade("complete", "--execute", "--confirm", "shop")
    for name in ("replicate", *(f"etl {n + 1}" for n in range(PROCESSES))):
        play.finish(name)
    shop.judge_items()
    play.stop()
    longest, bound = shop.holds().longest, HOLD_SECONDS + WRITE_SECONDS
    play.check(f"the longest write that was held took {longest:.2f} s, of {bound:g} s at most", longest <= bound)


def run(options: argparse.Namespace) -> int:
    """All seeds; 0 only if all hold. With a rule dropped, the first that fails is enough."""
    began, outcomes = time.monotonic(), list[Outcome]()
    for seed in range(options.seed, options.seed + options.runs):
        outcome = perform(seed, options.items, options.drop or "", verbose=options.verbose)
        outcomes.append(outcome)
        print(outcome.line(), flush=True)
        for failure in outcome.failures:
            print(f"    {failure}", flush=True)
        if outcome.failures:
            print("\n".join(f"    | {line}" for line in outcome.story.splitlines()[-STORY_LINES:]), flush=True)
            if options.drop:
                break
    dropped = f" with {options.drop} dropped" if options.drop else ""
    seconds = time.monotonic() - began
    told = f"{Holds.of_all(outcome.holds for outcome in outcomes)}; {seconds:.0f} s"
    failed = [str(outcome.seed) for outcome in outcomes if outcome.failures]
    if failed:
        print(f"DOES NOT HOLD{dropped}: seed {', '.join(failed)}; {told}")
        return FAILED
    print(f"HOLDS{dropped}: {len(outcomes)} of {len(outcomes)} seeds; {told}")
    return 0


def main(arguments: Sequence[str] | None = None) -> int:
    parser = argparse.ArgumentParser(prog="python -m examples.mysql_to_dynamodb.proof", description=__doc__)
    parser.add_argument("--runs", type=int, default=10, metavar="N", help="seeds to run (10)")
    parser.add_argument("--seed", type=int, default=1, metavar="S", help="the first one (1)")
    parser.add_argument("--items", type=int, default=200, metavar="N", help="orders in the old database (200)")
    parser.add_argument("--drop", choices=tuple(DROPS), help="; ".join(f"{name}: {how}" for name, how in DROPS.items()))
    parser.add_argument("--verbose", action="store_true", help="tell each run's story")
    options = parser.parse_args(arguments)
    signal.signal(signal.SIGTERM, signal.default_int_handler)  # ended like Ctrl-C, everything is cleaned up
    try:
        return run(options)
    except KeyboardInterrupt:
        print("\nstopped", file=sys.stderr)
        return INTERRUPTED
    except JarsUnavailable as error:
        print(f"skipped: the servers that it needs cannot be had here: {in_full(error)}", file=sys.stderr)
        return SKIPPED
    except (CrossfadeError, OSError) as error:
        print(f"could not run: {in_full(error)}", file=sys.stderr)
        return COULD_NOT_RUN


if __name__ == "__main__":
    sys.exit(main())
