"""What one seed stands for: the mapping, the keys, the pace, the way through the ladder, and how much goes wrong.

Everything is drawn from the world's generator before the world begins, so a scenario can be printed and read.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from functools import lru_cache
from random import Random
from typing import Final

from crossfade.core.rules import Rules
from crossfade.core.stages import LADDERS, Ramp, Stage, ladder
from crossfade.mapping import convert, derive_key, identity, move, number_to_text, rename, suffix, use_as_key
from crossfade.migration import Migration, Table
from crossfade.sim.chains import ChainPlan, draw_chain
from crossfade.sim.faults import Rates, draw_rates
from crossfade.sim.history import KeyName
from crossfade.sim.indexed import IndexPlan, draw_index
from crossfade.sim.model import State
from crossfade.sim.operator import Goal
from crossfade.sim.own_keys import OWN_KEY

KEY: Final = {"pk": "S", "sk": "S"}
MAPPINGS: Final = ("identity", "suffix", "rekey", "reshape", "all")
MOVING_MAPPINGS: Final = (*MAPPINGS, "derive")  # a key that leads to no other is for copy-on-write alone
OWN_KEYS: Final = ("derive", "use")
TARGET_PAGED: Final = 0.5  # of the worlds where applications speak of the target: they ask for pages, too
OWN_KEYED: Final = 0.15  # of the worlds of copy-on-write have such a target, beside those that have one anyway
CHAINED: Final = 0.15  # of the worlds: another migration came before, and is complete
INDEXED: Final = 0.4  # of the worlds have an index
NAMESPACE: Final = "6ba7b810-9dad-11d1-80b4-00c04fd430c8"


@lru_cache(maxsize=len(MOVING_MAPPINGS) + 1)
def migration(mapping: str) -> Migration:
    """One of the mappings of the worlds; they differ in who evaluates a write, and in how a query merges."""
    source = Table("source", key={"pk": "S", "sk": "S"})
    same = Table("target", key={"pk": "S", "sk": "S"})
    renamed = Table("target", key={"customer": "S", "number": "S"})
    reshape = (move("detail.status", "status"), convert("n", number_to_text), rename("log", "events"))
    rekey = (rename("pk", "customer"), rename("sk", "number"))
    match mapping:
        case "identity":
            return Migration("sim", source, same, identity())
        case "suffix":
            return Migration("sim", source, same, suffix("pk", count=3, by="sk"))
        case "rekey":
            return Migration("sim", source, renamed, [*rekey, suffix("customer", count=2, by="number")])
        case "reshape":
            return Migration("sim", source, same, reshape)
        case "derive":
            target, pieces = Table("target", key={"id": "S"}), [derive_key("id", ("pk", "sk"), NAMESPACE)]
            return Migration("sim", source, target, pieces, strategy="copy-on-write")
        case "use":
            target = Table("target", key={OWN_KEY: "S"})
            return Migration("sim", source, target, use_as_key(OWN_KEY), strategy="copy-on-write")
        case _:
            return Migration("sim", source, renamed, [*reshape, *rekey, suffix("customer", count=3, by="number")])


@dataclass(frozen=True, slots=True)
class Scenario:
    """`landing_seconds` and `lease_seconds` as in production, scaled down; `pause_seconds` lies between two bursts;
    `target_share` of the applications speak of the target already."""

    mapping: str
    keys: tuple[KeyName, ...]
    initial: dict[KeyName, State]
    clients: int
    pause_seconds: float
    page_share: float
    many_share: float
    delete_share: float
    target_share: float
    landing_seconds: float
    lease_seconds: float
    poll_seconds: float
    goals: tuple[Goal, ...]
    rates: Rates
    rules: Rules
    strategy: str = "dual-write"
    index: IndexPlan | None = None
    chain: ChainPlan | None = None
    target_page_share: float = 0.0


def draw(random: Random, more: Random, rules: Rules, strategy: str = "dual-write") -> Scenario:
    """`more` draws what only some worlds have, so that the others stay what they are."""
    partitions = random.choice((1, 2, 2))
    count = random.choice((1, 2, 3, 3, 4))
    keys = tuple((f"p{i % partitions}", chr(ord("a") + i // partitions)) for i in range(count))
    mapping = random.choice(MAPPINGS if strategy == "dual-write" else MOVING_MAPPINGS)
    # Where the target's key is an attribute of its own, another stream says how often pages are asked for.
    page_shares = (0.0,) if mapping == "derive" else (0.0, 0.05, 0.15)
    chain = draw_chain(more, strategy) if more.random() < CHAINED else None
    index = draw_index(more) if more.random() < INDEXED and chain is None else None
    initial = {key: draw_state(random, i) for i, key in enumerate(keys)}
    if index is not None:  # a page of an index is worth little where there are but two items
        initial |= {("p0", name): draw_state(more, i) for i, name in enumerate("mno"[: more.choice((0, 1, 3))])}
    drawn = Scenario(
        mapping=mapping,
        keys=tuple(initial),
        initial=initial,
        clients=random.choice((2, 2, 3)),
        pause_seconds=random.choice((0.6, 1.0, 2.0)),
        page_share=random.choice(page_shares),
        many_share=random.choice((0.0, 0.15, 0.3, 0.5)),
        delete_share=random.choice((0.0, 0.5, 1.0, 1.0, 3.0)),
        target_share=random.choice((0.0, 0.0, 0.5, 1.0)),
        landing_seconds=random.choice((0.3, 0.6, 1.2)),
        lease_seconds=random.choice((1.4, 2.0)),
        poll_seconds=random.choice((0.4, 0.7)),
        goals=draw_goals(random, rules) if strategy == "dual-write" else draw_moving_goals(random, rules),
        rates=draw_rates(random),
        rules=rules,
        strategy=strategy,
        index=index,
        chain=chain,
    )
    if chain is not None:
        return drawn
    if drawn.target_share and more.random() < TARGET_PAGED:
        drawn = replace(drawn, target_page_share=more.choice((0.1, 0.2, 0.4)))
    return drawn if strategy == "dual-write" else with_own_key(more, drawn)


def with_own_key(more: Random, drawn: Scenario) -> Scenario:
    """Return the scenario, in some worlds with a target whose key is an attribute of its own and with pages of it."""
    mapping = more.choice(OWN_KEYS) if more.random() < OWN_KEYED else drawn.mapping
    if mapping not in OWN_KEYS:
        return drawn
    target_share = 1.0 if mapping == "use" else drawn.target_share  # the old key does not tell the new one
    return replace(
        drawn, mapping=mapping, target_share=target_share, page_share=more.choice((0.0, 0.1, 0.2, 0.4)),
        target_page_share=more.choice((0.0, 0.1, 0.2, 0.4)),
    )  # fmt: skip


def draw_state(random: Random, i: int) -> State:
    if random.random() < 0.3:
        return None
    return i, (f"old{i}",), f"old{i}" if random.random() < 0.7 else None


def draw_goals(random: Random, rules: Rules) -> tuple[Goal, ...]:
    """Up, and often down and up again, with stays of any length; now and then to the end, for good."""
    stages = ladder("dual-write", lockstep=rules.lockstep)
    rows = LADDERS["dual-write"]
    goals: list[Goal] = []
    highest = len(stages) - 2
    at = 0
    for _ in range(random.choice((1, 1, 2, 2, 3))):
        up = at == 0 or (at < highest and random.random() < 0.6)
        # Low goals are cheap and prove little: most ways up cross the change of authority.
        at = random.randint(max(at + 1, min(3, highest)), highest) if up else random.randint(0, at - 1)
        goals.append(goal(random, stages[at], rows[stages[at]].ramp))
    if random.random() < 0.15:
        goals.append(Goal(Stage.COMPLETE))
    return tuple(goals)


def draw_moving_goals(random: Random, rules: Rules) -> tuple[Goal, ...]:
    """For copy-on-write: from `drain` on there is no way back to where the source is used alone, and complete is where
    things go wrong late."""
    stages, rows = ladder("copy-on-write", prepare=rules.prepare), LADDERS["copy-on-write"]
    highest = len(stages) - 2
    merging = next(n for n, stage in enumerate(stages) if rows[stage].merges)
    goals: list[Goal] = []
    at = top = 0
    for _ in range(random.choice((1, 1, 2, 3, 4))):
        lowest = 0 if rows[stages[top]].leaves_target_behind else merging
        up = at <= lowest or (at < highest and random.random() < 0.7)
        at = random.randint(at + 1, highest) if up and at < highest else random.randint(lowest, max(at - 1, lowest))
        top = max(top, at)
        goals.append(goal(random, stages[at], Ramp.NONE))
    if random.random() < 0.4:
        goals.append(Goal(Stage.COMPLETE))
    return tuple(goals)


def goal(random: Random, stage: Stage, ramp: Ramp) -> Goal:
    percent = random.choice((0, 50, 100)) if ramp is not Ramp.NONE else 0
    return Goal(stage, random.choice((0.0, 0.5, 2.0)) * random.random(), percent)
