"""What the threads of a process do: meet on a few hot items, with every kind of call.

Which items are hot depends on the seed and on the machine's clock alone, so all processes agree on it without a word.
"""

from __future__ import annotations

import threading
import time
from dataclasses import dataclass, field
from random import Random
from typing import Final

from crossfade.sim.history import KeyName
from crossfade.sim.model import Action, ActionName
from crossfade.sim.workload import MIX, RETURNS, SIMPLE_RETURNS
from tests.histories.calls import Calls

SLOT_SECONDS: Final = 0.8  # how long the same items are hot
BACK_OFF_SECONDS: Final = 1.0
HOT_KEYS: Final = 2
HOT_SHARE: Final = 0.8

# Weights. Calls on one item are most of what applications do, and decide most about it.
CALLS: Final = {
    "single": 80, "query": 4, "transact_write": 6, "transact_get": 3, "batch_get": 3, "batch_write": 2, "scan": 2,
}  # fmt: skip
# What only some runs have.
MORE_CALLS: Final = {"transact_with_token": 8, "session": 10}
SESSION_SECONDS: Final = 2.0
CONDITIONAL: Final[frozenset[ActionName]] = frozenset({"create", "replace", "append_if", "delete_if"})
# What the engine does otherwise than the service is left out: an update that only removes makes an item there where
# none was.
NAMES: Final[tuple[ActionName, ...]] = tuple(name for name in MIX if name != "unmark")
WRITES: Final[tuple[ActionName, ...]] = tuple(name for name in NAMES if name != "get")


@dataclass(slots=True)
class Traffic:
    """One thread. `rate` is in calls a second; `kinds` are keys of CALLS."""

    calls: Calls
    keys: tuple[KeyName, ...]
    seed: int
    random: Random
    rate: float
    kinds: tuple[str, ...]
    _last_seen: dict[KeyName, int] = field(default_factory=dict[KeyName, int])

    def run(self, stop: threading.Event) -> None:
        weights = [{**CALLS, **MORE_CALLS}[kind] for kind in self.kinds]
        unknown = 0
        while not stop.wait(self.random.expovariate(self.rate)):
            self.call(self.random.choices(self.kinds, weights)[0])
            if self.calls.recorder.unknown > unknown:  # as applications do after an error: not at once again
                unknown = self.calls.recorder.unknown
                _ = stop.wait(BACK_OFF_SECONDS)

    def call(self, kind: str) -> None:
        match kind:
            case "single":
                self._single(self._key())
            case "query":
                partition = self._key()[0]
                self.calls.query([key for key in self.keys if key[0] == partition], self.random)
            case "transact_write":
                self.calls.transact_write([(key, self._part()) for key in self._some()])
            case "transact_with_token":
                asked = [(key, self._part()) for key in self._some()]
                self.calls.transact_with_token(asked, lambda: self.random.random() < 0.4)
            case "session":
                self.calls.session(SESSION_SECONDS)
            case "transact_get":
                self.calls.transact_get(self._some())
            case "batch_get":
                self.calls.batch_get(self._some())
            case "batch_write":
                self.calls.batch_write([(key, self._blind()) for key in self._some()])
            case "scan":
                self.calls.scan(self.keys)
            case _:
                raise AssertionError(kind)

    def _single(self, key: KeyName) -> None:
        (name,) = self.random.choices(NAMES, [MIX[name] for name in NAMES])
        told = self.calls.single(key, self._action(name, key))
        if isinstance(told, tuple) and told[0] == "ok" and told[1] is not None and told[1][0] is not None:
            self._last_seen[key] = told[1][0]

    def _action(self, name: ActionName, key: KeyName) -> Action:
        if name == "get":
            return Action("get")
        shows = "NONE"
        if self.random.random() < 0.6:  # the more is shown, the less is left open
            shows = self.random.choice(RETURNS.get(name, SIMPLE_RETURNS))
        on_failure = name in CONDITIONAL and self.random.random() < 0.5
        return Action(name, self.calls.recorder.token(), self._expected(name, key), shows, on_failure)

    def _expected(self, name: ActionName, key: KeyName) -> int:
        return self._last_seen.get(key, 0) if name in ("replace", "delete_if") else self.random.randrange(5)

    def _part(self) -> Action:
        """A part of a transaction: any write, with nothing returned."""
        (name,) = self.random.choices(WRITES, [MIX[name] for name in WRITES])
        on_failure = name in CONDITIONAL and self.random.random() < 0.5
        return Action(name, self.calls.recorder.token(), self.random.randrange(5), "NONE", on_failure)

    def _blind(self) -> Action:
        name: ActionName = "delete" if self.random.random() < 0.3 else "put"
        return Action(name, self.calls.recorder.token(), self.random.randrange(5))

    def _key(self) -> KeyName:
        if self.random.random() < HOT_SHARE:
            return self.random.choice(hot_keys(self.keys, self.seed, time.monotonic()))
        return self.random.choice(self.keys)

    def _some(self) -> list[KeyName]:
        hot = hot_keys(self.keys, self.seed, time.monotonic())
        others = [key for key in self.keys if key not in hot]
        return [self.random.choice(hot), *self.random.sample(others, self.random.randint(1, 2))]


def hot_keys(keys: tuple[KeyName, ...], seed: int, now: float) -> list[KeyName]:
    slot = int(now / SLOT_SECONDS)
    return Random(f"{seed}.{slot}").sample(keys, HOT_KEYS)
