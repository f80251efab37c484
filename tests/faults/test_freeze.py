"""A sample of `make faults STRATEGY=freeze`, the same in every run; and what is found where a rule is taken out."""

from __future__ import annotations

from dataclasses import dataclass
from itertools import count
from typing import Final

import pytest

from crossfade.core.stages import FREEZE, Stage
from tests.faults.drops import DROPS
from tests.faults.freeze.carrying import CARRIES
from tests.faults.freeze.drops import FREEZE_DROPS
from tests.faults.freeze.mishaps import NAMED, Fate
from tests.faults.freeze.places import CARRIED, SWITCHES, WORKER, Place
from tests.faults.freeze.running import run_freeze
from tests.faults.freeze.switching import SWITCH_CALLS, SwitchTrial, World
from tests.faults.playing import show
from tests.faults.running import Finding

SAMPLE: Final = ("reset after", "denied", "raised, done later", "cancelled after", "killed after")
OF_WORKERS: Final = ("reset after", "timeout, done later", "denied", "killed after", "partitions lost")


def found_in(place: Place, case: str, mishaps: tuple[str, ...]) -> list[Finding]:
    result = run_freeze(place, case, mishaps=[NAMED[name] for name in mishaps])
    assert result.count
    return result.findings


@pytest.mark.parametrize("stage", list(FREEZE))
def test_a_call_of_a_switch_comes_to_a_good_end_in_every_fate(stage: Stage) -> None:
    """Each step fails in some ways; another call, client and mirror in each stage."""
    number = list(FREEZE).index(stage)
    place = Place(stage, SWITCHES[number % 2], CARRIED[number // 2 % 2])
    findings = found_in(place, SWITCH_CALLS[number % (len(SWITCH_CALLS) - 1)].name, SAMPLE)
    assert not findings, "\n".join(map(show, findings))


@pytest.mark.parametrize(("stage", "client"), [(Stage.DUALWRITE, "threads"), (Stage.LIVE, "tasks")])
def test_between_two_tables_too(stage: Stage, client: str) -> None:
    """The mirror's own requests fail in some ways; without the queue that is found here as well."""
    place, ways = Place(stage, client, tables=True), ("reset after", "timeout, done later", "denied", "killed after")
    findings = found_in(place, "switch: a write of two", ways)
    assert not findings, "\n".join(map(show, findings))
    with DROPS["records_of_others"]():
        without = found_in(place, WRITE, ("killed after",))
    assert any("in the queue: [" in finding.why for finding in without), "\n".join(map(show, without))


@pytest.mark.parametrize("name", [carry.name for carry in CARRIES[2::3]])
def test_changes_come_to_a_good_end_in_every_fate(name: str) -> None:
    """Each step of the worker fails in some ways."""
    findings = found_in(Place(Stage.DUALWRITE, WORKER, "log"), name, OF_WORKERS)
    assert not findings, "\n".join(map(show, findings))


# --- rules


@dataclass(frozen=True, slots=True)
class Rule:
    """A rule of the product, and the smallest trial that finds its absence; `told`: what the judge says then."""

    drop: str
    client: str
    case: str
    mishaps: tuple[str, ...]
    told: str

    @property
    def place(self) -> Place:
        return Place(Stage.DUALWRITE, self.client, "log" if self.client == WORKER else "")


WRITE: Final = "switch: a write of something new"
TWICE: Final = "switch: a write and another"
RULES: Final = (
    Rule("record_first", "threads", WRITE, ("killed after",), "is not in the queue"),
    Rule("both_equal", "threads", WRITE, ("raised before",), "and the other side None"),
    Rule("unknown_outcome", "threads", WRITE, ("raised, done later",), "and the other side None"),
    Rule("record_until_landed", "threads", WRITE, ("raised, done later",), "is not in the queue"),
    Rule("save_may_land", "threads", TWICE, ("raised, done later",), "and the other side"),
    Rule("records_of_others", "threads", WRITE, ("killed after",), "in the queue: ["),
    Rule("mirror_again", "tasks", WRITE, ("raised before",), "in the queue: ["),
    Rule("records_forgotten", "tasks", WRITE, ("timeout, done later",), "in the queue: ["),
    Rule("cancelled_within", "tasks", TWICE, ("cancelled, done later",), "and the other side"),
    Rule("version", WORKER, "etl: an insert that comes once more", ("reset after",), "and the rows make {}"),
    Rule("part_version", WORKER, "etl: a child that goes over", ("reset after",), "is not applied"),
    Rule("tombstone", WORKER, "etl: an insert that comes once more", ("reset after",), "and the rows make {}"),
    Rule("rebuild_lock", WORKER, "etl: a child that changes twice", ("timeout, done later",), "and the rows make"),
    Rule("write_again", WORKER, "etl: an update", ("reset before",), "is not applied"),
    Rule("offset_behind", WORKER, "etl: an update", ("denied",), "is not applied"),
    Rule("dead_letters", WORKER, "etl: an update", ("denied",), "cannot be applied"),
    Rule("errors_of_kafka", WORKER, "etl: an update", ("messages, no broker",), "a worker ended with AssertionError"),
)


def test_each_rule_is_tried() -> None:
    """None is left out below."""
    assert {*(rule.drop for rule in RULES), "taken_over", "began_behind_landing"} == set(FREEZE_DROPS)


def test_a_key_that_is_repaired_stands_in_the_queue_under_the_name_of_who_repairs_it() -> None:
    """A record that could not be deleted is repaired, by a save that lands late: a write between, which is settled,
    must not be undone by it. It takes two mishaps, that of the record's end and that of the save."""
    fate = ((6, NAMED["timeout, done later"]), (12, NAMED["raised, done later"]))
    found = {drop: wrongs_of(TWICE, fate, drop) for drop in ("taken_over", "")}
    assert any("and the other side" in why for why in found["taken_over"])
    assert not found[""]


def test_a_mirror_counts_that_began_when_nothing_could_land() -> None:
    """A save lands late, behind the save of the next mirror, which ends when nothing can land any more."""
    fate = ((4, NAMED["raised, done later"]), (15, NAMED["slow"]))  # the first save, and the last look
    found = {drop: wrongs_of(TWICE, fate, drop, "tasks") for drop in ("began_behind_landing", "")}
    assert any("and the other side" in why for why in found["began_behind_landing"])
    assert not found[""]


def wrongs_of(name: str, fate: Fate, drop: str, client: str = "threads") -> list[str]:
    world = World(Place(Stage.SHADOW, client))
    trial = SwitchTrial(world, next(call for call in SWITCH_CALLS if call.name == name), count())
    with DROPS[drop]():
        _ = trial.make(fate)
    return [why for _, why, _ in trial.wrongs] + world.close()


@pytest.mark.parametrize("rule", RULES, ids=lambda rule: rule.drop)
def test_a_rule_that_is_taken_out_is_found(rule: Rule) -> None:
    """Something is found without it, and nothing with it."""
    with DROPS[rule.drop]():
        without = found_in(rule.place, rule.case, rule.mishaps)
    assert any(rule.told in finding.why for finding in without), "\n".join(map(show, without))
    findings = found_in(rule.place, rule.case, rule.mishaps)
    assert not findings, "\n".join(map(show, findings))
