"""docs/operations.md, made from the tables of differences: `python -m tests.contract.document > docs/operations.md`."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from itertools import product

from crossfade.core.stages import LADDERS, Stage
from crossfade.migration import Strategy
from tests.contract.differences import DIFFERENCES, OPERATIONS, PARTIQL, REFUSALS, Difference, Refusal
from tests.contract.local_facts import FACTS, MORE_FACTS
from tests.contract.shapes import KINDS, View
from tests.contract.worlds import STRATEGIES, Combination

HEAD = """\
# Operations, stage by stage

What an application gets from a migrating table, beside what one plain table would have answered: items, errors, return
values, order, pages, counts and capacity. `make contract` plays every case on both, in every stage of both strategies,
with four mappings and along two chains, for both views and both kinds of client, and compares; nothing is left out but
what this page names. One of the four, `rekeyed`, gives the target a key that is an attribute of its own
(`derive_key`), and an index by the old key. It is for copy-on-write, and is compared for `view="source"`: who speaks of
such a target passes both keys, which no plain table takes.

While items are copied, some of a case's items are in the source alone, some in the target alone, and some in both,
where the source's may be older. The page is printed from the tables that the comparison obeys
(`tests/contract/differences.py`), by `python -m tests.contract.document > docs/operations.md`, and a test fails when it
is not what they say.

**exact**: the answer is the plain table's. The numbers are those of the named differences below.

Not compared are request ids, the order of a set's members, of BatchGetItem's items and of the tables in a list of
capacities, none of which DynamoDB promises.
"""
VIEWS: tuple[tuple[View, str], ...] = (
    ("source", 'For applications written for the old table (`view="source"`, the default)'),
    ("target", 'For applications already written for the new one (`view="target"`)'),
)


ALONE = {mapping: kind for mapping, kind in KINDS.items() if not kind.is_chain}


def page() -> str:
    return "\n".join([HEAD, *tables(), *named(), CHAINS, *of_other_mappings(), *of_the_local_one()]) + "\n"


def entries() -> list[Refusal | Difference]:
    """In the order of their numbers."""
    return [*REFUSALS, *DIFFERENCES]


def tables() -> Iterator[str]:
    for (view, title), strategy in product(VIEWS, STRATEGIES):
        stages = LADDERS[strategy]
        yield f"## {title}: `{strategy}`\n"
        yield f"| operation | {' | '.join(f'`{stage}`' for stage in stages)} |"
        yield f"|---|{'---|' * len(stages)}"
        for operation in OPERATIONS:
            cells = (cell(operation, view, strategy, stage) for stage in stages)
            yield f"| {operation} | {' | '.join(cells)} |"
        yield ""


def cell(operation: str, view: View, strategy: Strategy, stage: Stage) -> str:
    """The numbers of the differences that hold for one mapping or another."""
    numbers = [
        str(number)
        for number, entry in enumerate(entries(), 1)
        if operation in entry.operations
        and any(
            entry.where(Combination(mapping, view, stage, "boto3", strategy), operation)
            for mapping in having(view, strategy)
        )
    ]
    if operation in PARTIQL and numbers:
        return f"refused: {', '.join(numbers)}"
    return f"exact but {', '.join(numbers)}" if numbers else "exact"


def having(view: View, strategy: Strategy) -> list[str]:
    """The mappings that are compared there."""
    return [mapping for mapping, kind in ALONE.items() if view in kind.views and strategy in kind.strategies]


def named() -> Iterator[str]:
    yield "## The named differences\n"
    for number, entry in enumerate(entries(), 1):
        where = holds_in(entry)
        if isinstance(entry, Refusal):
            yield f"{number}. **{entry.name}** ({where}): refused before anything is read or written; {entry.why}."
        else:
            yield f"{number}. **{entry.name}** ({where}): {entry.why}. Compared instead: {entry.instead}."
    yield ""


def holds_in(entry: Refusal | Difference) -> str:
    """For which mappings, where that is not all."""
    held = [
        mapping
        for mapping, kind in ALONE.items()
        if any(
            entry.where(Combination(mapping, view, stage, "boto3", strategy), operation)
            for view, strategy, operation in product(kind.views, kind.strategies, entry.operations)
            for stage in LADDERS[strategy]
        )
    ]
    return "every mapping" if len(held) == len(ALONE) else f"mappings like {' and '.join(held)}"


CHAINS = """\
## Along a chain

Where the target of a migration that is complete is the source of the next, callers who name the first table get what is
promised above for the first one's `complete` and for the next one's stage: the differences of both, and no other. The
first table is not used. Compared with a first migration that spreads partitions, and with one whose target has a key of
its own, in every stage of a second that moves, converts and renames attributes.
"""

ELSEWHERE = {
    "a Query by a sort key that the mapping stores in another form": "refused wherever the other table's order would be"
    " needed: from `prepare` on with copy-on-write; with dual-write in `complete`, and strongly consistent from"
    " `lockstep_target` on. Reads by the whole key and Scans are not",
    "a Query of an index by an attribute that the mapping stores in another form": "refused wherever the other table's"
    " index would be asked",
    "an index that one of the tables does not have": "ValidationException in `prepare` and `drain`, which ask both"
    " (and DescribeTable of both, once a process, for what their indexes hold), as in every stage that asks the table"
    " without it",
    "a Query where the target's key is an attribute of its own, and it has no index by the old key": "refused"
    ' from `prepare` on, with the index to make. Scans are not. For `view="target"`, a Query by the new key alone is'
    " refused up to `drain`, unless the source has an index by it; a Query of the target's index by the old key is"
    " answered, as are Scans, and their tokens have both keys",
}


def of_other_mappings() -> Iterator[str]:
    yield "## What the mappings of the comparison do not have\n"
    for what, why in ELSEWHERE.items():
        yield f"- {what}: {why}."
    yield ""


def of_the_local_one() -> Iterator[str]:
    yield "## DynamoDB Local and the service\n"
    yield "The plain table of the comparison is DynamoDB Local's. Where that is known to be unlike the service,"
    yield "crossfade answers as the service does, and the comparison knows it:\n"
    for fact in FACTS:
        yield f"- {fact.name}: {fact.why}."
    for name, why in MORE_FACTS.items():
        yield f"- {name}: {why}."


if __name__ == "__main__":
    _ = sys.stdout.write(page())
