"""A history that no plain item has, for people: one line a call, times aligned, where the search got stuck marked."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence

from crossfade.sim.checkers import label
from crossfade.sim.history import Operation
from crossfade.sim.linearizability import Stuck
from tests.histories.judging import AT_REST, Fault

LINES_AROUND = 12  # calls shown before and after the place
BAR_COLUMNS = 40


def explain(fault: Fault, began: float) -> Iterator[str]:
    """The violation, and the calls around it. `began`: the second of the machine's clock from which times count."""
    yield f"item {label(fault.key)}: {fault.violation.invariant}"
    yield f"  {fault.violation.what}"
    near = around(fault)
    if fault.stuck is not None:
        yield f"  after the calls marked 'in order' the item would be {fault.stuck.state}"
        yield "  of the calls marked 'stuck' none can follow:"
        for event in fault.stuck.blocked:
            would = event.action.apply(fault.stuck.state)[0]
            yield f"    {event.who} {event.action.name} {event.action.token}: would have answered {would}"
    yield from table(near, fault.stuck, began)


def around(fault: Fault) -> list[Operation]:
    """The calls near the place where no order goes on; the end of the history where there is no such place."""
    operations = [operation for operation in fault.operations if not operation.void]
    blocked = {event.called for event in fault.stuck.blocked} if fault.stuck else set[int]()
    places = [i for i, operation in enumerate(operations) if operation.called in blocked]
    first, last = (min(places), max(places)) if places else (len(operations), len(operations))
    return operations[max(0, first - LINES_AROUND) : last + LINES_AROUND]


def table(operations: Sequence[Operation], stuck: Stuck | None, began: float) -> Iterator[str]:
    """One line a call: when, who, a bar on a common scale of time, what, and what was told."""
    if not operations:
        return
    ordered = {event.called for event in stuck.order} if stuck else set[int]()
    blocked = {event.called for event in stuck.blocked} if stuck else set[int]()
    first = min(operation.called_at for operation in operations)
    last = max(end_of(operations))
    rows: list[tuple[str, ...]] = []
    for operation in operations:
        until = operation.answered_at
        mark = "stuck" if operation.called in blocked else "in order" if operation.called in ordered else ""
        rows.append(
            (
                f"{operation.called_at - began:.4f}",
                "?" if until is None else f"{until - began:.4f}",
                operation.who,
                bar(operation, first, last),
                what(operation),
                "nobody knows" if operation.answer is None else spelled(operation),
                mark,
            )
        )
    widths = [max(len(row[i]) for row in rows) for i in range(len(rows[0]))]
    for row in rows:
        cells = [
            cell.rjust(width) if i < 2 else cell.ljust(width)
            for i, (cell, width) in enumerate(zip(row, widths, strict=True))
        ]
        yield f"  {'  '.join(cells)}".rstrip()


def end_of(operations: Iterable[Operation]) -> Iterator[float]:
    for operation in operations:
        if operation.who != AT_REST:
            yield operation.called_at
            if operation.answered_at is not None:
                yield operation.answered_at
    yield 0.0


def bar(operation: Operation, first: float, last: float) -> str:
    scale = (BAR_COLUMNS - 1) / max(last - first, 1e-9)
    begin = min(BAR_COLUMNS - 1, max(0, int((operation.called_at - first) * scale)))
    if operation.answered_at is None:
        return f"{' ' * begin}|".ljust(BAR_COLUMNS, "~")
    end = min(BAR_COLUMNS - 1, max(begin, int((operation.answered_at - first) * scale)))
    return (" " * begin + "|" + "-" * (end - begin - 1) + ("|" if end > begin else "")).ljust(BAR_COLUMNS)


def what(operation: Operation) -> str:
    action = operation.action
    parts = [action.name, action.token]
    if action.name in ("replace", "delete_if"):
        parts.append(f"if n={action.expected}")
    elif action.name in ("put", "create"):
        parts.append(f"n={action.expected}")
    if action.shows != "NONE":
        parts.append(action.shows)
    return " ".join(part for part in parts if part)


def spelled(operation: Operation) -> str:
    assert operation.answer is not None
    word, shown = operation.answer
    return word if shown is None and operation.action.name != "get" else f"{word} {shown}"
