"""What the applications do: a few processes, a few hot keys, every kind of write and read, of one item and of several.

Calls come in bursts, and most of them just when a stage changes: that is when two stages are live at once, so it is
where a fault in the protocol would show. Every append carries a token of its own, so a lost write is a missing token.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from random import Random
from typing import Final

from crossfade.core.effects import Request
from crossfade.sim.applications import Application
from crossfade.sim.calls import Calls
from crossfade.sim.history import KeyName, Operation
from crossfade.sim.index_pages import IndexWalk, draw_asked
from crossfade.sim.indexed import IndexPlan
from crossfade.sim.model import Action, ActionName
from crossfade.sim.pages import Walk, query_of, with_filter
from crossfade.sim.target_pages import target_query
from crossfade.sim.views import can_ask, has_same_form

HOT_KEY_CHANGES: Final = 0.2  # of the bursts
UNDER_WAY_MAX: Final = 4  # calls of one process at once: an application has a few threads

# Weights. Deletes are as common as creations, so that keys are often absent: absence carries no stamp.
MIX: Final[dict[ActionName, int]] = {
    "append": 26, "append_if": 6, "log": 6, "add": 6, "put": 5, "bare": 4, "create": 8, "replace": 6, "label": 3,
    "mark": 5, "unmark": 3, "delete": 12, "delete_if": 4, "get": 14,
}  # fmt: skip
RETURNS: Final[dict[ActionName, tuple[str, ...]]] = {
    "append": ("NONE", "ALL_OLD", "ALL_NEW", "UPDATED_OLD", "UPDATED_NEW"),
    "append_if": ("NONE", "ALL_NEW", "UPDATED_NEW"),
    "log": ("NONE", "ALL_NEW", "ALL_OLD"),
    "add": ("NONE", "ALL_NEW", "UPDATED_OLD", "UPDATED_NEW"),
    "label": ("NONE", "ALL_NEW", "ALL_OLD"),
    "mark": ("NONE", "ALL_NEW", "ALL_OLD"),
    "unmark": ("NONE", "ALL_OLD"),  # of no item: what ALL_NEW shows is not documented
}
SIMPLE_RETURNS: Final = ("NONE", "ALL_OLD")
# Of the calls on several items, and of the actions of a transaction. Most of these have no condition, so that most
# transactions are carried out.
MANY: Final[dict[str, int]] = {"transact_write": 45, "transact_get": 25, "batch_write": 15, "batch_get": 15}
ACTIONS: Final[dict[ActionName, int]] = {
    "append": 34, "append_if": 5, "log": 4, "add": 4, "put": 8, "bare": 4, "create": 6, "replace": 3, "label": 2,
    "mark": 3, "unmark": 3, "delete": 14, "delete_if": 3, "check": 6, "check_if": 2, "check_absent": 3,
}  # fmt: skip
CONDITIONAL: Final[frozenset[ActionName]] = frozenset(
    {"create", "replace", "append_if", "delete_if", "check", "check_if", "check_absent"}
)
EVENTUAL: Final = 0.25  # of the reads
OWN_TOKENS: Final = 0.4  # of the transactions carry one that the application chose
AGAIN_SECONDS: Final = (0.2, 2.5)  # when such a one is sent again, if its outcome is not known by then


@dataclass(slots=True)
class Workload:
    """Decides which calls are made; `calls` makes them. Of the calls, `page_share` are Queries and Scans, `many_share`
    on several items."""

    calls: Calls
    keys: list[KeyName]
    page_share: float
    many_share: float
    delete_share: float
    more: Random
    index: IndexPlan | None = None
    target_page_share: float = 0.0
    tokens: int = 0
    hot: KeyName = ("", "")
    stopped: bool = False
    living: Callable[[], list[Application]] = list

    def __post_init__(self) -> None:
        self.hot = self.keys[0]

    def _name(self, client: Application, mix: dict[ActionName, int]) -> ActionName:
        """One of the mix that this client can ask for."""
        names: list[ActionName] = [name for name in mix if can_ask(client.pair, name)]
        weights = [mix[name] * (self.delete_share if name.startswith("delete") else 1.0) for name in names]
        (name,) = self.calls.world.random.choices(names, weights)
        return name

    def begin(self, clients: Callable[[], list[Application]], pause_seconds: float) -> None:
        """Let some or all of the clients become busy together, again and again from now on."""
        random = self.calls.world.random
        self.living = clients

        def moment() -> None:
            if not self.stopped:
                self.burst(clients())
                self.calls.world.after(pause_seconds * random.uniform(0.2, 1.8), moment)

        self.calls.world.after(random.uniform(0.0, pause_seconds), moment)

    def burst(self, clients: list[Application]) -> None:
        """One to three calls of each within a few milliseconds, most on one key, which stays hot for a while."""
        random = self.calls.world.random
        if random.random() < HOT_KEY_CHANGES:
            self.hot = random.choice(self.keys)
        together = random.random() < 0.5
        for client in clients:
            if not together and random.random() < 0.5:
                continue
            for _ in range(random.choice((1, 1, 2, 3))):
                key = self.hot if random.random() < 0.8 else random.choice(self.keys)
                self.calls.world.after(0.03 * random.random(), partial(self.call, client, key))

    def part(self, clients: list[Application]) -> None:
        """Each client deletes some items and looks for others: what one side alone has lost must not be found again."""
        random = self.calls.world.random
        for client in clients:
            for key in self.keys:
                self.tokens += 1
                action = Action(random.choice(("delete", "get", "get")), f"t{self.tokens}")
                self.calls.world.after(0.2 * random.random(), partial(self._act_if_able, client, key, action))

    def _act_if_able(self, client: Application, key: KeyName, action: Action) -> None:
        if self._is_able(client):
            self.calls.single(client, key, action)

    def _is_able(self, client: Application) -> bool:
        """Whether this process can make one call more."""
        if self.stopped or client.left or not client.ready or not client.process.alive:
            return False
        if client.process.paused_until > self.calls.world.now:
            return False
        return self.calls.under_way.get(client.process.name, 0) < UNDER_WAY_MAX

    def call(self, client: Application, key: KeyName) -> None:
        if not self._is_able(client):
            return
        random = self.calls.world.random
        dice = random.random()
        if self.index is not None and self.more.random() < self.index.share:
            self._walk_index(client, key, self.index)
        elif dice < self.page_share and client.pair.view == "source":
            self._walk(client, key)
        elif client.pair.view == "target" and self.more.random() < self.target_page_share:
            self._walk_target(client, key)
        elif dice < self.page_share + self.many_share:
            self._several(client, key)
        else:
            self.calls.single(client, key, self.draw(client, key))

    def draw(self, client: Application, key: KeyName) -> Action:
        random = self.calls.world.random
        name = self._name(client, MIX)
        self.tokens += 1
        if name == "get":
            return Action("get", is_eventual=random.random() < EVENTUAL)
        shows = random.choice(RETURNS.get(name, SIMPLE_RETURNS)) if random.random() < 0.4 else "NONE"
        return Action(
            name, f"t{self.tokens}", self._expected(name, key), shows, name in CONDITIONAL and random.random() < 0.3
        )

    def _expected(self, name: ActionName, key: KeyName) -> int:
        seen = name in ("replace", "delete_if", "check_if")
        return self.calls.last_seen.get(key, 0) if seen else self.tokens % 5

    # --- calls on several items

    def _several(self, client: Application, key: KeyName) -> None:
        random = self.calls.world.random
        others = [other for other in self.keys if other != key]
        keys = [key, *random.sample(others, min(len(others), random.choice((1, 1, 2))))]
        random.shuffle(keys)
        (kind,) = random.choices(list(MANY), list(MANY.values()))
        self.tokens += 1
        match kind:
            case "transact_write":
                self._transact(client, [(one, self._action(client, one)) for one in keys])
            case "transact_get":
                self.calls.transact_get(client, keys)
            case "batch_write":
                self.calls.batch_write(client, [(one, self._entry()) for one in keys])
            case _:
                self.calls.batch_get(client, keys, eventual=random.random() < EVENTUAL)

    def _action(self, client: Application, key: KeyName) -> Action:
        """One action of a transaction; all of them leave the same token."""
        random = self.calls.world.random
        name = self._name(client, ACTIONS)
        shows = name in CONDITIONAL and random.random() < 0.3
        return Action(name, f"t{self.tokens}", self._expected(name, key), shows_on_failure=shows)

    def _entry(self) -> Action:
        """One entry of a batch."""
        name: ActionName = "delete" if self.calls.world.random.random() < 0.3 * self.delete_share else "put"
        return Action(name, f"t{self.tokens}", self.tokens % 5)

    def _transact(self, client: Application, asked: list[tuple[KeyName, Action]]) -> None:
        """One transaction; with a token of its own it is sent again, by whoever can, while nobody knows its outcome."""
        world = self.calls.world
        if world.random.random() >= OWN_TOKENS:
            self.calls.transact_write(client, asked)
            return
        token = asked[0][1].token
        begun = len(self.calls.history.operations)
        self.calls.transact_write(client, asked, token)
        first = self.calls.history.operations[begun : begun + len(asked)]
        world.after(world.random.uniform(*AGAIN_SECONDS), lambda: self._again(client, asked, token, first))

    def _again(
        self, client: Application, asked: list[tuple[KeyName, Action]], token: str, first: list[Operation]
    ) -> None:
        if any(operation.void or operation.answered is not None for operation in first):
            return
        able = self._successor(client)
        if able is not None:
            self.calls.transact_write(able, asked, token, first)

    def _successor(self, client: Application) -> Application | None:
        """Return the client that goes on with what a process has begun: itself, or another."""
        random = self.calls.world.random
        able = [other for other in self.living() if self._is_able(other) and other.pair.view == client.pair.view]
        if client in able and random.random() < 0.5:
            return client
        return random.choice(able) if able else None

    def _walk(self, client: Application, key: KeyName) -> None:
        """A Query of the key's partition or a Scan of everything, to its end."""
        random = self.calls.world.random
        operation = "Query" if random.random() < 0.5 else "Scan"
        forward = random.random() < 0.5
        left = self.keys
        request: Request = {"TableName": self.calls.table}
        if operation == "Query":
            left = sorted((other for other in self.keys if other[0] == key[0]), reverse=not forward)
            request = query_of(self.calls.table, key[0], forward=forward)
        eventual = random.random() < EVENTUAL
        request["ConsistentRead"] = not eventual
        if random.random() < 0.7:
            request["Limit"] = random.choice((1, 1, 2, 3))
        action = Action("get", is_eventual=eventual)
        if random.random() < 0.25:
            action = Action("get_if", expected=random.choice((1, 2, 3)), is_eventual=eventual)
            request = with_filter(request, action.expected)
        pause = random.choice((0.0, 0.0, 0.3, 2.0))
        Walk(self.calls, operation, request, action, list(left), pause, self._successor).begin(client)

    def _walk_target(self, client: Application, key: KeyName) -> None:
        """Walk as an application that speaks of the target."""
        more, pair = self.more, client.pair
        eventual, forward = more.random() < EVENTUAL, more.random() < 0.5
        left, sort = self.keys, ""
        request: Request = {"TableName": pair.target.name}
        operation = "Query" if more.random() < 0.7 else "Scan"
        if operation == "Query":
            by_old_key = bool(pair.mapping.source_key_extras) and more.random() < 0.8
            left, request = target_query(pair, self.keys, key, forward=forward, by_old_key=by_old_key)
            sort = "sk" if by_old_key else pair.target.sort_key or ""
            eventual = eventual or by_old_key
        request["ConsistentRead"] = not eventual
        if more.random() < 0.7:
            request["Limit"] = more.choice((1, 1, 2, 3))
        action = Action("get", is_eventual=eventual)
        pause = more.choice((0.0, 0.0, 0.3, 2.0))
        Walk(self.calls, operation, request, action, list(left), pause, self._successor, sort).begin(client)

    def _walk_index(self, client: Application, key: KeyName, plan: IndexPlan) -> None:
        """A Query of the index, to its end."""
        more, pair = self.more, client.pair
        if pair.view == "target" and not has_same_form(pair):
            return  # there it is by texts
        asked = draw_asked(more, plan, key, pair)
        request: Request = {"TableName": pair.table(pair.view).name if pair.view == "target" else self.calls.table}
        request |= asked.request()
        eventual = not plan.is_local_of(pair) or more.random() < EVENTUAL
        if not eventual:
            request["ConsistentRead"] = True
        if more.random() < 0.7:
            request["Limit"] = more.choice((1, 1, 2, 3))
        action = Action("entry", is_eventual=eventual, held=plan.held_of(pair.view))
        left = [other for other in self.keys if asked.value_of(other) == asked.value]
        pause = more.choice((0.0, 0.0, 0.3, 2.0))
        IndexWalk(self.calls, "Query", request, action, left, pause, self._successor, asked=asked).begin(client)
