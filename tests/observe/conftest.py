"""A migration on the embedded engine, and an observer that keeps what it is told."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import TypeVar

import pytest

from crossfade.observe.calls import CallEnded, OwnRequest, WorkEnded
from crossfade.observe.events import Event
from tests.aws import conftest as aws

world = aws.world
Kind = TypeVar("Kind", bound=Event)


@dataclass
class Kept:
    """All events, in the order in which they came."""

    events: list[Event] = field(default_factory=list[Event])

    def on_event(self, event: Event) -> None:
        self.events.append(event)

    def of(self, kind: type[Kind], is_meant: Callable[[Kind], bool] = lambda _: True) -> list[Kind]:
        return [event for event in list(self.events) if isinstance(event, kind) and is_meant(event)]

    @property
    def calls(self) -> list[CallEnded]:
        return self.of(CallEnded)

    def work(self, kind: str) -> list[WorkEnded]:
        return self.of(WorkEnded, lambda event: event.kind == kind)

    def requests(self, side: str) -> list[OwnRequest]:
        return self.of(OwnRequest, lambda event: event.side == side)


@pytest.fixture
def kept() -> Kept:
    return Kept()
