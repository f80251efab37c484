"""What `status` shows of a log that carries the source's writes to the target."""

from __future__ import annotations

import json
from collections.abc import Sequence
from typing import Any

from rich.console import RenderableType
from rich.text import Text

from crossfade.cli.plans import label_grid
from crossfade.cli.screen import counted
from crossfade.control.carrying import Carriage
from crossfade.control.gate_texts import lease_text
from crossfade.control.records import Lease
from crossfade.control.streams import LAG_SECONDS_MAX


def carriage_lines(carriage: Carriage, mapping: str) -> RenderableType:
    """`mapping`: the digest of the one at hand."""
    grid = label_grid(indent=4)
    for label, text in (
        ("snapshot", _snapshot(carriage)),
        ("lag", _lag(carriage)),
        *([("workers", _workers(carriage))] if carriage.carrier.has_workers else []),
        *([("applied by", _others(others))] if (others := carriage.of_another_mapping(mapping)) else []),
        ("dead letters", _letters(carriage)),
        ("fence", _fence(carriage)),
    ):
        grid.add_row("", Text(label), text)
    return grid


def _snapshot(carriage: Carriage) -> Text:
    told = next((capture for capture in carriage.captures if capture.snapshot), None)
    if told is None:
        return Text("not begun", style="dim")
    known: dict[str, Any] = json.loads(told.snapshot)
    done = counted(len(known["done"]), "table")
    if known["finished"]:
        return Text(f"complete: {done}", style="green")
    under_way = f", {known['table']} under way" if known["table"] else ""
    return Text(f"{done} done{under_way}; last kept {told.saved_at}", style="yellow")


def _lag(carriage: Carriage) -> Text:
    record = carriage.carrier
    if not record.owner:
        return Text("nothing has carried the log yet", style="yellow")
    known = record.lag_seconds >= 0
    far = f"{record.lag_seconds:.1f} s, {counted(record.lag_events, 'event')} wait" if known else "not known yet"
    ended = "" if carriage.runs else "; nothing carries the log now"
    good = carriage.runs and known and record.lag_seconds <= LAG_SECONDS_MAX
    return Text(f"{far}  (reported {record.reported_at} by {record.owner}{ended})", style="" if good else "yellow")


def _workers(carriage: Carriage) -> Text:
    count = len(carriage.appliers)
    return Text(f"{count:,}") if count else Text("none", style="yellow")


def _others(others: Sequence[Lease]) -> Text:
    return Text(f"another mapping than this file's: {lease_text(others)}", style="yellow")


def _letters(carriage: Carriage) -> Text:
    count = carriage.carrier.letters
    why = f": {carriage.carrier.letters_why}" if carriage.carrier.letters_why else ""
    return Text(f"{count:,}{why}", style="bold yellow") if count else Text("none")


def _fence(carriage: Carriage) -> Text:
    if carriage.fence is None:
        return Text("none was needed yet", style="dim")
    passed = "passed" if carriage.passed else "not passed"
    return Text(f"{passed}; of epoch {carriage.fence.epoch}, taken {carriage.fence.taken_at}")
