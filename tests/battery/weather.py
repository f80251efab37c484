"""What goes wrong in the service while applications work: always a little of everything, and now and then much of one.

All of it is drawn from the seed. A gust is what lasts for a moment: a table that is throttled, credentials that have
expired, rights that are gone.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Collection, Generator
from contextlib import contextmanager
from dataclasses import dataclass, field
from random import Random
from typing import Any, Final, Literal, TypeAlias, get_args

import botocore.session

from crossfade.core.request.names import WRITES
from crossfade.migration import Migration
from tests.histories.calls import EXPIRES
from tests.service import FakeService

Kind: TypeAlias = Literal[
    "throttling", "conflicts", "delays", "lost", "errors", "credentials", "rights", "expiry", "clock"
]
KINDS: Final[tuple[Kind, ...]] = get_args(Kind)
# Played where crossfade has a rule of that name, which says that it stands it; or where it is asked for.
IF_STOOD: Final[tuple[Kind, ...]] = ("expiry", "clock")

APPLICATIONS: Final = "application"  # their role
CALM_SECONDS: Final = (0.5, 2.5)  # between two gusts
GUST_SECONDS: Final = (0.2, 1.5)  # shorter and longer than what a routine waits before it gives up


@dataclass
class Weather:
    """`kinds`: what goes wrong at all. `gusts` counts them by kind. `is_denied`: the applications may not put items
    into the target, as long as it lasts: what a role lacks that nobody has thought of."""

    service: FakeService
    migration: Migration
    random: Random
    kinds: Collection[Kind]
    say: Callable[[str], None]
    is_held: bool = False
    is_denied: bool = False
    gusts: dict[str, int] = field(default_factory=dict[str, int])
    _end: threading.Event = field(default_factory=threading.Event)

    @contextmanager
    def lasting(self) -> Generator[Callable[[bool], None]]:
        """Until the end of the `with`; then all is calm."""
        self.begin()
        thread = threading.Thread(target=self._blow, name="weather")
        thread.start()
        try:
            yield self.hold
        finally:
            self._end.set()
            thread.join()
            self.service.calm()

    def hold(self, held: bool) -> None:
        """Whether no gust begins for now: an operator whose gate does not open waits for better weather."""
        self.is_held = held

    def begin(self) -> None:
        """A little of everything, for applications; the operator's commands meet delays and throttling."""
        service, apps = self.service, APPLICATIONS
        if "throttling" in self.kinds:
            _ = service.throttle(share=0.01)
            _ = service.throttle(share=0.01, limit="KeyRangeThroughputExceeded", caller=apps)
            _ = service.throttle(share=0.005, limit="AccountLimitExceeded", caller=apps)
        if "conflicts" in self.kinds:
            _ = service.conflict(share=0.02, caller=apps)
            _ = service.conflict(share=0.01, caller=apps, in_progress=True)
        if "delays" in self.kinds:
            _ = service.delay((0.0, 0.03), share=0.1)
            _ = service.delay((0.3, 1.0), share=0.005, caller=apps)
        for carried_out in (False, True):
            if "lost" in self.kinds:
                _ = service.lose(share=0.004, carried_out=carried_out, caller=apps)
                _ = service.lose(share=0.001, carried_out=carried_out, silent=True, caller=apps)
            if "errors" in self.kinds:
                _ = service.fail(500, share=0.004, carried_out=carried_out, caller=apps)
                _ = service.fail(503, share=0.002, carried_out=carried_out, html=True, caller=apps)

        if "expiry" in self.kinds:
            self._let_items_expire()
        self._restore()

    def _restore(self) -> None:
        """Give the applications all their rights, but what is denied throughout."""
        self.service.restore(APPLICATIONS)
        if self.is_denied:
            self.service.deny(APPLICATIONS, "PutItem", self.migration.target.name)

    def _let_items_expire(self) -> None:
        """On both tables, each at times of its own."""
        session: Any = botocore.session.Session()
        client = session.create_client("dynamodb", **service_options(self.service))
        for table, seconds in ((self.migration.source.name, (0.0, 2.0)), (self.migration.target.name, (0.0, 8.0))):
            client.update_time_to_live(
                TableName=table, TimeToLiveSpecification={"Enabled": True, "AttributeName": EXPIRES}
            )
            self.service.expiry_delay(table, seconds)

    def _blow(self) -> None:
        gusts: dict[Kind, Callable[[], None]] = {
            "throttling": self._throttling, "credentials": self._credentials, "rights": self._rights,
        }  # fmt: skip
        chosen: list[Kind] = [kind for kind in gusts if kind in self.kinds]
        while chosen and not self._end.wait(self.random.uniform(*CALM_SECONDS)):
            kind = self.random.choice(chosen)
            if self.is_held:
                continue
            self.gusts[kind] = self.gusts.get(kind, 0) + 1
            gusts[kind]()

    def _last(self) -> None:
        _ = self._end.wait(self.random.uniform(*GUST_SECONDS))

    def _table(self) -> str:
        migration = self.migration
        return self.random.choice((migration.source.name, migration.target.name, migration.control_table))

    def _throttling(self) -> None:
        table = self._table()
        self.say(f"throttling of {table}")
        rule = self.service.throttle(table=table, share=self.random.choice((0.3, 1.0)), caller=APPLICATIONS)
        self._last()
        rule.stop()

    def _credentials(self) -> None:
        self.say("credentials of the applications expire")
        self.service.expire(APPLICATIONS)
        self._last()
        self.service.revive(APPLICATIONS)

    def _rights(self) -> None:
        table = self.random.choice((self.migration.source.name, self.migration.target.name))
        action = self.random.choice(sorted(WRITES & SINGLE | {"GetItem", "ConditionCheckItem"}))
        self.say(f"applications may not {action} in {table}")
        self.service.deny(APPLICATIONS, action, table)
        self._last()
        self._restore()


SINGLE: Final = {"PutItem", "UpdateItem", "DeleteItem"}


def service_options(service: FakeService) -> dict[str, Any]:
    return dict(service.client_options())
