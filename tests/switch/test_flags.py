"""The stage as a wish of a feature flag, by OpenFeature's own SDK."""

from __future__ import annotations

import importlib
from typing import Any

import pytest

from crossfade.core.stages import Stage
from crossfade.errors import ConfigurationError
from crossfade.switch import Flag, Switch
from crossfade.switch.flags import HELD_RETRY_SECONDS, RETRY_SECONDS_MAX, STAGES, Wish
from tests.switch.moving import Operator, until
from tests.switch.stores import OPERATIONS, MemoryShop

_ = pytest.importorskip("openfeature")


class Provider:
    """OpenFeature's in-memory provider, that may be down."""

    def __init__(self, domain: str, value: str) -> None:
        api: Any = importlib.import_module("openfeature.api")
        memory: Any = importlib.import_module("openfeature.provider.in_memory_provider")
        self._flag = memory.InMemoryFlag
        self.provider: Any = memory.InMemoryProvider({})
        self._resolve = self.provider.resolve_string_details
        self.provider.resolve_string_details = self._resolved
        self.down = False
        self.say(value)
        api.set_provider(self.provider, domain)
        self.client: Any = api.get_client(domain)

    def _resolved(self, *arguments: Any, **named: Any) -> Any:
        if self.down:
            raise ConnectionError("no provider")
        return self._resolve(*arguments, **named)

    def say(self, value: str) -> None:
        self.provider._flags["stage"] = self._flag(value, {value: value})


def test_a_change_of_the_flag_moves_the_fleet_and_a_provider_that_is_down_keeps_the_stage(operator: Operator) -> None:
    """Up to shadow by the flag; down, nothing happens; then another value, and one that is no stage."""
    provider = Provider(operator.name, "shadow")
    flag = Flag(provider.client, "stage", poll_seconds=0.1)
    switches = [
        Switch(operator.name, MemoryShop(), MemoryShop(), OPERATIONS, **operator.options(flag=flag)) for _ in range(2)
    ]
    operator.start(switches[0])
    with switches[0], switches[1]:
        until(lambda: all(switch.stage is Stage.SHADOW for switch in switches))
        provider.down = True
        until(lambda: switches[0].counts().get("flag_error", 0) > 3)
        assert operator.state().stage is Stage.SHADOW
        provider.say("dualwrite")
        provider.down = False
        until(lambda: all(switch.stage is Stage.DUALWRITE for switch in switches))
        provider.say("nonsense")
        errors = switches[0].counts()["flag_error"]
        until(lambda: switches[0].counts()["flag_error"] > errors)
        assert operator.state().stage is Stage.DUALWRITE


def test_the_gates_hold_a_wish_back(operator: Operator) -> None:
    """A flag that says live, where nothing was verified: shadow is reached, and the wish stays one."""
    provider = Provider(operator.name, "live")
    flag = Flag(provider.client, "stage", poll_seconds=0.1)
    notes: list[dict[str, Any]] = []

    def observer(name: str, facts: dict[str, Any]) -> None:
        if name == "not_moved":
            notes.append(facts)

    options = operator.options(flag=flag, observer=observer)
    switch = Switch(operator.name, MemoryShop(), MemoryShop(), OPERATIONS, **options)
    operator.start(switch)
    with switch:
        until(lambda: notes)
        assert operator.state().stage is Stage.SHADOW
        assert "no backfill has begun" in notes[0]["error"]
        assert switch.stage is Stage.SHADOW


def test_the_names_are_launchdarklys_and_lead_to_no_freeze() -> None:
    """Six names; the freeze is on the way, never the goal."""
    assert list(STAGES) == ["off", "dualwrite", "shadow", "live", "rampdown", "complete"]


def test_a_wish_that_was_fulfilled_does_not_overrule_people() -> None:
    """Only a change of the value is a wish; the same value again is none."""
    wish = Wish()
    wish.hear(Stage.LIVE)
    assert wish.is_due(0.0)
    wish.fulfilled()
    wish.hear(Stage.LIVE)
    assert not wish.is_due(100.0)
    wish.hear(Stage.SHADOW)
    assert wish.is_due(100.0)


def test_a_wish_that_holds_writes_in_vain_is_not_tried_every_few_seconds() -> None:
    """Each try holds writes for some seconds; other failures are tried again sooner, and rarer and rarer."""
    wish = Wish()
    wish.hear(Stage.LIVE)
    wish.failed(0.0, 5.0, held=True)
    assert not wish.is_due(HELD_RETRY_SECONDS - 1)
    assert wish.is_due(HELD_RETRY_SECONDS)
    for _ in range(20):
        wish.failed(0.0, 5.0, held=False)
    assert wish.is_due(RETRY_SECONDS_MAX)
    assert not wish.is_due(RETRY_SECONDS_MAX - 1)


def test_what_is_no_client_of_openfeature_is_said_at_once() -> None:
    """Before anything is started."""
    with pytest.raises(ConfigurationError, match="no client of OpenFeature"):
        _ = Flag(object(), "stage")  # type: ignore[arg-type]  # pyright: ignore[reportArgumentType]
