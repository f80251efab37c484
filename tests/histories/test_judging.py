"""The judge of recorded histories: what a plain table can do is accepted, each known fault of a migration is found."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from crossfade.demo.journal import Journal
from crossfade.sim.history import History
from crossfade.sim.model import Action, State
from tests.histories.judging import Verdict, judge, read_at_rest
from tests.histories.records import NANOSECONDS, Nothing, Recorder, Told, Unknown, load
from tests.histories.showing import explain

KEY = ("p0", "1")
OLD: State = (1, ("old",), None)
DONE: Told = ("ok", None)

Line = tuple[int, int, Action, Told]  # called and answered in milliseconds, what was asked, what was told


def append(token: str, shows: str = "NONE") -> Action:
    return Action("append", token, shows=shows)


def get(called: int, answered: int, state: State) -> Line:
    return called, answered, Action("get"), ("ok", state)


def journal_of(path: Path, lines: list[Line]) -> Path:
    """A process's own record, as it would have been written at these times."""
    entries: list[dict[str, Any]] = []
    for n, (called, answered, action, told) in enumerate(lines):
        name = f"{path.stem}.0.{n}"
        fields = [action.name, action.token, action.expected, action.shows, action.shows_on_failure]
        entries.append({"i": name, "t": called * 1_000_000, "k": KEY, "o": "UpdateItem", "a": fields})
        end: dict[str, Any] = {"i": name, "t": answered * 1_000_000}
        if isinstance(told, Unknown):
            entries.append({**end, "u": told.reason})
        elif isinstance(told, Nothing):
            entries.append({**end, "r": None, "e": told.reason})
        else:
            entries.append({**end, "r": told})
    _ = path.write_text("".join(f"{json.dumps(entry)}\n" for entry in entries))
    return path


def judged(folder: Path, lines: list[Line], final: State, *, initial: State = OLD) -> Verdict:
    """Written down by two processes, read back, and judged together with what is there at rest."""
    journals = [journal_of(folder / "app1.jsonl", lines[::2]), journal_of(folder / "app2.jsonl", lines[1::2])]
    history = load(journals, {KEY: initial}).history
    read_at_rest(history, (KEY,), lambda _: item(final), 10 * NANOSECONDS)
    return judge(history)


def item(state: State) -> dict[str, Any] | None:
    if state is None:
        return None
    whole: dict[str, Any] = {"pk": {"S": KEY[0]}, "sk": {"S": KEY[1]}, "n": {"N": str(state[0])}}
    return whole | {"log": {"L": [{"S": token} for token in state[1]]}}


BAD: dict[str, tuple[list[Line], State]] = {
    "a lost update": (
        [(1, 2, append("a"), DONE), (3, 4, append("b"), DONE)],
        (2, ("old", "b"), None),
    ),
    "an update lost for one reader alone": (
        [(1, 2, append("a"), DONE), get(3, 4, OLD), get(5, 6, (2, ("old", "a"), None))],
        (2, ("old", "a"), None),
    ),
    "a stale read": (
        [(1, 2, append("a"), DONE), get(3, 4, OLD)],
        (2, ("old", "a"), None),
    ),
    "new, then old again": (
        [(1, 9, append("a"), DONE), get(2, 3, (2, ("old", "a"), None)), get(4, 5, OLD)],
        (2, ("old", "a"), None),
    ),
    "a delete that came back": (
        [(1, 2, Action("delete"), DONE), get(3, 4, None)],
        OLD,
    ),
    "a delete that came back after something else was there": (
        [(1, 2, Action("delete"), DONE), (3, 4, Action("create", "a", 5), DONE), (5, 6, Action("delete"), DONE)],
        (5, ("a",), None),
    ),
    "an add that counted twice": (
        [(1, 2, Action("add", "a"), DONE)],
        (3, ("old",), None),
    ),
    "an add of unknown outcome that counted twice": (
        [(1, 2, Action("add", "a"), Unknown("ReadTimeoutError"))],
        (3, ("old",), None),
    ),
    "an unknown outcome seen, then not, then seen": (
        [
            (1, 2, append("a"), Unknown("killed")),
            get(3, 4, (2, ("old", "a"), None)),
            get(5, 6, OLD),
            get(7, 8, (2, ("old", "a"), None)),
        ],
        (2, ("old", "a"), None),
    ),
    "an unknown outcome that comes when it can land no more": (
        [
            (1, 2, append("a"), Unknown("ReadTimeoutError")),
            get(8_000, 8_001, OLD),
            get(8_002, 8_003, (2, ("old", "a"), None)),
        ],
        (2, ("old", "a"), None),
    ),
    "an effect of a write that did nothing": (
        [(1, 2, append("a"), Nothing("TransactionConflictException"))],
        (2, ("old", "a"), None),
    ),
    "two that both made the item": (
        [(1, 4, Action("delete"), DONE), (5, 9, Action("create", "a"), DONE), (6, 8, Action("create", "b"), DONE)],
        (0, ("b",), None),
    ),
    "a refusal without a reason": (
        [(1, 2, Action("append_if", "a"), ("refused", None))],
        OLD,
    ),
    "a wrong return value": (
        [(1, 2, append("a", "ALL_OLD"), DONE)],
        (2, ("old", "a"), None),
    ),
    "an answer that no table gives": (
        [(1, 2, Action("get"), ("odd", "attributes nobody wrote: ['_crossfade']"))],
        OLD,
    ),
}

GOOD: dict[str, tuple[list[Line], State]] = {
    "an unknown outcome that comes seconds later": (
        [
            (1, 2, append("a"), Unknown("ReadTimeoutError")),
            get(4_000, 4_001, OLD),
            get(4_002, 4_003, (2, ("old", "a"), None)),
        ],
        (2, ("old", "a"), None),
    ),
    "nobody did anything": ([], OLD),
    "one after the other": (
        [(1, 2, append("a"), DONE), get(3, 4, (2, ("old", "a"), None)), (5, 6, Action("delete"), DONE)],
        None,
    ),
    "an unknown outcome that never took effect": (
        [(1, 2, append("a"), Unknown("killed")), get(3, 4, OLD)],
        OLD,
    ),
    "an unknown outcome that took effect long after": (
        [(1, 2, append("a"), Unknown("killed")), get(3, 4, OLD), get(5, 6, OLD)],
        (2, ("old", "a"), None),
    ),
    "two unknown outcomes of which the later took effect first": (
        [(1, 2, append("a"), Unknown("killed")), (3, 4, append("b"), Unknown("killed")), get(5, 6, OLD)],
        (3, ("old", "b", "a"), None),
    ),
    "a delete of unknown outcome": (
        [
            (1, 2, Action("delete"), Unknown("killed")),
            get(3, 4, OLD),
            (5, 6, append("a", "ALL_NEW"), ("ok", (1, ("a",), None))),
        ],
        (1, ("a",), None),
    ),
    "overlapping writes in the order of their answers": (
        [(1, 9, append("a", "ALL_NEW"), ("ok", (3, ("old", "b", "a"), None))), (2, 8, append("b"), DONE)],
        (3, ("old", "b", "a"), None),
    ),
    "a refusal that shows why": (
        [(1, 2, Action("create", "a", shows_on_failure=True), ("refused", OLD))],
        OLD,
    ),
}


@pytest.mark.parametrize("name", BAD)
def test_a_bad_history_is_found(name: str, tmp_path: Path) -> None:
    """Each of the faults that a migration can have, in its smallest history."""
    lines, final = BAD[name]
    verdict = judged(tmp_path, lines, final)
    assert [fault.key for fault in verdict.faults] == [KEY]
    shown = list(explain(verdict.faults[0], 0.0))
    assert shown[0].startswith("item p0/1: ")


@pytest.mark.parametrize("name", GOOD)
def test_a_good_history_is_accepted(name: str, tmp_path: Path) -> None:
    """What one plain table can do, unknown outcomes included."""
    lines, final = GOOD[name]
    assert judged(tmp_path, lines, final) == Verdict()


def test_a_history_beyond_deciding_is_not_called_good(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Where the search gives up, the item is named as undecided."""
    monkeypatch.setattr("crossfade.sim.linearizability.WAYS_MAX", 10)
    lines: list[Line] = [(n, 100 + n, append(str(n)), DONE) for n in range(1, 9)]
    assert judged(tmp_path, lines, (9, ("x",), None)).undecided == [KEY]


def test_what_a_killed_process_has_not_finished_is_unknown(tmp_path: Path) -> None:
    """A call without a second line may have taken effect; a torn last line was never sent, so it is no part of it."""
    path = tmp_path / "app1.jsonl"
    with Journal(path) as journal:
        recorder = Recorder(journal, "app1.0")
        names = recorder.begin("UpdateItem", [(KEY, append("a"))])
        recorder.end(names, [("ok", OLD)])
        _ = recorder.begin("UpdateItem", [(KEY, append("b"))])
    with path.open("a") as file:
        _ = file.write('{"i": "app1.0.9", "t"')
    record = load([path], {KEY: None})
    assert [operation.answer for operation in record.history.of(KEY)] == [("ok", OLD), None]
    assert record.counts == {"UpdateItem ok": 1, "UpdateItem unknown": 1}


def test_a_history_is_shown_aligned(tmp_path: Path) -> None:
    """Every call on a line of its own, its time as a bar on a common scale, and the one that cannot follow marked."""
    lines, final = BAD["a stale read"]
    fault = judged(tmp_path, lines, final).faults[0]
    *_, write, read, rest = explain(fault, 0.0)
    assert write.split()[:3] == ["0.0010", "0.0020", "app1.0"]
    assert write.endswith("in order")
    assert read.endswith("stuck")
    assert write.index("|") < read.index("|")
    assert write.index("append a") == read.index("get") == rest.index("get")


def test_all_items_are_judged(tmp_path: Path) -> None:
    """One item's fault does not hide another's, and an item without a fault has none."""
    other = ("p1", "0")
    journal = journal_of(tmp_path / "app1.jsonl", [(1, 2, append("a"), DONE)])
    history = load([journal], {KEY: OLD, other: OLD}).history
    read_at_rest(history, (KEY, other), lambda _: item(OLD), 10 * NANOSECONDS)
    assert isinstance(history, History)
    assert [fault.key for fault in judge(history).faults] == [KEY]
