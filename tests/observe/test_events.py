"""Every event that is noted has a class whose fields are its facts."""

from __future__ import annotations

import ast
from collections.abc import Iterator
from dataclasses import MISSING, FrozenInstanceError, fields
from pathlib import Path

import pytest

import crossfade
from crossfade.core.foresight import HOT_KEY, ORDER_CHANGES, REFUSED_LATER
from crossfade.core.sync.expiring import EXPIRY_UNKNOWN
from crossfade.core.sync.source_fallback import FALLBACK
from crossfade.observe import Watch
from crossfade.observe.events import NOTED, Compared, Event, Joined, Noted, event_of

ROOT = Path(crossfade.__file__).parent
OF_CLIENTS = ("aws", "switch", "drivers", "core", "control/agent.py")  # whose notes an observer gets
NAMES = {"FALLBACK": FALLBACK, "EXPIRY_UNKNOWN": EXPIRY_UNKNOWN, "CLIENTS_BESIDE": "clients_beside"}
MADE_ELSEWHERE = {HOT_KEY, ORDER_CHANGES, REFUSED_LATER}  # of a class of the core


def noted() -> Iterator[tuple[str, frozenset[str] | None]]:
    """The name of each, and the names of its facts where they stand there."""
    for place in OF_CLIENTS:
        path = ROOT / place
        for file in [path] if path.is_file() else path.rglob("*.py"):
            for node in ast.walk(ast.parse(file.read_text(encoding="utf-8"))):
                if isinstance(node, ast.Call) and len(node.args) == 2 and is_note(node.func):
                    name, facts = node.args
                    said = name.value if isinstance(name, ast.Constant) else NAMES.get(getattr(name, "id", ""), "")
                    plain = isinstance(facts, ast.Dict) and all(isinstance(key, ast.Constant) for key in facts.keys)
                    keys = frozenset(key.value for key in facts.keys) if plain else None  # type: ignore[attr-defined]
                    if said:
                        yield str(said), keys


def is_note(function: ast.expr) -> bool:
    name = function.id if isinstance(function, ast.Name) else getattr(function, "attr", "")
    return name in ("Note", "note", "_note")


def test_each_noted_event_has_a_class_with_its_facts() -> None:
    """Found by reading the source: a new event, or a new fact, needs a field here."""
    found = list(noted())
    assert {name for name, _ in found} | MADE_ELSEWHERE | {"look"} == set(NOTED)
    for name, facts in found:
        known = {each.name: each.default is MISSING for each in fields(NOTED[name]) if each.name != "migration"}
        if facts is not None:
            assert facts <= known.keys(), name
            assert {field for field, is_needed in known.items() if is_needed} <= facts, name


def test_an_event_is_frozen() -> None:
    """Whoever is told first changes nothing for those after."""
    event = event_of("orders", "joined", {"client": "a", "stage": "off"})
    assert isinstance(event, Joined)
    with pytest.raises(FrozenInstanceError):
        event.stage = "live"  # type: ignore[misc]


def test_an_event_without_a_class_is_told_as_it_is() -> None:
    """The steps of a move, by whoever makes it: a name and its facts."""
    event = event_of("orders", "moved", {"stage": "live"})
    assert isinstance(event, Noted)
    assert (event.what, dict(event.facts)) == ("moved", {"stage": "live"})


def test_facts_that_do_not_fit_are_counted_and_harm_nobody() -> None:
    """It would be a defect of ours, and no caller's."""

    class Deaf:
        def on_event(self, event: Event) -> None:
            raise AssertionError(event)

    watch = Watch(Deaf(), "orders")
    watch.note("joined", {"nonsense": 1})
    assert watch.counts() == {"joined": 1, "observer_error": 1}


def test_a_comparison_names_its_key() -> None:
    """Which stands in the difference."""
    from crossfade.core.sync.compare import Difference

    difference = Difference({"id": {"S": "a"}}, None, {"id": {"S": "a"}})
    event = event_of("orders", "compare", {"outcome": "extra", "difference": difference})
    assert isinstance(event, Compared)
    assert "a" in event.key
