"""What a command would do, as a value: printed as text or JSON, and carried out only when somebody says so."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import click
from rich.table import Table as Grid
from rich.text import Text

from crossfade.cli.opened import Opened
from crossfade.cli.outcome import NOT_YET
from crossfade.control.gates import Finding

UNCHANGED = "Nothing was changed; add --execute to do it."


@dataclass(frozen=True, slots=True)
class Step:
    """One thing that would be done; `waits_for` and `gates` come before it."""

    what: str
    effect: str
    waits_for: str = ""
    gates: tuple[Finding, ...] = ()


@dataclass(frozen=True, slots=True)
class Plan:
    title: str
    steps: tuple[Step, ...]
    way_back: str
    remarks: tuple[str, ...] = ()

    @property
    def closed_gates(self) -> tuple[Finding, ...]:
        return tuple(gate for step in self.steps for gate in step.gates if not gate.is_open)

    def as_json(self, opened: Opened) -> dict[str, Any]:
        return {
            "plan": self.title,
            "steps": [
                {"what": s.what, "effect": s.effect, "waits_for": s.waits_for, "gates": s.gates} for s in self.steps
            ],
            "way_back": opened.command(self.way_back),
            "remarks": self.remarks,
        }


def show_plan(opened: Opened, plan: Plan) -> None:
    screen = opened.screen
    screen.say(plan.title, "bold")
    for number, step in enumerate(plan.steps, 1):
        screen.say()
        screen.say(f"{number:>3}. {step.what}", "bold")
        grid = label_grid(indent=5)
        grid.add_row("", Text("does"), Text(step.effect))
        if step.waits_for:
            grid.add_row("", Text("waits for"), Text(step.waits_for))
        for finding in step.gates:
            grid.add_row("", Text("needs"), gate_text(opened, finding))
        screen.show(grid)
    screen.say()
    for remark in plan.remarks:
        screen.say(remark, "yellow")
    if plan.way_back:
        screen.say(f"Way back: {opened.command(plan.way_back)}")


def label_grid(indent: int) -> Grid:
    """Three columns: an indent, labels, and text that is broken within its column."""
    grid = Grid.grid(padding=(0, 2, 0, 0))
    grid.add_column(width=indent - 2)
    grid.add_column(style="dim", no_wrap=True)
    grid.add_column(overflow="fold")
    return grid


def gate_text(opened: Opened, finding: Finding) -> Text:
    """`backfilled: open`, or what was found and what to do."""
    text = Text(f"{finding.gate.value}  ")
    _ = text.append("open" if finding.is_open else "CLOSED", "green" if finding.is_open else "bold yellow")
    _ = text.append(f"  {finding.found}")
    if finding.next_step:
        _ = text.append(f"\n-> {opened.command(finding.next_step)}", "cyan")
    return text


def show_gates(opened: Opened, findings: Sequence[Finding]) -> None:
    grid = label_grid(indent=4)
    for finding in findings:
        grid.add_row("", Text(""), gate_text(opened, finding))
    opened.screen.show(grid)


def go_on(opened: Opened, plan: Plan, *, execute: bool, say_unchanged: str = UNCHANGED) -> bool:
    """Print the plan; whether to carry it out: --execute, or a yes typed at a terminal."""
    screen = opened.screen
    show_plan(opened, plan)
    screen.say()
    if execute:
        return True
    if screen.can_ask:
        answer: str = click.prompt("Do it? Type yes", default="", show_default=False)
        if answer.strip().lower() == "yes":
            return True
        screen.say("Nothing was changed.")
    else:
        screen.say(say_unchanged)
    screen.document({"executed": False, "migration": opened.migration.name, **plan.as_json(opened)})
    return False


def first_step_is_closed(plan: Plan) -> bool:
    return any(not gate.is_open for gate in plan.steps[0].gates)


def unchanged(plan: Plan, *, force: bool) -> str:
    """What is said when a plan was only printed."""
    if force or not plan.closed_gates:
        return UNCHANGED
    if first_step_is_closed(plan):
        return "Nothing was changed, and with --execute nothing would be: the first step has a closed gate."
    return "Nothing was changed; add --execute to go as far as the gates are open then."


def closed_exit(plan: Plan, *, force: bool) -> None:
    """Exit with 1 where even the first step of a plan that was only printed is not possible."""
    if not force and first_step_is_closed(plan):
        raise click.exceptions.Exit(NOT_YET)
