"""The screen of `status`, from top to bottom in the order of the questions: where, who, what is missing, what now.

Made from a survey alone, so a test can show any situation without a database.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from typing import Final

from rich.console import Group, RenderableType
from rich.table import Table as Grid
from rich.text import Text

from crossfade.cli.carriage_screen import carriage_lines
from crossfade.cli.moving import Next
from crossfade.cli.opened import Opened
from crossfade.cli.planning import NOBODY_ATTACHED
from crossfade.cli.plans import gate_text, label_grid
from crossfade.cli.screen import counted, duration
from crossfade.control.comparisons import OUTCOMES
from crossfade.control.fallbacks import moment
from crossfade.control.freezing import names_mapping
from crossfade.control.gate_texts import call_text
from crossfade.control.records import JobRecord, JobStatus, StreamReader
from crossfade.control.survey import ClientView, JobView, Survey
from crossfade.core.stages import ALL_LADDERS, Gate, Stage, ladder

CLIENTS_SHOWN: Final = 20  # those that are waited for come first
JOURNAL_LINES: Final = 5
REFUSALS_SHOWN: Final = 10
DIFFERENCES_SHOWN: Final = 5
HELD_SHOWN: Final = 3  # on a terminal of 24 lines, where each may take several
BEHIND_SECONDS: Final = 5.0  # less is the way of streams
FALLBACK_OUTCOMES: Final = {
    "copied": "copied to the target",
    "failed": "the target does not take it",
    "there": "a write made a new item without it",
    "another": "the target has another item under its key",
}
SILENT_SECONDS: Final = 1.2  # more than one poll


@dataclass(frozen=True, slots=True)
class View:
    """A survey, the epoch that each client has acknowledged, and how the file at hand differs, if it does."""

    survey: Survey
    epochs: Mapping[str, int]
    note: str
    next_step: Next

    def aged(self, note: str) -> View:
        return replace(self, note=note)


def status_screen(opened: Opened, view: View) -> RenderableType:
    return Group(*_parts(opened, view))


def watch_screen(opened: Opened, view: View) -> RenderableType:
    """Show the same on a terminal that shows as much as fits: what is most wanted comes first."""
    look = view.survey
    return Group(*_head(look, view.note), *_verdict_parts(view, HELD_SHOWN), *_facts(opened, view))


def _parts(opened: Opened, view: View) -> Iterator[RenderableType]:
    yield from _head(view.survey, view.note)
    yield from _facts(opened, view)
    yield from _held_back(view.survey)
    yield Text()
    yield from _ways(view)


def _verdict_parts(view: View, held_max: int) -> Iterator[RenderableType]:
    yield Text()
    yield from _ways(view)
    yield from _held_back(view.survey, held_max)


def _ways(view: View) -> Iterator[RenderableType]:
    yield _pair("Way back", view.survey.way_back)
    yield _pair("Next", str(view.next_step), "bold cyan")


def _facts(opened: Opened, view: View) -> Iterator[RenderableType]:
    look = view.survey
    yield _title("Ladder")
    yield _ladder(look)
    yield from _clients(view)
    yield _title("Jobs")
    yield _jobs(look)
    if look.carriage is not None:
        yield _title("The source's log")
        yield carriage_lines(look.carriage, look.mapping)
    yield from _fallbacks(look)
    yield from _refusals(look)
    yield from _differences(look)
    yield from _gates(opened, look)
    yield from _journal(look)


def _head(look: Survey, note: str) -> Iterator[RenderableType]:
    state = look.state
    named = f"   mapping {state.fingerprint}" if names_mapping(state.fingerprint) else ""
    yield Text.assemble(
        (look.migration, "bold"),
        f"   {state.source} -> {state.target}   {state.strategy}{named}",
    )
    ramp = f"   ramp {state.ramp_percent} %" if state.ramp_percent else ""
    yield Text(
        f"stage {state.stage} since {ago(entered_at(look))}   epoch {state.epoch}{ramp}"
        f"   started {day(state.started_at)}   control table {look.control_table}",
        style="dim",
    )
    if note:
        yield Text(f"Note: {note}", style="yellow")


def entered_at(look: Survey) -> str:
    """When the stage was entered, as far as the last journal entries tell; other changes are in them as well."""
    words = ("started",) if look.state.stage is Stage.OFF else ()
    for entry in reversed(look.journal):
        if entry.what in words or entry.what.endswith(f"-> {look.state.stage}"):
            return entry.at
    return look.journal[0].at if look.journal else look.state.changed_at


def _ladder(look: Survey) -> RenderableType:
    state = look.state
    rows = ALL_LADDERS[state.strategy]
    stages = ladder(state.strategy)
    place = stages.index(state.stage)
    grid = Grid.grid(padding=(0, 2, 0, 0))
    for column in (2, 15, None):
        grid.add_column(width=column)
    for number, stage in enumerate(stages):
        here = number == place
        gates = ", ".join(gate.value for gate in rows[stage].gates)
        text = Text(rows[stage].summary + (f"  [needs: {gates}]" if gates and number > place else ""))
        if here and state.ramp_percent:
            _ = text.append(f"; {state.ramp_percent} % of the keys are read from the target", "bold")
        style = "bold green" if here else "dim" if number < place else ""
        grid.add_row(Text(" >" if here else ""), Text(stage.value), text, style=style)
    return grid


def _clients(view: View) -> Iterator[RenderableType]:
    clients = sorted(view.survey.clients, key=lambda client: (client.acknowledged, client.host, client.pid))
    yield _title(f"Clients ({len(clients)})")
    if not clients:
        yield Text("  none: no process has crossfade attached")
        return
    grid = Grid(box=None, padding=(0, 2, 0, 0), header_style="dim", pad_edge=False, show_edge=False)
    for name in ("  host", "pid", "role", "epoch", "silent", "lost mirrors", ""):
        right = name in ("pid", "epoch", "silent", "lost mirrors")
        grid.add_column(name, justify="right" if right else "left", no_wrap=bool(name), overflow="ellipsis")
    for client in clients[:CLIENTS_SHOWN]:
        style = "" if client.acknowledged else "bold yellow"
        grid.add_row(*_client_row(client, view.epochs.get(client.client, 0)), style=style)
    yield grid
    if len(clients) > CLIENTS_SHOWN:
        yield Text(f"  and {len(clients) - CLIENTS_SHOWN:,} more, all in this epoch")
    for client in clients:
        if client.lost_example:
            yield Text(f"  lost by {client.host} {client.pid}, for example: {client.lost_example}", style="yellow")
        if client.denied:
            yield Text(f"  denied to {client.host} {client.pid}: {client.denied}", style="bold yellow")
        if client.failing:
            yield Text(f"  {client.host} {client.pid}: {client.failing}", style="bold yellow")
    yield from _compared(clients)


def _compared(clients: Sequence[ClientView]) -> Iterator[RenderableType]:
    """What the comparisons of these clients have come to, together."""
    counts = Counter[str]()
    for client in clients:
        counts.update(client.compared)
    if counts:
        facts = ", ".join(f"{outcome} {counts[outcome]:,}" for outcome in OUTCOMES if counts[outcome])
        yield Text(f"  reads compared with the other table, by these processes: {facts}", style="dim")


def _client_row(client: ClientView, epoch: int) -> tuple[Text, ...]:
    silent = f"{client.silent_seconds:.0f} s" if client.silent_seconds >= SILENT_SECONDS else "no"
    cells = (f"  {client.host}", str(client.pid), client.role, str(epoch), silent, f"{client.lost_mirrors:,}")
    return (*map(Text, cells), Text(client.reason or "in step"))


def _jobs(look: Survey) -> RenderableType:
    views = {view.record.job.value: view for view in look.jobs}
    grid = label_grid(indent=4)
    for name in ("backfill", "verify"):
        view = views.get(name)
        text = Text("not begun", style="dim") if view is None else _job(view)
        grid.add_row("", Text(name), text)
    for report in look.readers:
        grid.add_row("", Text(report.reader.value), _reader(report))
    return grid


def _reader(report: StreamReader) -> Text:
    """How far behind a reader of the change streams was when it last said so."""
    text = Text()
    if report.caught_up_at:
        _ = text.append(f"caught up {day(report.caught_up_at)} ({ago(report.caught_up_at)} ago)")
    else:
        _ = text.append("has not caught up yet", "yellow")
    if report.lag_seconds >= BEHIND_SECONDS:
        _ = text.append(f", then {duration(report.lag_seconds)} behind", "yellow")
    _ = text.append(f", by {report.who} on {report.host} pid {report.pid}")
    if report.counts:
        facts = ", ".join(f"{name.replace('_', ' ')} {count:,}" for name, count in sorted(report.counts.items()))
        _ = text.append(f"\n{facts}", "dim")
    return text


def _job(view: JobView) -> Text:
    record = view.record
    running = record.status is JobStatus.RUNNING
    counts = view.counts if running else record.counts
    text = Text()
    if running:
        _ = text.append("running or interrupted", "yellow")
        _ = text.append(f"  {view.segments_done} of {record.segments} segments, begun {day(record.started_at)}")
    else:
        _ = text.append(*_verdict(record))
        _ = text.append(f"  finished {day(record.finished_at)} ({ago(record.finished_at)} ago)")
    _ = text.append(f", by {record.who} on {record.host} pid {record.pid}")
    if counts:
        _ = text.append(
            "\n" + ", ".join(f"{name.replace('_', ' ')} {count:,}" for name, count in sorted(counts.items())), "dim"
        )
    return text


def _verdict(record: JobRecord) -> tuple[str, str]:
    if record.job.value == "backfill":
        return "complete", "green"
    return ("clean", "green") if record.clean else ("found differences", "bold yellow")


def _gates(opened: Opened, look: Survey) -> Iterator[RenderableType]:
    if look.up is None:
        return
    yield _title(f"Gates of the next stage, {look.up.to}")
    if not look.up.findings:
        yield Text("  none")
        return
    grid = label_grid(indent=4)
    for finding in look.up.findings:
        if finding.gate is Gate.CONFIRMED:  # given with the command itself
            asked = "confirmed  asked for by `crossfade complete`: there is no way back from it"
            grid.add_row("", Text(""), Text(asked))
        else:
            grid.add_row("", Text(""), gate_text(opened, finding))
    yield grid


def _fallbacks(look: Survey) -> Iterator[RenderableType]:
    """What rampdown has found in the source alone."""
    found = look.fallbacks
    if found is None:
        return
    yield _title("Found in the source alone")
    since = f"since rampdown was entered, {day(moment(found.total.since))}"
    if not found.last_at:
        yield Text(f"  nothing, {since}")
        return
    last = moment(found.last_at)
    yield Text(f"  {counted(found.total.count, 'hit')} {since}; the last {ago(last)} ago", style="bold yellow")
    grid = label_grid(indent=4)
    for sample in found.samples:
        became = FALLBACK_OUTCOMES.get(sample.outcome, sample.outcome)
        who = f"{became}  ({sample.client} on {sample.host} pid {sample.pid})"
        grid.add_row("", Text(day(moment(sample.at))), Text(f"{sample.key}  {who}"))
    yield grid


def _refusals(look: Survey) -> Iterator[RenderableType]:
    """Calls that are served so far, and that later stages refuse or limit; or that should not span the move to one."""
    if not look.refusals.kinds:
        return
    yield _title("Calls that are refused later, or limited, or should not span a move")
    for kind in look.refusals.kinds[:REFUSALS_SHOWN]:
        last = moment(kind.last_at)
        calls = counted(kind.count, "call")
        yield Text(
            f"  {call_text(kind)}: {kind.effect} {kind.stages}; {calls} of this kind seen, the last {ago(last)} ago"
            f" ({kind.client} on {kind.host} pid {kind.pid})",
            style="bold yellow",
        )
        yield Text(f"      {kind.reason}")
        yield Text(f"      {kind.next_step}")
    if len(look.refusals.kinds) > REFUSALS_SHOWN:
        yield Text(f"  and {len(look.refusals.kinds) - REFUSALS_SHOWN:,} more kinds (--json has all)")


def _differences(look: Survey) -> Iterator[RenderableType]:
    """What comparisons, or a watch, have seen to stay different since the last verify began."""
    if not look.differences:
        return
    yield _title("Seen to be different since the last verify began")
    for seen in look.differences[-DIFFERENCES_SHOWN:]:
        at = moment(seen.at)
        by = f"by {seen.seen_by} of {seen.client} on {seen.host} pid {seen.pid}"
        yield Text(f"  {seen.key}  {seen.kind} in the target  {day(at)} ({ago(at)} ago), {by}", style="bold yellow")
    if len(look.differences) > DIFFERENCES_SHOWN:
        yield Text(f"  and {len(look.differences) - DIFFERENCES_SHOWN:,} more (--json has all)")


def _held_back(look: Survey, held_max: int | None = None) -> Iterator[RenderableType]:
    yield _title("What holds us back")
    confirmation = f"{Gate.CONFIRMED.value}:"
    held = [line for line in look.held_back_by if not line.startswith(confirmation)]
    done = look.state.stage is Stage.COMPLETE
    alone = not look.clients and not done
    if not held and not alone:
        yield Text("  nothing: the migration is complete" if done else "  nothing")
    if alone:
        yield Text(f"  {NOBODY_ATTACHED}", style="yellow")
    shown = held[:held_max]
    for line in shown:
        yield Text(f"  {line}", style="yellow")
    if len(held) > len(shown):
        yield Text(f"  and {len(held) - len(shown)} more, below with the gates", style="yellow")


def _journal(look: Survey) -> Iterator[RenderableType]:
    yield _title("Journal")
    grid = label_grid(indent=4)
    for entry in look.journal[-JOURNAL_LINES:]:
        what = Text(entry.what)
        if entry.why:
            _ = what.append(f"  {'forced: ' if entry.forced else ''}{entry.why}", "yellow" if entry.forced else "dim")
        _ = what.append(f"  ({entry.who} on {entry.host})", "dim")
        grid.add_row("", Text(day(entry.at)), what)
    yield grid


def _title(text: str) -> Text:
    return Text(f"\n{text}", style="bold")


def _pair(label: str, text: str, style: str = "") -> RenderableType:
    grid = Grid.grid(padding=(0, 2, 0, 0))
    grid.add_column(width=8, style="bold")
    grid.add_column(overflow="fold")
    grid.add_row(Text(label), Text(text, style=style))
    return grid


def day(at: str) -> str:
    """`2026-11-22 16:05:10Z`, from the records' ISO form."""
    return at.replace("T", " ").replace("+00:00", "Z")


def ago(at: str) -> str:
    try:
        then = datetime.fromisoformat(at)
    except ValueError:  # written by hand, or by another version
        return "?"
    return duration(max(0.0, (datetime.now(UTC) - then).total_seconds()))
