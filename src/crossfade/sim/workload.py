"""What the applications do: a few processes, a few hot keys, every kind of single-item write, reads and queries.

Calls come in bursts, and most of them just when a stage changes: that is when two stages are live at once, so it is
where a fault in the protocol would show. Every append carries a token of its own, so a lost write is a missing token.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from functools import partial
from random import Random
from typing import Final

from crossfade.core.effects import Reply, Request
from crossfade.errors import CrossfadeError, Rejected
from crossfade.sim.client import Client
from crossfade.sim.history import History, KeyName, Operation
from crossfade.sim.model import Action, ActionName, answer_of, answer_of_refusal, state_of
from crossfade.sim.world import World

HOT_KEY_CHANGES: Final = 0.2  # of the bursts
UNDER_WAY_MAX: Final = 4  # calls of one process at once: an application has a few threads

# Weights. Deletes are as common as creations, so that keys are often absent: absence carries no stamp.
MIX: Final[dict[ActionName, int]] = {
    "append": 30, "append_if": 6, "add": 6, "put": 6, "create": 8, "replace": 6, "mark": 5, "unmark": 3, "delete": 12,
    "delete_if": 4, "get": 14,
}  # fmt: skip
RETURNS: Final[dict[ActionName, tuple[str, ...]]] = {
    "append": ("NONE", "ALL_OLD", "ALL_NEW", "UPDATED_OLD", "UPDATED_NEW"),
    "append_if": ("NONE", "ALL_NEW", "UPDATED_NEW"),
    "add": ("NONE", "ALL_NEW", "UPDATED_OLD", "UPDATED_NEW"),
    "mark": ("NONE", "ALL_NEW", "ALL_OLD"),
    "unmark": ("NONE", "ALL_OLD"),  # of no item: what ALL_NEW shows is not documented
}
SIMPLE_RETURNS: Final = ("NONE", "ALL_OLD")


def label(key: KeyName) -> str:
    return f"{key[0]}/{key[1]}"


@dataclass(slots=True)
class Workload:
    """Makes calls through clients and writes down what they were told."""

    world: World
    table: str
    keys: list[KeyName]
    history: History
    query_share: float
    delete_share: float
    under_way: dict[str, int] = field(default_factory=dict[str, int])
    last_seen: dict[KeyName, int] = field(default_factory=dict[KeyName, int])
    tokens: int = 0
    hot: KeyName = ("", "")
    stopped: bool = False
    names: list[ActionName] = field(default_factory=lambda: list(MIX))
    weights: list[float] = field(default_factory=list[float])

    def __post_init__(self) -> None:
        self.hot = self.keys[0]
        self.weights = [MIX[name] * (self.delete_share if name.startswith("delete") else 1.0) for name in self.names]

    def begin(self, clients: Callable[[], list[Client]], pause_seconds: float) -> None:
        """From now on, again and again: some or all of the clients that there are become busy together."""
        random = self.world.random

        def moment() -> None:
            if not self.stopped:
                self.burst(clients())
                self.world.after(pause_seconds * random.uniform(0.2, 1.8), moment)

        self.world.after(random.uniform(0.0, pause_seconds), moment)

    def burst(self, clients: list[Client]) -> None:
        """One to three calls of each within a few milliseconds, most on one key, which stays hot for a while."""
        random = self.world.random
        if random.random() < HOT_KEY_CHANGES:
            self.hot = random.choice(self.keys)
        together = random.random() < 0.5
        for client in clients:
            if not together and random.random() < 0.5:
                continue
            for _ in range(random.choice((1, 1, 2, 3))):
                key = self.hot if random.random() < 0.8 else random.choice(self.keys)
                self.world.after(0.03 * random.random(), partial(self.call, client, key))

    def part(self, clients: list[Client]) -> None:
        """Each client deletes some items and looks for others: what one side alone has lost must not be found again."""
        random = self.world.random
        for client in clients:
            for key in self.keys:
                self.tokens += 1
                action = Action(random.choice(("delete", "get", "get")), f"t{self.tokens}")
                self.world.after(0.2 * random.random(), partial(self._act_if_able, client, key, action))

    def _act_if_able(self, client: Client, key: KeyName, action: Action) -> None:
        if self._is_able(client):
            self.act(client, key, action)

    def _is_able(self, client: Client) -> bool:
        """Whether this process can make one call more."""
        if self.stopped or client.left or not client.ready or not client.process.alive:
            return False
        if client.process.paused_until > self.world.now:
            return False
        return self.under_way.get(client.process.name, 0) < UNDER_WAY_MAX

    def call(self, client: Client, key: KeyName) -> None:
        if not self._is_able(client):
            return
        random = self.world.random
        if random.random() < self.query_share:
            self.query(client, key[0])
        else:
            self.act(client, key, self.draw(random, key))

    def draw(self, random: Random, key: KeyName) -> Action:
        (name,) = random.choices(self.names, self.weights)
        self.tokens += 1
        expected = self.last_seen.get(key, 0) if name in ("replace", "delete_if") else self.tokens % 5
        shows = "NONE"
        if name != "get" and random.random() < 0.4:
            shows = random.choice(RETURNS.get(name, SIMPLE_RETURNS))
        conditional = name in ("create", "replace", "append_if", "delete_if")
        return Action(name, f"t{self.tokens}", expected, shows, conditional and random.random() < 0.3)

    def act(self, client: Client, key: KeyName, action: Action) -> None:
        """One call on one item."""
        world = self.world
        operation = Operation(client.process.name, key, action, world.order(), world.now)
        self.history.operations.append(operation)

        def sent_twice() -> None:
            operation.twice = True

        def told(reply: Reply | None, error: CrossfadeError | None, sent: bool) -> None:
            self._end(client)
            if reply is not None:
                operation.answer = answer_of(action, reply)
                answer = operation.answer[1]
                if isinstance(answer, tuple) and answer[0] is not None:
                    self.last_seen[key] = answer[0]
            elif isinstance(error, Rejected):
                operation.answer = answer_of_refusal(action, error)
                operation.void = operation.answer is None and not operation.twice
            elif not sent:
                operation.void = True
            if operation.answer is not None:
                operation.answered, operation.answered_at = world.order(), world.now

        self._begin(client)
        client.call(*action.request(self.table, key), (label(key),), told, sent_twice)

    def query(self, client: Client, partition: str) -> None:
        """A strongly consistent query, page by page; each page is a read of every key that it covers."""
        random = self.world.random
        request: Request = {
            "TableName": self.table,
            "ConsistentRead": True,
            "KeyConditionExpression": "pk = :pk",
            "ExpressionAttributeValues": {":pk": {"S": partition}},
            "ScanIndexForward": random.random() < 0.5,
        }
        if random.random() < 0.5:
            request["Limit"] = random.choice((1, 2, 3))
        left = sorted((key for key in self.keys if key[0] == partition), reverse=not request["ScanIndexForward"])
        self._page(client, request, left)

    def _page(self, client: Client, request: Request, left: list[KeyName]) -> None:
        world = self.world
        called, called_at = world.order(), world.now

        def told(reply: Reply | None, error: CrossfadeError | None, sent: bool) -> None:
            del error, sent
            self._end(client)
            if reply is None:
                return
            last = reply.get("LastEvaluatedKey")
            covered = left if last is None else [key for key in left if reaches(key, last, request)]
            found = {(item["pk"]["S"], item["sk"]["S"]): item for item in reply["Items"]}
            for key in covered:
                read = Operation(client.process.name, key, Action("get"), called, called_at, world.order(), world.now)
                item = found.pop(key, None)
                try:
                    read.answer = ("ok", None if item is None else state_of(item))
                except (ValueError, KeyError) as odd:
                    read.answer = ("odd", str(odd))
                self.history.operations.append(read)
            for key, item in found.items():
                stray = Operation(client.process.name, key, Action("get"), called, called_at, world.order(), world.now)
                stray.answer = ("odd", f"the page shows an item out of its range: {item!r}")
                self.history.operations.append(stray)
            if last is not None and not self.stopped and client.process.alive and not client.left:
                rest = [key for key in left if key not in covered]
                self._page(client, {**request, "ExclusiveStartKey": last}, rest)

        self._begin(client)
        client.call("Query", request, tuple(label(key) for key in left), told)

    def _begin(self, client: Client) -> None:
        name = client.process.name
        self.under_way[name] = self.under_way.get(name, 0) + 1

    def _end(self, client: Client) -> None:
        self.under_way[client.process.name] -= 1


def reaches(key: KeyName, last: dict[str, dict[str, str]], request: Request) -> bool:
    """Whether a page that ended at `last` has looked at this key."""
    end = last["sk"]["S"]
    return key[1] <= end if request["ScanIndexForward"] else key[1] >= end
