"""What the service's callers ask for: in bursts, mostly of one hot entity, and most of all just when a stage moves."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field, replace
from functools import partial
from typing import Any, Final

from crossfade.sim.calls import label
from crossfade.sim.freeze.service import ACT, FIND, FIND_EVENTUALLY, MOVE, Service
from crossfade.sim.freeze.world import Busy, ServiceWorld
from crossfade.sim.history import History, KeyName, Operation
from crossfade.sim.model import Action, ActionName, Answer
from crossfade.switch.declaring import Operation as Declared

HOT_KEY_CHANGES: Final = 0.25
MOVES: Final = 0.06
EVENTUAL: Final = 0.3  # of the reads
UNDER_WAY_MAX: Final = 4
SLOWLY: Final = 5.0  # once all that went wrong is to come to rest
MIX: Final[dict[ActionName, int]] = {
    "append": 26, "append_if": 4, "log": 4, "add": 5, "put": 8, "bare": 4, "create": 8, "replace": 4, "label": 4,
    "unmark": 3, "delete": 12, "delete_if": 3, "get": 14,
}  # fmt: skip


@dataclass(slots=True)
class Workload:
    """`torn_target`: an item of the target may be of several transactions in part, so that what is read there
    eventually consistent is not compared with anything."""

    world: ServiceWorld
    history: History
    keys: list[KeyName]
    delete_share: float
    torn_target: bool
    stopped: bool = False
    slow: bool = False
    _hot: int = 0
    _token: int = 0
    _under_way: dict[str, int] = field(default_factory=dict[str, int])

    def begin(self, services: Callable[[], list[Service]], pause_seconds: float) -> None:
        def again() -> None:
            if self.stopped:
                return
            self.burst(services())
            pause = pause_seconds * (SLOWLY if self.slow else 1.0)
            self.world.after(pause * self.world.random.uniform(0.3, 1.7), again)

        self.world.after(pause_seconds * self.world.random.random(), again)

    def burst(self, services: list[Service]) -> None:
        random = self.world.random
        if random.random() < HOT_KEY_CHANGES:
            self._hot = random.randrange(len(self.keys))
        for service in services:
            for _ in range(random.choice((1, 2, 2, 3))):
                self.world.after(0.15 * random.random(), partial(self._call, service))

    def _call(self, service: Service) -> None:
        name = service.process.name
        if self.stopped or not service.process.alive or self._under_way.get(name, 0) >= UNDER_WAY_MAX:
            return
        self.world.deliver(service.process, lambda: self._one(service))

    def _one(self, service: Service) -> None:
        random = self.world.random
        key = self.keys[self._hot] if random.random() < 0.7 else random.choice(self.keys)
        if len(self.keys) > 1 and random.random() < MOVES:
            other = random.choice([each for each in self.keys if each != key])
            put = replace(self._action("put"), shows="NONE")
            state = (put.expected, (put.token,), put.token)
            self._send(service, MOVE, (key, other, state), [(key, Action("delete")), (other, put)])
            return
        names = list(MIX)
        weights = [MIX[name] * (self.delete_share if name.startswith("delete") else 1.0) for name in names]
        action = self._action(random.choices(names, weights)[0])
        if action.name == "get":
            self._send(service, FIND_EVENTUALLY if action.is_eventual else FIND, (key,), [(key, action)])
        else:
            self._send(service, ACT, (key, action), [(key, action)])

    def _action(self, name: ActionName) -> Action:
        random = self.world.random
        self._token += 1
        eventual = name == "get" and random.random() < EVENTUAL
        shows = random.choice(("NONE", "ALL_OLD")) if name != "get" else "NONE"
        return Action(name, f"t{self._token}", random.randrange(4), shows, is_eventual=eventual)

    def _send(
        self, service: Service, declared: Declared, arguments: tuple[Any, ...], asked: list[tuple[KeyName, Action]]
    ) -> None:
        name, history = service.process.name, self.history
        called, called_at = self.world.order(), self.world.now
        operations = [
            Operation(name, key, action, called, called_at, since=0 if action.is_eventual else None)
            for key, action in asked
        ]
        history.operations += operations
        self._under_way[name] = self._under_way.get(name, 0) + 1

        def told(value: Any, error: BaseException | None, wrote: bool) -> None:
            self._under_way[name] -= 1
            place = self.world.order()
            for operation in operations:
                if error is None and not (operation.action.is_eventual and self.torn_target):
                    found: Answer = value if declared is ACT else ("ok", value)
                    operation.answer, operation.answered, operation.answered_at = found, place, self.world.now
                elif error is None or isinstance(error, Busy) or not wrote:
                    operation.void = True

        service.call(declared, arguments, tuple(label(key) for key, _ in asked), told)
