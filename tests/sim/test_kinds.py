"""The worlds that only some seeds have: with an index, with a target's own key, behind another migration. Each is
drawn, is clean, and finds a fault of its own kind."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Generator
from random import Random
from typing import Any

import pytest

from crossfade.aws.hooks import Hooks
from crossfade.core.effects import Call
from crossfade.core.items import Item
from crossfade.core.pages.entries import Entries
from crossfade.core.pages.index_query import MergedIndexPage
from crossfade.core.plan import Planner
from crossfade.core.rules import Rules
from crossfade.sim import scenario
from crossfade.sim.campaign import campaign
from crossfade.sim.network import Network
from crossfade.sim.processes import Answered, Task
from crossfade.sim.scenario import draw
from crossfade.sim.sdk import Sdk
from crossfade.sim.table_pages import index_page

KINDS: dict[str, dict[str, Any]] = {
    "index": {"INDEXED": 1.0, "CHAINED": 0.0},
    "target": {"INDEXED": 1.0, "CHAINED": 0.0, "TARGET_PAGED": 1.0},
    "own": {"OWN_KEYED": 1.0, "CHAINED": 0.0, "INDEXED": 0.0},
    "use": {"OWN_KEYED": 1.0, "OWN_KEYS": ("use",), "CHAINED": 0.0},
    "chain": {"CHAINED": 1.0},
}
WORLDS_MAX = 150  # within so many of a kind, each fault must show


def played(monkeypatch: pytest.MonkeyPatch, kind: str, worlds: int, strategy: str, rule: str | None = None) -> str:
    """What went wrong in one of so many worlds of a kind; "" for nothing."""
    for name, chance in KINDS[kind].items():
        monkeypatch.setattr(scenario, name, chance)
    found = campaign(range(worlds), Rules.without(rule), 1, lambda _tally: None, strategy).failed
    return "" if found is None else str(found)


@pytest.mark.parametrize("strategy", ["dual-write", "copy-on-write"])
def test_every_kind_is_drawn(strategy: str) -> None:
    """And many worlds have none of it, so that they stay what they were."""
    drawn = [draw(Random(seed), Random(f"more of {seed}"), Rules(), strategy) for seed in range(300)]
    kinds = Counter(
        kind
        for world in drawn
        for kind, has in {
            "chain": world.chain is not None,
            "local": world.index is not None and world.index.is_local,
            "global": world.index is not None and not world.index.is_local,
            "target": world.target_page_share > 0,
            "own": world.mapping == "derive" and world.page_share > 0,
            "use": world.mapping == "use",
            "plain": world.chain is None and world.index is None and not world.target_page_share,
        }.items()
        if has
    )
    expected = {"chain", "local", "global", "target", "plain"}
    assert set(kinds) == expected | ({"own", "use"} if strategy == "copy-on-write" else set())
    assert min(kinds.values()) > 5
    assert kinds["plain"] > 60


@pytest.mark.parametrize(
    ("kind", "strategy"),
    [(kind, strategy) for kind in KINDS for strategy in ("dual-write", "copy-on-write") if strategy[0] == "c" or
     kind not in ("own", "use")],
)  # fmt: skip
def test_worlds_of_each_kind_are_clean(kind: str, strategy: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """A few here; the thousands are the simulator's own."""
    assert played(monkeypatch, kind, 12, strategy) == ""


Items = Generator[Any, Any, list[Any]]


def without_the_last(routine: Callable[..., Items]) -> Callable[..., Items]:
    """One item of each page is lost."""

    def shorter(*arguments: Any, **options: Any) -> Items:
        found = yield from routine(*arguments, **options)
        return found[:-1]

    return shorter


def nothing_of_the_source(self: MergedIndexPage, places: list[Item]) -> Items:
    """What has not been copied is not shown."""
    _ = yield from OF_SOURCE(self, places)
    return [None] * len(places)


def all_of_the_target(self: MergedIndexPage, places: list[Item]) -> Items:  # noqa: ARG001
    """What the source has at the same place is shown again."""
    yield from ()
    return list(places)


def wherever_it_is(*_: Any) -> bool:
    """Items are shown at the places that they have left."""
    return True


def past_the_hooks(self: Sdk, _migration: str, _context: Any, task: Task, call: Call, answer: Answered) -> None:
    """What the first migration sends, the second one does not see."""
    self._world.network.send(task, call, answer, sdk=False)  # pyright: ignore[reportPrivateUsage]


PAGE = "crossfade.core.pages.index_query.MergedIndexPage"
IMAGES = "crossfade.core.pages.entries.Entries.images"
OF_SOURCE: Callable[..., Items] = MergedIndexPage._of_source  # pyright: ignore[reportPrivateUsage]


@pytest.mark.parametrize(
    ("kind", "strategy", "where", "fault"),
    [
        ("index", "dual-write", "crossfade.core.pages.one_side.is_at_place", wherever_it_is),
        ("index", "dual-write", IMAGES, without_the_last(Entries.images)),
        ("index", "copy-on-write", f"{PAGE}._of_source", nothing_of_the_source),
        ("index", "copy-on-write", f"{PAGE}._of_target", all_of_the_target),
        ("index", "copy-on-write", "crossfade.core.pages.index.MergedIndex.same_place", wherever_it_is),
        ("target", "dual-write", IMAGES, without_the_last(Entries.images)),
        ("own", "copy-on-write", IMAGES, without_the_last(Entries.images)),
        ("own", "copy-on-write", f"{PAGE}._of_source", nothing_of_the_source),
        ("chain", "dual-write", "crossfade.sim.sdk.Sdk.own", past_the_hooks),
        ("chain", "copy-on-write", "crossfade.sim.sdk.Sdk.own", past_the_hooks),
    ],
)
def test_a_fault_of_each_kind_is_found(
    kind: str, strategy: str, where: str, fault: object, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Planted in the product, where it makes pages or carries a request through two migrations."""
    monkeypatch.setattr(where, fault)
    assert played(monkeypatch, kind, WORLDS_MAX, strategy)


def test_a_strongly_consistent_query_that_is_answered_from_the_past_is_found(monkeypatch: pytest.MonkeyPatch) -> None:
    """Planted in the simulated local index, to see that its answers are judged as reads."""

    def stale(table: Any, index: Any, keyed: Any, request: Any, as_of: float | None) -> Any:
        asked = {name: value for name, value in request.items() if name != "ConsistentRead"}
        return index_page(table, index, keyed, asked, as_of)

    def as_of(self: Network, operation: str, request: Any) -> float | None:
        return self.world.now - 1.0 if operation == "Query" and "IndexName" in request else None

    monkeypatch.setattr("crossfade.sim.tables.index_page", stale)
    monkeypatch.setattr(Network, "_as_of", as_of)
    assert played(monkeypatch, "index", WORLDS_MAX, "dual-write")


@pytest.mark.parametrize(
    ("kind", "strategy", "rule"),
    [
        ("use", "copy-on-write", "stamp"),
        ("use", "copy-on-write", "delete-both"),
        ("chain", "dual-write", "stamp"),
        ("chain", "copy-on-write", "stamp"),
    ],
)
def test_a_dropped_rule_is_noticed_in_each_kind(
    kind: str, strategy: str, rule: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """In a target with a key of its own, and behind another migration, as elsewhere."""
    assert played(monkeypatch, kind, WORLDS_MAX, strategy, rule)


def test_in_a_chain_both_migrations_plan_and_their_hooks_take_part(monkeypatch: pytest.MonkeyPatch) -> None:
    """Requests go through production's chain: the first plans in complete, the second in each of its stages."""
    planned: Counter[tuple[str, str]] = Counter()
    plan_of, had_no_answer, told = Planner.plan, Hooks.had_no_answer, Counter[str]()

    def counted(self: Planner, stage: Any, *arguments: Any, **options: Any) -> Any:
        pair: Any = self._pair  # pyright: ignore[reportPrivateUsage]
        planned[pair.source.name, stage] += 1
        return plan_of(self, stage, *arguments, **options)

    def noticed(self: Hooks, context: dict[str, Any]) -> None:
        told[self.name] += 1
        had_no_answer(self, context)

    monkeypatch.setattr(Planner, "plan", counted)
    monkeypatch.setattr(Hooks, "had_no_answer", noticed)
    assert played(monkeypatch, "chain", 12, "dual-write") == ""
    assert {stage for table, stage in planned if table == "first"} == {"complete"}
    assert len({stage for table, stage in planned if table == "source"}) >= 6
    assert set(told) == {"before", "sim"}
