"""The battery: `python -m tests.battery`, or `make battery SEEDS=n [DROP=name] [STRATEGY=..] [CLIENT=..]`.

Exit status: 0 if it HOLDS, 1 if something was lost, 2 if that could not be found out (a protection was to be left out
that crossfade does not have, among it), 130 after Ctrl-C. With a protection left out, 1 is what should come.
"""

from __future__ import annotations

import argparse
import signal
import sys
import tempfile
import time
from collections.abc import Callable, Sequence
from contextlib import AbstractContextManager
from dataclasses import replace
from itertools import product
from pathlib import Path
from random import Random
from typing import Final, cast

from crossfade.core.rules import RULES_OF
from crossfade.core.stages import LADDERS
from crossfade.errors import CrossfadeError, in_full
from crossfade.local import LocalEngine
from crossfade.migration import Strategy
from tests.battery.protections import PROTECTIONS
from tests.battery.weather import APPLICATIONS, IF_STOOD, KINDS, Kind, Weather
from tests.histories import scenes
from tests.histories.__main__ import DOES_NOT_HOLD, HOLDS, INTERRUPTED, NO_VERDICT, SEEDS, WIDTH, report
from tests.histories.crew import ProcessFailed
from tests.histories.doors import DOORS, left_out
from tests.histories.run import Hold, Outcome, perform
from tests.histories.scenes import Scene
from tests.histories.showing import explain
from tests.histories.speakers import KINDS as CLIENTS
from tests.histories.traffic import CALLS, MORE_CALLS
from tests.service import FakeService

SWEEP_SECONDS: Final = 0.5
DENIED: Final = "AccessDeniedException"
ATTEMPTS: Final = (1, 1, 2)  # of one call, by the SDK: one of these is drawn


def main(arguments: Sequence[str] | None = None) -> int:
    options = parser().parse_args(arguments)
    dropped = PROTECTIONS.get(options.drop)
    if dropped is not None and not dropped.exists:
        print(f"NO VERDICT: crossfade has no rule {dropped.name!r} yet, so it cannot be left out ({dropped.why})")
        return NO_VERDICT
    if not strategies(options):
        parser().error(f"--drop {options.drop}: the rules of {options.strategy} are {RULES_OF[options.strategy]}")
    if options.seed is None:
        options.seed = Random().randrange(SEEDS)
    _ = signal.signal(signal.SIGTERM, signal.default_int_handler)
    try:
        return run(options)
    except KeyboardInterrupt:
        print("\nstopped", file=sys.stderr)
        return INTERRUPTED
    except (CrossfadeError, ProcessFailed, OSError) as error:
        print(f"no verdict: {type(error).__name__}: {in_full(error)}", file=sys.stderr)
        return NO_VERDICT


def run(options: argparse.Namespace) -> int:
    """All seeds of each strategy; with a protection left out, the first loss is enough."""
    began = time.monotonic()
    without = f" without {options.drop}" if options.drop else ""
    print(f"weather: {', '.join(kinds(options))}{not_played(options)}", flush=True)
    lost: list[str] = []
    undecided = done = 0
    with LocalEngine.start() as engine:
        for seed, strategy in product(range(options.seed, options.seed + options.seeds), strategies(options)):
            with left_out(options.drop):
                outcome = one(engine, scene(seed, strategy, options), options)
            done += 1
            undecided += len(outcome.verdict.undecided)
            if outcome.bad:
                lost.append(f"{seed} of {strategy}")
                if options.drop:
                    break
    seconds = f"{time.monotonic() - began:.0f} s"
    if lost:
        print(f"DOES NOT HOLD{without}: seed {', '.join(lost)}, {len(lost)} of {done} runs; {seconds}")
        return DOES_NOT_HOLD
    if undecided:
        print(f"NO VERDICT{without}: the histories of {undecided} items were too entangled; {seconds}")
        return NO_VERDICT
    print(f"HOLDS{without}: {done} of {done} runs from seed {options.seed}; {seconds}")
    return HOLDS


def scene(seed: int, strategy: Strategy, options: argparse.Namespace) -> Scene:
    """One run: a process of each kind of client, or all of one."""
    clients = (options.client,) if options.client else CLIENTS
    attempts = options.attempts or Random(f"{seed}.attempts").choice(ATTEMPTS)
    drawn = scenes.draw(seed, strategy, dropped_rule(options))
    return replace(drawn, clients=clients, role=APPLICATIONS, attempts=attempts, rate=options.rate,
        clock_stands_still="clock" in kinds(options))  # fmt: skip


def one(engine: LocalEngine, scene: Scene, options: argparse.Namespace) -> Outcome:
    folder = Path(tempfile.mkdtemp(prefix=f"crossfade-battery-{scene.seed}-"))
    migration = scenes.migration(scene.mapping, scene.unique, scene.strategy)
    sweep = SWEEP_SECONDS if "expiry" in kinds(options) else None
    with FakeService.start(engine.endpoint_url, seed=scene.seed, sweep_seconds=sweep) as service:

        def weather(say: Callable[[str], None]) -> AbstractContextManager[Hold]:
            random, is_denied = Random(f"{scene.seed}.weather"), options.drop == "rights"
            return Weather(service, migration, random, kinds(options), say, is_denied=is_denied).lasting()

        outcome = perform(
            LocalEngine(service.endpoint_url),
            scene,
            folder,
            seconds=options.seconds,
            kinds=calls(options),
            say=(lambda what: print(f"  {what}", flush=True)) if options.verbose else (lambda _: None),
            weather=weather,
        )
        if options.drop == "rights":
            outcome.damage = outcome.damage or denied(outcome)
        faults = ", ".join(f"{n} {name}" for name, n in sorted(service.faults.items()))
    lines = [*report(outcome), f"  clients {', '.join(scene.clients)}; attempts {scene.attempts}; {faults}"]
    print("\n".join(line[:WIDTH] for line in lines), flush=True)
    keep(folder, outcome, lines)
    return outcome


def denied(outcome: Outcome) -> str:
    """What applications were refused in a stage that asks of them what they may not do; "" for nothing."""
    writes = sum(count for what, count in outcome.counts.items() if DENIED in what)
    return f"{writes} writes of applications were denied in stages that nobody had kept from them" if writes else ""


def keep(folder: Path, outcome: Outcome, lines: list[str]) -> None:
    """Keep what is needed to judge it again, where it is not good."""
    if outcome.bad or outcome.verdict.undecided:
        whole = [line for fault in outcome.verdict.faults for line in explain(fault, outcome.began)]
        events = [f"{at:9.3f} s  {what}" for at, what in outcome.events]
        _ = (folder / "history.txt").write_text("\n".join([*lines, "", *whole, "", *events]) + "\n")
        print(f"  kept in {folder}: history.txt and each process's own record", flush=True)
        return
    for path in folder.iterdir():
        path.unlink()
    folder.rmdir()


def strategies(options: argparse.Namespace) -> list[Strategy]:
    """Those that are asked for and have the rule that is left out, if one is."""
    chosen: list[Strategy] = [options.strategy] if options.strategy else [cast("Strategy", name) for name in LADDERS]
    everywhere = not options.drop or options.drop in DOORS
    return [strategy for strategy in chosen if everywhere or dropped_rule(options) in RULES_OF[strategy]]


def dropped_rule(options: argparse.Namespace) -> str:
    """Return the name of what is left out, which is that of a rule or of a door; "" for nothing."""
    return PROTECTIONS[options.drop].rule if options.drop else ""


def kinds(options: argparse.Namespace) -> tuple[Kind, ...]:
    """All weather but what is left out, and but what crossfade does not claim to stand yet."""
    played: list[Kind] = []
    for kind in KINDS:
        stood = kind not in IF_STOOD or PROTECTIONS[kind].exists or kind in options.play
        if stood and kind not in options.without:
            played.append(kind)
    return tuple(played)


def calls(options: argparse.Namespace) -> tuple[str, ...]:
    """All kinds of calls; items that expire only where they do."""
    return tuple(kind for kind in (*CALLS, *MORE_CALLS) if kind != "session" or "expiry" in kinds(options))


def not_played(options: argparse.Namespace) -> str:
    left = [kind for kind in KINDS if kind not in kinds(options)]
    return f" (not played: {', '.join(left)})" if left else ""


def parser() -> argparse.ArgumentParser:
    this = argparse.ArgumentParser(prog="python -m tests.battery", description=__doc__)
    _ = this.add_argument("--seeds", type=int, default=3, metavar="N", help="how many, of each strategy (3)")
    _ = this.add_argument("--seed", type=int, metavar="S", help="the first one (any)")
    _ = this.add_argument("--strategy", choices=tuple(LADDERS), help="one strategy alone")
    _ = this.add_argument("--client", choices=CLIENTS, help="one kind of client alone")
    _ = this.add_argument("--drop", choices=tuple(PROTECTIONS), help="leave one protection out: a loss must be found")
    _ = this.add_argument("--attempts", type=int, help="of a call by the SDK (drawn)")
    _ = this.add_argument("--seconds", type=float, default=25.0, metavar="T", help="how long to go up and down (25)")
    _ = this.add_argument("--rate", type=float, default=8.0, metavar="R", help="calls a second of one thread (8)")
    _ = this.add_argument("--without", nargs="+", choices=KINDS, default=[], help="leave weather of these kinds out")
    _ = this.add_argument(
        "--play", nargs="+", choices=IF_STOOD, default=[], help="weather that is not claimed to be stood"
    )
    _ = this.add_argument("--verbose", action="store_true", help="tell what happens")
    return this


if __name__ == "__main__":
    sys.exit(main())
