"""docs/operations.md and docs/engine.md, made from the tables that the comparison obeys:

python -m tests.contract.document > docs/operations.md
python -m tests.contract.document engine > docs/engine.md
"""

from __future__ import annotations

import sys
from collections.abc import Iterator
from dataclasses import dataclass
from itertools import product
from typing import Final

from crossfade.core.stages import LADDERS, Stage
from crossfade.migration import Strategy
from tests.contract.differences import (
    BETWEEN_PAGES,
    DIFFERENCES,
    OPERATIONS,
    PARTIQL,
    REFUSALS,
    WHILE_CLIENTS_MOVE,
    Difference,
    Refusal,
)
from tests.contract.engine_facts import FACTS, MORE_FACTS
from tests.contract.shapes import KINDS, View
from tests.contract.stricter import OF_PROJECTIONS, STRICTER
from tests.contract.worlds import STRATEGIES, Combination

HEAD = """\
# Operations, stage by stage

What an application gets from a migrating table, beside what one plain table would have answered: items, errors, return
values, order, pages, counts and capacity. First what is refused; then each operation in each stage, exact or with a
named difference. Everything else is the plain table's answer.

Nothing that is refused has read or written anything. Each process tells from `off` on which of its calls a later stage
refuses: in its log, in `crossfade status`, and as a gate of `complete`
([control plane](control-plane.md#gates)); `crossfade check` tells what the mapping and the indexes of your tables mean
for it.

In this page, **items are copied** in the stages `prepare` and `drain` of copy-on-write: some are in the source alone,
some in the target alone, some in both, where the source's may be older. A target's **own key** is one that is an
attribute of its own (`derive_key`), and no form of the old one.
"""
COMPARED = """\
## How this is known

`make contract` plays every case on a migrating table and on a plain one, in every stage of both strategies, for both
views and both kinds of client, and compares; nothing is left out but what this page names. It does so with these
mappings:

| mapping | what the target has |
|---|---|
| `identity` | the same keys and items |
| `suffix` | each partition spread over several |
| `reshape` | another key, attributes moved, renamed and stored in another form, an index under another name |
| `prefix` | a constant text before the sort key |
| `rekeyed` | its own key, and an index by the old one |

`rekeyed` is for copy-on-write, and is compared for `view="source"`: applications that speak of such a target pass both
keys, which no plain table takes.

Where the target of a migration that is complete is the source of the next (a **chain**), callers who name the first
table get what is promised for the first one's `complete` and for the next one's stage: the differences of both, and no
other. The first table is not used. This is compared with a first migration that spreads partitions, and with one whose
target has its own key, in every stage of a second that moves, converts and renames attributes.

Not compared are request ids, the order of a set's members, of BatchGetItem's items and of the tables in a list of
capacities, none of which DynamoDB promises. The plain table is the embedded engine's; where that is unlike the service
is on [a page of its own](engine.md).

The page is printed from the tables that the comparison obeys (`tests/contract/differences.py`), by
`python -m tests.contract.document > docs/operations.md`, and a test fails when it is not what they say.
"""
VIEWS: tuple[tuple[View, str], ...] = (
    ("source", 'For applications written for the old table (`view="source"`, the default)'),
    ("target", 'For applications already written for the new one (`view="target"`)'),
)


ALONE = {mapping: kind for mapping, kind in KINDS.items() if not kind.is_chain}


CAPACITY: Final = "consumed capacity"  # nearly everywhere, so it is told once


def page() -> str:
    return "\n".join([HEAD, *refused(), *tables(), *named(), *between_pages(), *of_limits(), COMPARED])


def entries() -> list[Refusal | Difference]:
    """In the order of their numbers."""
    return [*REFUSALS, *DIFFERENCES]


# --- what is refused


@dataclass(frozen=True, slots=True)
class NotPossibleInStage:
    """What the comparison has no mapping or no table for."""

    call: str
    when: str
    stages: str
    way_out: str
    error: str = "`crossfade.NotPossibleInStage`"


BY_OTHER_TABLE: Final = (
    "copy-on-write: from `prepare` on; dual-write: from `rampdown` on, strongly consistent from `lockstep_target` on."
    ' For `view="target"`: before `rampdown`, with dual-write strongly consistent before `lockstep_target`'
)
BY_OTHER_SPREAD: Final = (
    "from `rampdown` on; with dual-write strongly consistent (of a local index) from `lockstep_target` on. For"
    ' `view="target"`: with dual-write before `rampdown`, with copy-on-write before `prepare`'
)
OTHER_REFUSALS: Final = (
    NotPossibleInStage(
        "Query of the table",
        "the mapping stores the sort key in another form (a constant text before it is none)",
        BY_OTHER_TABLE,
        "read items by their whole key, also by a Query, or scan; or query the target in its own terms"
        ' (`view="target"`)',
    ),
    NotPossibleInStage(
        "Query of an index",
        "the index is by the partition key, the mapping spreads its partitions, and the migration does not say what the"
        " key of the index is",
        BY_OTHER_SPREAD,
        'declare it: `Table(..., indexes={"NAME": {...}})` ([how](attach.md#indexes))',
    ),
    NotPossibleInStage(
        "Query of an index",
        "the mapping stores an attribute of its key in another form, or its counterpart has another key",
        BY_OTHER_TABLE,
        'a counterpart by the same attributes; or query the target in its own terms (`view="target"`)',
    ),
    NotPossibleInStage(
        "Query, Scan of an index",
        "one of the tables does not have it",
        "`prepare` and `drain`, which ask both; any stage that asks the table without it",
        "make it on that table",
        "`ValidationException`",
    ),
    NotPossibleInStage(
        "Query, Scan of an index",
        "the application may not call DescribeTable",
        "where crossfade makes its pages ([where](attach.md#scans-index-queries-and-their-tokens)); in `complete` the"
        " old table need not be asked",
        "allow `dynamodb:DescribeTable` on both tables",
        "`AccessDeniedException`",
    ),
    NotPossibleInStage(
        "Query of the table",
        "the target has its own key, and no index by the old one",
        "from `prepare` on",
        "make the global index that the error names; or scan",
    ),
    NotPossibleInStage(
        'Query of the table by the new key alone, `view="target"`',
        "the target has its own key, and the source no index by it",
        "before `rampdown`",
        "pass both keys; or query the target's index by the old key",
    ),
)


def refused() -> Iterator[str]:
    yield "## What is refused\n"
    yield "The numbers are those of the tables below. What has none depends on the mapping and on the indexes.\n"
    yield "| | call | when | stages | error | way out |"
    yield "|---|---|---|---|---|---|"
    for number, entry in enumerate(REFUSALS, 1):
        calls = ", ".join(name for name in OPERATIONS if name in entry.operations)
        when = "always" if entry.operations == PARTIQL else entry.name
        yield f"| {number} | {calls} | {when} | {stages_of(entry)} | `crossfade.NotPossibleInStage` | {entry.way_out} |"
    for each in OTHER_REFUSALS:
        yield f"| | {each.call} | {each.when} | {each.stages} | {each.error} | {each.way_out} |"
    yield ""


def stages_of(entry: Refusal) -> str:
    """Where it holds, for one mapping or another; told for each view where that is not the same."""
    found = {
        (view, strategy): [
            stage
            for stage in LADDERS[strategy]
            if any(holds(entry, name, view, strategy, stage) for name in OPERATIONS)
        ]
        for (view, _), strategy in product(VIEWS, STRATEGIES)
        if having(view, strategy)
    }
    told: list[str] = []
    for strategy in STRATEGIES:
        ours, others = found["source", strategy], found["target", strategy]
        if ours:
            told.append(f"{strategy}: {run_of(ours, strategy)}")
        if others and others != ours:
            told.append(f'{strategy} with `view="target"`: {run_of(others, strategy)}')
    return "; ".join(told)


def run_of(stages: list[Stage], strategy: Strategy) -> str:
    """Consecutive stages by their ends."""
    order = list(LADDERS[strategy])
    if stages[-1] is order[-1] and len(stages) > 1:
        return f"from `{stages[0]}` on"
    if stages[0] is order[0] and len(stages) > 1:
        return f"before `{order[len(stages)]}`"
    return ", ".join(f"`{stage}`" for stage in stages)


# --- every operation in every stage


def tables() -> Iterator[str]:
    number = 1 + [entry.name for entry in entries()].index(CAPACITY)
    yield "## Every operation in every stage\n"
    yield "**exact**: the answer is the plain table's. **but** 9: it is, but for the difference of that number below."
    yield "**refused if** 2: refused in the cases of that number above, and else as told before it."
    yield f"Difference {number}, {CAPACITY}, is nearly everywhere, and not repeated here.\n"
    for (view, title), strategy in product(VIEWS, STRATEGIES):
        yield from table(view, title, strategy)


def table(view: View, title: str, strategy: Strategy) -> Iterator[str]:
    """One view and strategy; operations with equal rows share one, and those that are exact throughout have none."""
    stages = LADDERS[strategy]
    rows: dict[tuple[str, ...], list[str]] = {}
    for operation in OPERATIONS:
        rows.setdefault(tuple(cell(operation, view, strategy, stage) for stage in stages), []).append(operation)
    yield f"### {title}: `{strategy}`\n"
    exact = rows.pop(tuple("exact" for _ in stages), [])
    if exact:
        yield f"Exact in every stage: {', '.join(exact)}.\n"
    yield f"| operation | {' | '.join(f'`{stage}`' for stage in stages)} |"
    yield f"|---|{'---|' * len(stages)}"
    for cells, operations in rows.items():
        yield f"| {', '.join(operations)} | {' | '.join(cells)} |"
    yield ""


def cell(operation: str, view: View, strategy: Strategy, stage: Stage) -> str:
    """The numbers of what holds for one mapping or another."""
    numbers = [
        number
        for number, entry in enumerate(entries(), 1)
        if entry.name != CAPACITY and holds(entry, operation, view, strategy, stage)
    ]
    refusing = [str(number) for number in numbers if number <= len(REFUSALS)]
    differing = [str(number) for number in numbers if number > len(REFUSALS)]
    if operation in PARTIQL and refusing:
        return f"refused: {', '.join(refusing)}"
    told = [f"but {', '.join(differing)}"] if differing else []
    told += [f"refused if {', '.join(refusing)}"] if refusing else []
    return "; ".join(told) or "exact"


def holds(entry: Refusal | Difference, operation: str, view: View, strategy: Strategy, stage: Stage) -> bool:
    """Whether it is of this operation, there, with one mapping or another."""
    return operation in entry.operations and any(
        entry.where(Combination(mapping, view, stage, "boto3", strategy), operation)
        for mapping in having(view, strategy)
    )


def having(view: View, strategy: Strategy) -> list[str]:
    """The mappings that are compared there."""
    return [mapping for mapping, kind in ALONE.items() if view in kind.views and strategy in kind.strategies]


def named() -> Iterator[str]:
    yield "## The named differences\n"
    for number, entry in enumerate(entries(), 1):
        where = holds_in(entry)
        if isinstance(entry, Refusal):
            yield f"{number}. **{entry.name}**{where}: refused; {entry.why}."
        else:
            yield f"{number}. **{entry.name}**{where}: {entry.why}. Compared instead: {entry.instead}."
    yield ""


def holds_in(entry: Refusal | Difference) -> str:
    """For which mappings, where that is not all."""
    held = {
        mapping
        for mapping, kind in ALONE.items()
        if any(
            entry.where(Combination(mapping, view, stage, "boto3", strategy), operation)
            for view, strategy, operation in product(kind.views, kind.strategies, entry.operations)
            for stage in LADDERS[strategy]
        )
    }
    own_key = {mapping for mapping, kind in ALONE.items() if kind.target.own_key}
    if held == own_key:
        return " (where the target has its own key)"
    if held in ({*ALONE}, {*ALONE} - own_key):  # what is not where the target has its own key says so by its stages
        return ""
    return f" (mappings like {' and '.join(sorted(held))})"


def between_pages() -> Iterator[str]:
    yield "## Between two pages\n"
    yield "Pages together are the plain table's also where the stage moves between two of them. What cannot be had:\n"
    for what, why in BETWEEN_PAGES.items():
        yield f"- {what}: {why}."
    yield ""
    yield "What cursors cost that lack a part of the `LastEvaluatedKey` is told [where tokens are"
    yield "explained](attach.md#scans-index-queries-and-their-tokens).\n"
    yield "## While clients move from stage to stage\n"
    for what, why in WHILE_CLIENTS_MOVE.items():
        yield f"- {what}: {why}."
    yield ""


LIMITS = {
    "an item with less room than the attribute `_crossfade` takes (42 bytes of 400 KB)": "refused with the reason"
    " wherever a write leaves it: in the target from `lockstep_source` on, in the source in `stamp` and `prepare`. In"
    " `dualwrite` and `shadow` the source takes it, its mirror is told as lost, and verify names it. `check` finds such"
    " items in its sample",
    "a transaction whose items take more than 4 MB where it is evaluated here, and so reads them first": "refused with"
    " the reason, nothing written, though one table might have taken it",
    "a transaction of nearly 4 MB with a ClientRequestToken, or of 100 actions": "leaves no room for the record of the"
    " token. Where its writes leave no stamps, DynamoDB itself then remembers the token, within the stage; elsewhere"
    " one of nearly 4 MB is refused, and one of 100 actions, sent again, is not known to be the same",
    "a page of 1 MB": "has fewer items where they carry stamps, which count: with copy-on-write already in `stamp`, and"
    " in `off` after a rollback. The pages together are the plain table's",
    "an index key that the other table alone refuses": "refused where one transaction writes both tables; where a"
    " mirror follows, the mirror is told as lost, and verify names the item. `check` finds such items in its sample",
    "a key whose form in the other table is too long (2,048 bytes of a partition key, 1,024 of a sort key)": "refused"
    " wherever that table is asked, be it for a read: writes from `lockstep_source` on, reads from `lockstep_target` on"
    " and those that the ramp of `shadow` sends there; with copy-on-write both from `prepare` on. In `dualwrite` and"
    " `shadow` the mirror is told as lost, and verify names the item. `check` finds such keys in its sample",
    "a key that no item of both tables can have (a part that holds the separator of `join`, a text that is no number"
    ' where one is stored, with `view="target"` a suffix that is not its own)': "refused wherever the other table is"
    " asked, though a plain table would say that there is no such item: in the same stages as one that is too long, and"
    " in `complete` where the target is the other one. Unconditional deletes of one leave nothing to be mirrored",
}


def of_limits() -> Iterator[str]:
    yield "## At the limits\n"
    yield "Expressions may be as long, and have as many operators, as on a plain table. What may not:\n"
    for what, why in LIMITS.items():
        yield f"- {what}: {why}."
    yield ""


def engine_page() -> str:
    return "\n".join([ENGINE_HEAD, *of_the_engine()]) + "\n"


ENGINE_HEAD = """\
# The embedded engine and the service

For those who work on crossfade. The plain table of the comparison ([operations](operations.md)) is that of the embedded
engine, dynoxide (`crossfade local`). Where it is known to be unlike the service, crossfade answers as the service does,
and the comparison knows it. The page is printed from the tables that the comparison obeys, by
`python -m tests.contract.document engine > docs/engine.md`.
"""


def of_the_engine() -> Iterator[str]:
    yield "## Where its answers are others\n"
    for fact in FACTS:
        yield f"- {fact.name}: {fact.why}."
    for name, why in MORE_FACTS.items():
        yield f"- {name}: {why}."
    yield "\n## What the service refuses\n"
    yield "So does crossfade wherever it evaluates a request; the engine does not.\n"
    for rule in (*STRICTER, *OF_PROJECTIONS):
        yield f"- {rule.name} ([rule]({rule.source}))."


PAGES: Final = {"operations": page, "engine": engine_page}

if __name__ == "__main__":
    _ = sys.stdout.write(PAGES[sys.argv[1] if len(sys.argv) > 1 else "operations"]())
