"""The switch on threads, with a real control table: walks under traffic, faults, and what is left behind."""

from __future__ import annotations

import random
import threading
import time
from collections.abc import Generator, Iterable
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any, Final

import pytest

from crossfade.control.freezing import HOLD_SECONDS
from crossfade.control.record_items import record_name
from crossfade.control.records import RepairRecord
from crossfade.control.repairs import LISTED_MAX, list_repairs, put_repair, remove_repairs
from crossfade.core.stages import FREEZE, Stage
from crossfade.errors import ConfigurationError, Held, NotStarted, StageUncertain, TurnedBack, Undeclared
from crossfade.sim.model import Answer
from crossfade.switch import Mirror, Read, Switch, Write
from crossfade.switch.intents import Intents
from crossfade.switch.keys import digest_of, key_text
from crossfade.switch.membership import Timing
from tests.switch.moving import LANDING_SECONDS, LEASE_SECONDS, Operator, Recorder, action, until
from tests.switch.stores import OPERATIONS, Down, MemoryShop, Shop, SqliteShop, fails

KEYS = ("a", "b", "c")


def switch_of(operator: Operator, old: Shop, new: Shop, **more: Any) -> Switch:
    timing = Timing(0.2, repair_seconds=0.5)
    return Switch(operator.name, old, new, OPERATIONS, **operator.options(**({"timing": timing} | more)))


def work(switch: Switch, recorder: Recorder, stop: threading.Event, seed: int, pause_seconds: float = 0.002) -> None:
    """Calls on a few hot keys, each written down before and after."""
    chance = random.Random(seed)
    number = 0
    while not stop.is_set():
        key = chance.choice(KEYS)
        number += 1
        name = chance.choices(("get", "append", "delete"), (5, 4, 1))[0]
        token = f"{seed}.{number}" if name == "append" else ""
        called, began = recorder.place(), time.monotonic()
        answer: Answer | None
        try:
            if name == "get":
                answer = ("ok", switch.find(key))
            else:
                answer = ("ok", switch.append(key, token) if name == "append" else switch.remove(key))
        except Held as error:
            recorder.errors.append(error)
            recorder.took(began, True)
            continue
        except (StageUncertain, Down):
            answer = None
        recorder.took(began, name != "get")
        recorder.record(key, called, action(name, token), answer)
        time.sleep(pause_seconds * chance.random())


@contextmanager
def traffic(*switches: Switch, threads: int = 2, pause_seconds: float = 0.002) -> Generator[Recorder]:
    recorder, stop = Recorder(), threading.Event()
    workers = [
        threading.Thread(target=work, args=(switch, recorder, stop, 10 * i + j, pause_seconds), daemon=True)
        for i, switch in enumerate(switches)
        for j in range(threads)
    ]
    for worker in workers:
        worker.start()
    try:
        yield recorder
    finally:
        stop.set()
        for worker in workers:
            worker.join()


SETTLED_SECONDS: Final = 120.0  # pauses between repairs grow, and a key may fail some times in a row


def settled(operator: Operator, old: Shop, new: Shop) -> None:
    """At rest nothing waits, and both stores hold the same."""
    until(lambda: not operator.repairs(), SETTLED_SECONDS)
    for key in KEYS:
        assert old.read(key) == new.read(key)


@pytest.mark.parametrize("kind", ["memory", "sqlite"])
def test_up_back_and_up_again_every_answer_is_that_of_one_store(operator: Operator, kind: str, tmp_path: Path) -> None:
    """Two processes' switches under traffic: shadow, live, shadow, live, rampdown; linearizable, equal, and no write
    waits for longer than the bound."""
    old: Shop = MemoryShop() if kind == "memory" else SqliteShop(tmp_path / "old")
    new: Shop = MemoryShop() if kind == "memory" else SqliteShop(tmp_path / "new")
    one, two = switch_of(operator, old, new), switch_of(operator, old, new)
    operator.start(one)
    with one, two:
        with traffic(one, two) as recorder:
            for stage in (Stage.SHADOW, Stage.LIVE, Stage.SHADOW, Stage.LIVE, Stage.RAMPDOWN):
                assert operator.walk(stage).stage is stage
                time.sleep(0.3)
        settled(operator, old, new)
    assert sum(len(events) for events in recorder.events.values()) > 100
    assert recorder.faults() == []
    assert recorder.longest_write < HOLD_SECONDS
    assert recorder.errors == []


def test_up_to_complete_the_target_serves_alone(operator: Operator) -> None:
    """In complete nothing is mirrored, and the queue stays empty."""
    old, new = MemoryShop(), MemoryShop()
    switch = switch_of(operator, old, new)
    operator.start(switch)
    with switch:
        with traffic(switch) as recorder:
            _ = operator.walk(Stage.RAMPDOWN)
            _ = operator.run(operator.coordinator(refused_days=0).complete(confirmed=True))
        settled(operator, MemoryShop(), MemoryShop())
        saves = old.saves
        switch.append("after", "x")
        assert switch.find("after") == (1, ("x",), None)
        time.sleep(0.3)
    assert recorder.faults() == []
    assert old.saves == saves
    assert old.read("after") is None


def test_second_writes_that_fail_are_repaired_and_the_caller_never_knows(operator: Operator) -> None:
    """A third of the saves raises, before or after it is done; in the end both stores are equal and nothing waits."""
    old, new = MemoryShop(), MemoryShop()
    chance = random.Random(5)
    for shop in (old, new):
        shop.before_save, shop.after_save = fails(0.2, chance), fails(0.2, chance)
    switch = switch_of(operator, old, new)
    operator.start(switch)
    with switch:
        with traffic(switch, threads=3, pause_seconds=0.02) as recorder:
            _ = operator.walk(Stage.SHADOW)
            time.sleep(1)
        assert switch.counts()["mirror_failed"] > 5
        settled(operator, old, new)
        assert switch.pending == 0
        assert operator.walk(Stage.LIVE).stage is Stage.LIVE
    assert recorder.faults() == []


def test_a_failed_mirror_keeps_the_authority_where_it_is(operator: Operator) -> None:
    """While the target takes nothing, the way to live turns back within the bound, and says which key and why."""
    old, new = MemoryShop(), MemoryShop()

    def down(_key: str) -> None:
        raise Down("disk full")

    switch = switch_of(operator, old, new)
    operator.start(switch, Stage.SHADOW)
    with switch:
        new.before_save = down
        switch.append("a", "x")
        until(lambda: switch.counts().get("mirror_failed"))
        assert [record.key for record in operator.repairs()] == ['"a"']
        began = time.monotonic()
        with pytest.raises(TurnedBack, match=r"key waits|wait to be repaired"):
            _ = operator.walk(Stage.LIVE)
        assert time.monotonic() - began < HOLD_SECONDS + 2
        assert operator.state().stage is Stage.SHADOW
        switch.append("a", "y")  # goes on
        new.before_save = lambda _: None
        until(lambda: not operator.repairs())
        assert new.read("a") == (2, ("x", "y"), None)
        assert operator.walk(Stage.LIVE).stage is Stage.LIVE


@pytest.mark.parametrize("authority", [Stage.SHADOW, Stage.LIVE])
def test_what_a_killed_process_has_begun_is_repaired_by_another(operator: Operator, authority: Stage) -> None:
    """Killed between its write and the mirror: its lease runs out, and another client syncs the key; in both
    directions, and without a mark that would ask for a verify."""
    old, new = MemoryShop(), MemoryShop()
    dying, other = switch_of(operator, old, new), switch_of(operator, old, new)
    operator.start(dying, authority)
    first, second = (old, new) if authority is Stage.SHADOW else (new, old)
    never = threading.Event()

    def stand_still(_key: str) -> None:
        _ = never.wait(30)

    dying.start()
    with other:
        second.before_save = stand_still
        dying.append("a", "x")
        until(lambda: second.saves)
        kill(dying)
        second.before_save = lambda _: None
        assert (first.read("a"), second.read("a")) == ((1, ("x",), None), None)
        began = time.monotonic()
        until(lambda: second.read("a"))
        assert time.monotonic() - began > LEASE_SECONDS / 2
        until(lambda: not operator.repairs())
        until(lambda: other.counts().get("repaired"))
        assert operator.state().unclean == 0
    never.set()


def kill(switch: Switch) -> None:
    """Its loop stops in the middle of whatever it does: no drain, no lease given back."""
    thread = switch._thread  # pyright: ignore[reportPrivateUsage]
    assert thread is not None
    _ = thread.loop.call_soon_threadsafe(thread.loop.stop)
    switch._thread = None  # pyright: ignore[reportPrivateUsage]


def test_a_record_of_its_own_that_a_process_does_not_remember_is_no_repair_of_another(operator: Operator) -> None:
    """Put by a request that was given up on, or read in the moment in which it is deleted: the key is synced and the
    record goes, but nothing has died, so `repaired` does not count it."""
    old, new = MemoryShop(), MemoryShop()
    switch = switch_of(operator, old, new)
    operator.start(switch, Stage.SHADOW)
    with switch:
        key = key_text("a")
        record = RepairRecord(switch.client_id, digest_of(key), key, "given up on", "")
        operator.run(put_repair(operator.control, record))
        until(lambda: not operator.repairs())
        assert "repaired" not in switch.counts()


def test_what_a_dead_process_left_is_found_behind_however_many_records_of_the_living(
    operator: Operator, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A look lists so many records, by their clients' names: a busy process must not hide one that is gone for good."""
    old, new = MemoryShop(), MemoryShop()
    busy, other = switch_of(operator, old, new), switch_of(operator, old, new)
    operator.start(other, Stage.SHADOW)

    def everything(_intents: Intents, _text: str) -> bool:
        return True

    monkeypatch.setattr(Intents, "knows", everything)  # they are under way there
    with busy, other:
        keys = [key_text(f"k{n}") for n in range(LISTED_MAX)]
        for key in keys:
            operator.run(put_repair(operator.control, RepairRecord(busy.client_id, digest_of(key), key, "busy", "")))
        key = key_text("a")
        gone = RepairRecord("zzz-gone", digest_of(key), key, "left", "")
        operator.run(put_repair(operator.control, gone))
        until(lambda: not operator.run(list_repairs(operator.control, 1, record_name(replace(gone, digest="")))))
    operator.run(remove_repairs(operator.control))


def test_a_process_that_comes_back_repairs_what_it_left(operator: Operator) -> None:
    """Nobody else is there: a later start finds the record of the client that is gone."""
    old, new = MemoryShop(), MemoryShop()
    first = switch_of(operator, old, new)
    operator.start(first, Stage.SHADOW)
    first.start()

    def down(_key: str) -> None:
        raise Down("no")

    new.before_save = down
    first.append("a", "x")
    until(lambda: first.counts().get("mirror_failed"))
    assert not first.close(timeout_seconds=0.5)
    assert len(operator.repairs()) == 1
    new.before_save = lambda _: None
    with switch_of(operator, old, new):
        until(lambda: not operator.repairs())
    assert new.read("a") == (1, ("x",), None)


def test_a_write_of_unknown_outcome_is_mirrored_again_when_it_can_no_longer_land(operator: Operator) -> None:
    """The caller gets the application's own error; what was written all the same reaches the other side."""
    old, new = MemoryShop(), MemoryShop()
    switch = switch_of(operator, old, new, landing_seconds=3.0)
    operator.start(switch, Stage.SHADOW)

    def lost(_key: str) -> None:
        raise Down("timeout")

    with switch:
        old.after_write = lost
        with pytest.raises(Down, match="timeout"):
            switch.append("a", "x")
        late = threading.Timer(0.2, lambda: old.change("a", lambda _: (7, ("late",), "late")))
        late.start()
        assert len(operator.repairs()) == 1
        late.join()
        landed = time.monotonic()
        until(lambda: not operator.repairs())
        assert time.monotonic() - landed > 1.0  # not before it can no longer land, whatever it has seen until then
        assert new.read("a") == (7, ("late",), "late")


def test_a_refusal_of_the_application_holds_nobody_up(operator: Operator) -> None:
    """Declared errors say that nothing can land any more: the intent goes at once."""
    old, new = MemoryShop(), MemoryShop()
    switch = switch_of(operator, old, new, refusals=(Down,), landing_seconds=20.0)
    operator.start(switch, Stage.SHADOW)

    def refuse(_key: str) -> None:
        raise Down("no such order")

    with switch:
        old.before_write = refuse
        with pytest.raises(Down):
            switch.append("a", "x")
        until(lambda: not operator.repairs(), 5)


# --- the freeze


def test_a_held_write_fails_within_its_bound_and_its_client_leads_the_way_out(operator: Operator) -> None:
    """The coordinator died in freeze_source: a write is held, fails with Held, unwritten; shadow is entered by the
    client itself, and then writes go on."""
    old, new = MemoryShop(), MemoryShop()
    switch = switch_of(operator, old, new, hold_seconds=1.0)
    operator.start(switch, Stage.SHADOW)
    with switch:
        frozen(operator, Stage.FREEZE_SOURCE)
        until(lambda: switch.stage is Stage.FREEZE_SOURCE)
        assert switch.find("a") is None  # reads go on
        began = time.monotonic()
        with pytest.raises(Held, match="nothing was written") as held:
            switch.append("a", "x")
        assert 1.0 <= time.monotonic() - began < 1.5
        assert held.value.retryable
        assert old.read("a") is None
        switch.append("a", "x")
        assert operator.state().stage is Stage.SHADOW
        assert old.read("a") == (1, ("x",), None)


def frozen(operator: Operator, stage: Stage) -> None:
    """A coordinator that dies after it has entered a freeze."""
    moving = operator.coordinator()
    for to in (Stage.FREEZE_SOURCE, Stage.FREEZE_TARGET):
        _ = operator.run(moving._step(operator.state(), to, confirmed=False))  # pyright: ignore[reportPrivateUsage]
        if to is stage:
            return


def test_from_the_second_freeze_stage_the_way_out_is_forward(operator: Operator) -> None:
    """All is on the target by then: live is entered by the client whose write was held."""
    old, new = MemoryShop(), MemoryShop()
    switch = switch_of(operator, old, new, hold_seconds=0.5)
    operator.start(switch, Stage.SHADOW)
    with switch:
        frozen(operator, Stage.FREEZE_TARGET)
        until(lambda: switch.stage is Stage.FREEZE_TARGET)
        with pytest.raises(Held):
            switch.append("a", "x")
        until(lambda: switch.stage is Stage.LIVE)
        switch.append("a", "x")
        assert new.read("a") == (1, ("x",), None)


def test_a_log_that_stalls_before_the_fence_falls_back_under_traffic(operator: Operator) -> None:
    """The ETL has not passed the fence: every write is carried out, later than usual or not, and none is held for
    longer than the bound; the source is the authority as before."""
    old, new = MemoryShop(), MemoryShop()
    switch = switch_of(operator, old, new, mirror=Mirror(carried="log"))
    operator.start(switch)
    with switch:
        with traffic(switch, pause_seconds=0.02) as recorder:
            _ = operator.walk(Stage.SHADOW)
            with pytest.raises(TurnedBack, match="nothing that carries the log has reported yet"):
                _ = operator.walk(Stage.LIVE)
            assert operator.state().stage is Stage.SHADOW
            time.sleep(0.5)
        assert recorder.faults() == []
        assert recorder.longest_write < HOLD_SECONDS
        assert recorder.errors == []
        assert operator.repairs() == ()  # the log carries: no intents on the way up
        assert new.saves == 0


# --- a process that sleeps


def can_write(switch: Switch, key: str, token: str) -> bool:
    """As soon as it has a lease."""
    try:
        switch.append(key, token)
    except StageUncertain:
        return False
    return True


def test_a_process_that_sleeps_for_longer_than_its_lease_writes_nothing_more(operator: Operator) -> None:
    """Its loop stands still: its writes fail as uncertain, unwritten; others count it out and repair; when it wakes it
    is another client, and asks for a verify."""
    old, new = MemoryShop(), MemoryShop()
    sleeper, other = switch_of(operator, old, new), switch_of(operator, old, new)
    operator.start(sleeper, Stage.SHADOW)
    with sleeper, other:
        thread = sleeper._thread  # pyright: ignore[reportPrivateUsage]
        assert thread is not None
        former = sleeper.client_id
        _ = thread.loop.call_soon_threadsafe(time.sleep, LEASE_SECONDS + LANDING_SECONDS + 4.0)
        sleeper.append("a", "x")  # within its lease; its mirror sleeps
        time.sleep(LEASE_SECONDS + 0.1)
        with pytest.raises(StageUncertain):
            sleeper.append("a", "y")
        assert old.read("a") == (1, ("x",), None)
        until(lambda: new.read("a") == (1, ("x",), None))
        until(lambda: other.counts().get("repaired"))
        until(lambda: sleeper.client_id != former)
        until(lambda: operator.state().unclean)
        until(lambda: can_write(sleeper, "a", "z"))
        until(lambda: not operator.repairs())
        assert new.read("a") == old.read("a") == (2, ("x", "z"), None)


# --- reads


def test_a_difference_is_told_once_it_stays_and_matches_are_counted(operator: Operator) -> None:
    """Reads are compared after the answer; the observers get both cleaned answers."""
    old, new = MemoryShop(), MemoryShop()
    told: list[dict[str, Any]] = []
    operations = OPERATIONS | {"find": Read(key="key", clean=lambda state: state and state[0])}

    def observer(name: str, facts: dict[str, Any]) -> None:
        if name == "compare":
            told.append(facts)

    switch = Switch(operator.name, old, new, operations, **operator.options(observer=observer))
    operator.start(switch, Stage.SHADOW)
    with switch:
        switch.append("a", "x")
        until(lambda: not operator.repairs())
        _ = switch.find("a")
        until(lambda: switch.counts().get("compare.matching"))
        new.change("a", lambda _: (9, ("y",), "y"))
        _ = switch.find("a")
        until(lambda: switch.counts().get("compare.mismatched"))
    found = [facts for facts in told if facts["outcome"] == "mismatched"]
    assert [(facts["key"], facts["source"], facts["target"]) for facts in found] == [('"a"', 1, 9)]


def test_the_ramp_answers_eventual_reads_from_the_target_and_falls_back(operator: Operator) -> None:
    """At 100 % an eventual read is the target's, a strong one the source's; where the target fails, the source
    answers."""
    old, new = MemoryShop(), MemoryShop()
    operations = OPERATIONS | {"image": Read(key="key", eventual=True)}
    switch = Switch(operator.name, old, new, operations, **operator.options())
    operator.start(switch, Stage.SHADOW)
    with switch:
        _ = operator.run(operator.coordinator().set_ramp(100))
        new.change("a", lambda _: (2, (), "new"))
        assert switch.image("a") == (2, (), "new")
        assert switch.find("a") is None
        new.read = lambda _: (_ for _ in ()).throw(Down("gone"))  # type: ignore[method-assign,assignment]
        assert switch.image("a") is None
        assert switch.counts()["ramp_failed"] == 1
        del new.read


def test_a_slow_or_failing_comparison_never_delays_a_read(operator: Operator) -> None:
    """The target takes half a second or raises: the caller does not notice."""
    old, new = MemoryShop(), MemoryShop()
    switch = switch_of(operator, old, new)
    operator.start(switch, Stage.SHADOW)

    def slow(_key: str) -> Any:
        time.sleep(0.5)
        raise Down("slow")

    with switch:
        new.read = slow  # type: ignore[method-assign,assignment]
        began = time.monotonic()
        for _ in range(20):
            assert switch.find("a") is None
        assert time.monotonic() - began < 0.4
        del new.read


# --- what is refused


def test_methods_that_were_not_declared_are_refused_with_the_way_out(operator: Operator) -> None:
    """Never passed on silently; a name that neither repository has is a plain AttributeError."""
    switch = switch_of(operator, MemoryShop(), MemoryShop())
    with pytest.raises(Undeclared, match=r"forgotten is not declared(?s:.)*Write\(key="):
        _ = switch.forgotten
    assert not hasattr(switch, "forgotten")
    with pytest.raises(AttributeError, match="neither repository"):
        _ = switch.nonsense
    with pytest.raises(ConfigurationError, match="was not started"):
        switch.find("a")


def test_a_unit_of_work_that_the_target_cannot_do_is_refused(operator: Operator) -> None:
    """More than 100 entities in one transaction: nothing was written."""
    old, new = MemoryShop(), MemoryShop()

    def keys(key: list[str], _token: str) -> Iterable[str]:
        return key

    operations = {"append": Write(keys=keys, transaction=True)}
    switch = Switch(operator.name, old, new, operations, **operator.options())
    operator.start(switch)
    with switch, pytest.raises(Exception, match="one unit of work of 101 entities"):
        switch.append([str(i) for i in range(101)], "x")
    assert old.rows == {}


def test_the_stages_of_reads_and_writes_are_those_of_the_table(operator: Operator) -> None:
    """In each stage in which one may stay, a write reaches the authority at once."""
    old, new = MemoryShop(), MemoryShop()
    switch = switch_of(operator, old, new)
    operator.start(switch)
    with switch:
        for stage, row in FREEZE.items():
            if row.holds or stage is Stage.COMPLETE:
                continue
            _ = operator.walk(stage)
            switch.append(stage.value, "x")
            assert (old if row.authority == "source" else new).read(stage.value) == (1, ("x",), None)


def test_one_that_has_ended_is_not_begun_again(operator: Operator) -> None:
    """Its connections are closed: another one is to be made."""
    switch = switch_of(operator, MemoryShop(), MemoryShop())
    with pytest.raises(NotStarted):
        switch.start()
    with pytest.raises(ConfigurationError, match="was closed"):
        switch.start()
    switch = switch_of(operator, MemoryShop(), MemoryShop())
    operator.start(switch)
    with switch:
        assert switch.stage is Stage.OFF
    with pytest.raises(ConfigurationError, match="was closed"):
        switch.start()
