"""Print docs/stages.md from the table that routing obeys: `python scripts/print_stages.py > docs/stages.md`."""

from __future__ import annotations

import textwrap

from crossfade.core.stages import ALL_LADDERS, Fallback, Gate, Ramp, Row, Stage, Writes

HEAD = """\
# The stages

This page is printed from `src/crossfade/core/stages.py`, the table that routing, the simulator and the command line
obey (`python scripts/print_stages.py > docs/stages.md`); a test compares the two.

A migration goes up or down **one** stage at a time, and only when every client has entered, and finished, the stage
before. `crossfade advance --to live` walks the stages between; `crossfade rollback` walks down. `complete` is the point
of no return. A call that a later stage refuses, since the mapping has no answer for it, is told of while it is served,
from `off` on: `crossfade status` names it, and `complete` does not open while such calls are made
([the control plane](control-plane.md#gates)).
"""

# What a word stands for as a stage, and what else it is.
WORDS = {
    "drain": (
        "`drain` of copy-on-write: the source is drained, item by item",
        (
            "a client does not drain, it **has finished**: all that it began in an earlier stage, mirrors too, "
            "has ended. One that ends before that has *ended unfinished*"
        ),
    ),
    "stamp": (
        "`stamp` of copy-on-write: every write leaves a stamp",
        (
            "a **stamp** is the attribute `_crossfade` of an item, in any strategy; the step `stamps` of "
            "`crossfade cleanup` removes them"
        ),
    ),
    "ramp": (
        "none",
        (
            "the **ramp** is the share of the keys whose reads the target answers: `crossfade advance --ramp N`, "
            "in one stage"
        ),
    ),
    "rampdown": (
        "`rampdown`, the last stage before `complete`, whatever the ramp was",
        "",
    ),
    "verify": (
        "none",
        (
            "`crossfade verify` compares the tables; the step `verify` of `crossfade cleanup` accepts the last of"
            " those, and compares nothing"
        ),
    ),
}

WORDS_HEAD = """
Some words stand for two things, and are told apart by how they are written:

| word | as a stage | else |
|---|---|---|
"""

TITLES = {
    "dual-write": "both tables are kept equal, and can be rolled back until `complete`",
    "copy-on-write": "the source is drained; nothing new is written to it",
    "freeze": "two stores that no transaction spans, switched in the service layer",
}

FEET = {
    "dual-write": """
Moving the authority back (`lockstep_target` to `lockstep_source`) has the gates of moving it forward: the side that
takes over must be known to be equal. Going down into `off` ends the mirroring, so the backfill and the verify count no
more. The ramp (`crossfade advance --ramp N`) lets the target answer the reads of N % of the keys while the source is
still the authority; it needs both gates of `lockstep_target`.
""",
    "copy-on-write": """
An item is what the target holds, or else what the source holds. A write that finds it in the source alone copies it
first: in `drain`, one transaction puts the new item into the target and checks that the source still is what was read.
For that check every write of `stamp` and `prepare` to the source leaves a fresh stamp on the item, which nobody is
shown. Here verify asks one thing: that whatever the source has, the target has too. Going down from `drain` to
`prepare` makes the backfill and the verify count no more. From `drain` on there is no way back below `prepare`: in
`stamp` and `off` nobody would look at what is in the target alone, so that step has the gate "the target is empty",
which nobody can force.

In `rampdown` a hit, an item that the source has and the target has not, means that something was not copied, or that
somebody writes to the source without crossfade. It is told where it happens (the event `fallback`, a count, a line in
the log), written down for `status` with the time, the key and the process, and copied. `complete` is refused until 14
days have passed without one, since rampdown was entered or since the last one; `crossfade complete --quiet-days N` asks
for another number, and where that is what makes it possible the journal says so. When the source is checked:

| call | when it looks into the source, always after the answer |
|---|---|
| GetItem, BatchGetItem, TransactGetItems | for each key that was not found |
| UpdateItem | where there was no item; one that returns new values tells it only where it is refused |
| PutItem with a condition | where there was no item |
| PutItem without a condition, BatchWriteItem | never: what it replaces does not matter |
| DeleteItem | never: it takes both sides |
| TransactWriteItems | for each action but a delete that was refused since there was no item |
| Query of the table | each page that holds nothing, one in twenty of the others; a hundred items at most |
| the same, where the target's key is an attribute of its own | never |
| Query of an index, Scan | never |

An update, or an action with a condition, then asks for the old item, which the service gives without a charge, and
which the caller is not shown. A transaction that succeeds tells nothing of what was there, and to read it before would
be in the way of the call: so an `Update` in one that made a new item beside an uncopied one is noticed only where
crossfade evaluates the transaction itself, and so has read the item. A page of a Scan stands for no part of the other
table, whose partitions are others; to look behind it would take a scan of the source, and that is what verify does.
What an index would show is found by verify too, or behind a query of the table; and an index is what answers a query by
the old key, where the target's is an attribute of its own.

So what only a Scan or an index would show is for verify, which is a gate of `rampdown` and of `complete`, and for
`watch`, which names each write to the source as it happens. An update that was made beside an uncopied item is told of
as `there`: the new item stays, and what the source has is to be compared by hand.
""",
    "freeze": """
This ladder is that of `crossfade.Switch` ([switch.md](switch.md)), which stands in the service layer, between any two
stores. Pages of one store are nobody's in the other, so none goes on across the change of authority.

Nobody may stay in a freeze stage: `crossfade advance --to live` goes through both, `crossfade rollback` likewise. With
one such stage a client that is still in it would read the source while another, already in `live`, writes the target;
with two, writes begin again only when everybody reads from the side that they go to. `freeze_source` is entered only
when the backfill is complete and a verify found nothing, and, where a log is carried to the target, when that has
caught up; `freeze_target` likewise on the way down. The gate between the two: the repair queue in the control table is
empty, and on the way up the log has been applied up to the fence, which is taken when everybody holds its writes. If
that does not come within some seconds, the migration goes back to the stage that it came from, and the command says
why. A write that is held for longer than 5 s (`hold_seconds`) fails with `crossfade.Held`, which may be tried again:
nothing was written.

A client that ends unfinished leaves what it had begun in the repair queue, and the others repair it. So it asks
for no verify, as it does where there is no such queue.
""",
}

GATES = {
    Gate.EMPTY: "the target is empty",
    Gate.BACKFILLED: "the backfill is complete",
    Gate.MIRRORED: "since the backfill began no client ended unfinished or lost a mirror; or a verify found nothing",
    Gate.VERIFIED: "a full verify, begun after the last client that ended unfinished, found nothing",
    Gate.RECENT: "that verify is not older than 7 days (`--verified-within`)",
    Gate.PASSED: "all that was written before the freeze has reached the other side",
    Gate.ALLOWED: "no client is denied on one table what it may do on the other",
    Gate.QUIET: "for 14 days (`--quiet-days`) nothing was found in the source alone",
    Gate.ANSWERED: "14 days (`--refused-days`) since a call was last seen that this stage refuses; open where none was",
    Gate.CONFIRMED: "you have confirmed that this cannot be undone",
}
RAMPS = {Ramp.NONE: "", Ramp.EVENTUAL: "; the ramp: eventually consistent ones", Ramp.EVERY: "; the ramp: all"}


def reads(row: Row) -> str:
    if row.merges:
        return "target, else source"
    if row.fallback is Fallback.LOOKED_UP:
        return "target; a miss is looked up in the source after the answer, and a hit there is told and repaired"
    compared = f", compared with the {row.other}" if row.compare else ""
    return f"{row.authority}{compared}{RAMPS[row.ramp]}"


WRITES = {
    Writes.STAMPED: "source, with a stamp",
    Writes.PREPARED: "the side that has the item; new ones: the source, with a stamp; deletes: both sides",
    Writes.DRAINED: "target, also where the item is not there yet; deletes: both sides",
    Writes.DELETING: "target; deletes: both sides",
}


def writes(row: Row) -> str:
    if row.writes in WRITES:
        return WRITES[row.writes]
    if row.writes is Writes.HELD:
        return "held: none begins before the next stage"
    if row.writes is Writes.LOCKSTEP:
        return f"both in one transaction; the {row.authority} decides"
    mirrored = f", then mirrored to the {row.other}" if row.writes is Writes.MIRRORED else ""
    return f"{row.authority}{mirrored}"


def page() -> str:
    words = "".join(f"| {word} | {stage} | {other} |\n" for word, (stage, other) in WORDS.items())
    return "\n".join(
        [HEAD.rstrip("\n"), WORDS_HEAD + words, *(line for strategy in ALL_LADDERS for line in section(strategy))]
    )


def section(strategy: str) -> list[str]:
    rows = ALL_LADDERS[strategy]
    lines = [f"## `{strategy}`: {TITLES[strategy]}", ""]
    lines += ["| stage | authority | reads | writes | to enter it on the way up |", "|---|---|---|---|---|"]
    for stage, row in rows.items():
        gates = "; ".join(GATES[gate] for gate in row.gates)
        authority = "per item" if row.merges else row.authority
        lines.append(f"| `{stage}` | {authority} | {reads(row)} | {writes(row)} | {gates} |")
    lines += ["", "The way, each arrow one move of the whole fleet:", "", "```", way(tuple(rows)), "```", ""]
    lines += [f"- `{stage}`: {row.summary}." for stage, row in rows.items()]
    lines += [] if strategy == "freeze" else ["", *orders(rows)]
    return [*lines, FEET[strategy]]


def orders(rows: dict[Stage, Row]) -> list[str]:
    """In whose order pages go."""
    merged = [stage for stage, row in rows.items() if row.merges]
    of_target = [stage for stage, row in rows.items() if row.order.side == "target"]
    marked = [stage for stage, row in rows.items() if row.order.is_marked]
    consistent = [stage for stage, row in rows.items() if row.authority == "target" and not row.merges]
    text = f"Scans, and Queries of an index, go in the source's order, and from `{of_target[0]}` on in the target's"
    if consistent[0] != of_target[0]:
        text += f"; strongly consistent ones from `{consistent[0]}` on"
    if merged:
        text += f"; in {names(merged)} through both tables"
    text += f". In {names(marked)} their `LastEvaluatedKey` says which, by one attribute more."
    return [textwrap.fill(text, 120, break_long_words=False, break_on_hyphens=False)]


def names(stages: list[Stage]) -> str:
    return ", ".join(f"`{stage}`" for stage in stages)


def way(stages: tuple[Stage, ...]) -> str:
    return " <-> ".join(stages)[: -len(f" <-> {Stage.COMPLETE}")] + f" -> {Stage.COMPLETE}"


if __name__ == "__main__":
    print(page(), end="")
