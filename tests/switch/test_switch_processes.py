"""Processes behind the switch that are killed at random, on two stores in files."""

from __future__ import annotations

import json
import os
import random
import signal
import subprocess
import sys
import time
from contextlib import suppress
from pathlib import Path
from typing import Any

import pytest

from crossfade.control.freezing import HOLD_SECONDS
from crossfade.core.stages import Stage
from crossfade.errors import TurnedBack
from crossfade.sim.linearizability import Event
from crossfade.sim.model import Answer
from crossfade.switch import Switch
from crossfade.switch.membership import Timing
from tests.switch.moving import LANDING_SECONDS, LEASE_SECONDS, TABLE, Operator, Recorder, action, until
from tests.switch.stores import OPERATIONS, SqliteShop
from tests.switch.worker import KEYS

WORKER = Path(__file__).with_name("worker.py")
ROOT = Path(__file__).parents[2]
TRIES = 6  # a kill in a freeze turns the way back


class Fleet:
    def __init__(self, operator: Operator, dynamodb: Any, folder: Path) -> None:
        self.folder = folder
        self.given = {
            "name": operator.name,
            "folder": str(folder),
            "client": dynamodb.client_options(),
            "options": {
                "control_table": TABLE,
                "lease_seconds": LEASE_SECONDS,
                "landing_seconds": LANDING_SECONDS,
                "poll_seconds": 0.2,
            },
        }
        self.workers: list[subprocess.Popen[bytes]] = []
        self.seed = 0

    def begin(self) -> None:
        self.seed += 1
        command = [sys.executable, str(WORKER), json.dumps(self.given | {"seed": self.seed})]
        environment = os.environ | {"PYTHONPATH": f"{ROOT / 'src'}{os.pathsep}{ROOT}"}
        self.workers.append(subprocess.Popen(command, stdin=subprocess.PIPE, env=environment))

    def kill(self, chance: random.Random) -> None:
        worker = self.workers.pop(chance.randrange(len(self.workers)))
        worker.send_signal(signal.SIGKILL)
        _ = worker.wait()
        self.begin()

    def end(self) -> None:
        for worker in self.workers:
            with suppress(BrokenPipeError):
                assert worker.stdin is not None
                worker.stdin.close()
        for worker in self.workers:
            assert worker.wait(40) == 0

    def history(self) -> tuple[Recorder, float, int]:
        """What they were told; the longest that one write took; how many were held for too long."""
        recorder, longest, held = Recorder(), 0.0, 0
        for file in self.folder.glob("journal-*"):
            lines = file.read_text(encoding="utf-8").splitlines()
            answers: dict[int, dict[str, Any]] = {}
            calls: list[dict[str, Any]] = []
            for line in lines:
                try:
                    entry: dict[str, Any] = json.loads(line)
                except ValueError:
                    continue  # cut off by the kill
                if "call" in entry:
                    calls.append(entry)
                else:
                    answers[next(entry[kind] for kind in ("answer", "held", "unknown") if kind in entry)] = entry
            for call in calls:
                end = answers.get(call["call"], {})
                if "held" in end:
                    held += 1
                    continue
                known = "answer" in end
                longest = max(longest, (end["at"] - call["at"]) / 1e9) if known and call["token"] else longest
                state: Any = end.get("is")
                shown = None if state is None else (state[0], tuple(state[1]), state[2])
                answer: Answer | None = ("ok", shown) if known else None
                event = Event(call["at"], end["at"] if known else None, action(call["name"], call["token"]), answer)
                if known or call["token"]:
                    recorder.events[call["key"]].append(event)
        return recorder, longest, held


@pytest.mark.parametrize("seed", [1, 2])
def test_killed_processes_lose_nothing_on_the_way_up_back_and_up(
    operator: Operator, dynamodb: Any, tmp_path: Path, seed: int
) -> None:
    """Three processes, one of which is killed again and again: every history is that of one store, both stores are
    equal at rest, and no write that was carried out was held for longer than the bound."""
    chance = random.Random(seed)
    old, new = SqliteShop(tmp_path / "old"), SqliteShop(tmp_path / "new")
    operator.start(Switch(operator.name, old, new, OPERATIONS, **operator.options()))
    fleet = Fleet(operator, dynamodb, tmp_path)
    try:
        for _ in range(3):
            fleet.begin()
        until(lambda: len(list(tmp_path.glob("journal-*"))) == 3, 30)
        for stage in (Stage.SHADOW, Stage.LIVE, Stage.SHADOW, Stage.LIVE):
            for _ in range(TRIES):
                time.sleep(chance.random())
                fleet.kill(chance)
                time.sleep(chance.random() * 0.5)
                try:
                    _ = operator.walk(stage)
                    break
                except TurnedBack:
                    continue
            assert operator.state().stage is stage
        time.sleep(0.5)
        fleet.kill(chance)
    finally:
        fleet.end()
    with Switch(operator.name, old, new, OPERATIONS, **operator.options(timing=Timing(0.2, 0.5))):
        until(lambda: not operator.repairs(), 30)  # the one that was killed last has left something, perhaps
    for key in KEYS:
        assert old.read(key) == new.read(key)
    recorder, longest, _ = fleet.history()
    assert sum(len(events) for events in recorder.events.values()) > 100
    assert recorder.faults() == []
    assert longest < HOLD_SECONDS + 1.0
    assert operator.state().unclean == 0


def test_a_process_behind_the_switch_leaves_on_sigterm(operator: Operator, dynamodb: Any, tmp_path: Path) -> None:
    """In the middle of its calls: no lease is left, nothing is in the repair queue, and both stores are equal."""
    old, new = SqliteShop(tmp_path / "old"), SqliteShop(tmp_path / "new")
    operator.start(Switch(operator.name, old, new, OPERATIONS, **operator.options()), Stage.SHADOW)
    fleet = Fleet(operator, dynamodb, tmp_path)
    fleet.begin()
    (worker,) = fleet.workers
    try:
        until(lambda: len([line for file in tmp_path.glob("journal-*") for line in file.open()]) > 40, 30)
        worker.send_signal(signal.SIGTERM)
        assert worker.wait(40) == -signal.SIGTERM
    finally:
        worker.kill()
    assert operator.run(operator.control.leases()) == ()
    assert operator.repairs() == ()
    assert operator.state().unclean == 0
    for key in KEYS:
        assert old.read(key) == new.read(key)
