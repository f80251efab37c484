"""Print docs/stages.md from the table that routing obeys: `python scripts/print_stages.py > docs/stages.md`."""

from __future__ import annotations

from crossfade.core.stages import DUAL_WRITE, Gate, Ramp, Row, Stage, Writes

HEAD = """\
# The stages

This page is printed from `src/crossfade/core/stages.py`, the table that routing, the simulator and the command line
obey (`python scripts/print_stages.py > docs/stages.md`); a test compares the two.

A migration goes up or down **one** stage at a time, and only when every client has entered, and drained, the stage
before. `crossfade advance --to live` walks the stages between; `crossfade rollback` walks down. `complete` is the point
of no return.

## `dual-write`: both tables are kept equal, and can be rolled back until `complete`
"""

FOOT = """
Moving the authority back (`lockstep_target` to `lockstep_source`) has the gates of moving it forward: the side that
takes over must be known to be equal. Going down into `off` ends the mirroring, so the backfill and the verify count no
more. The ramp (`crossfade advance --ramp N`) lets the target answer the reads of N % of the keys while the source is
still the authority; it needs both gates of `lockstep_target`.
"""

GATES = {
    Gate.BACKFILLED: "the backfill is complete",
    Gate.VERIFIED: "a full verify, begun after the last client that ended without a drain, found nothing",
    Gate.CONFIRMED: "you have said that there is no way back after this",
}
RAMPS = {Ramp.NONE: "", Ramp.EVENTUAL: "; the ramp: eventually consistent ones", Ramp.EVERY: "; the ramp: all"}


def reads(row: Row) -> str:
    compared = f", compared with the {row.other}" if row.compare else ""
    return f"{row.authority}{compared}{RAMPS[row.ramp]}"


def writes(row: Row) -> str:
    if row.writes is Writes.LOCKSTEP:
        return f"both in one transaction; the {row.authority} decides"
    mirrored = f", then mirrored to the {row.other}" if row.writes is Writes.MIRRORED else ""
    return f"{row.authority}{mirrored}"


def page() -> str:
    lines = [HEAD, "| stage | authority | reads | writes | to enter it on the way up |", "|---|---|---|---|---|"]
    for stage, row in DUAL_WRITE.items():
        gates = "; ".join(GATES[gate] for gate in row.gates)
        lines.append(f"| `{stage}` | {row.authority} | {reads(row)} | {writes(row)} | {gates} |")
    lines += ["", "The way, each arrow one move of the whole fleet:", "", "```", ladder(), "```", ""]
    lines += [f"- `{stage}`: {row.summary}." for stage, row in DUAL_WRITE.items()]
    return "\n".join([*lines, FOOT])


def ladder() -> str:
    return " <-> ".join(DUAL_WRITE)[: -len(f" <-> {Stage.COMPLETE}")] + f" -> {Stage.COMPLETE}"


if __name__ == "__main__":
    print(page(), end="")
