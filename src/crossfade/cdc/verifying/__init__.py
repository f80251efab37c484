"""Verify of rows against items: whether the target holds what the source's rows make, all of it and nothing else.

    making.py     which items and parts a row makes, and which row an item leads back to
    reading.py    rows of the source by their keys, with those that are folded into their items
    comparing.py  both sides of some keys at one moment
    looking.py    what seemed different, looked at again until the log tells whether it is
    settling.py   whether the log is applied up to where it ended when that was asked
    pages.py      a page of one direction: rows, items or parts
    repairing.py  one difference mended, under a version that the log can go on from
    result.py     what came of it
    of_pipeline.py  all of it for a migration file with its servers
    run.py        the runner: `run_row_verify` (segments.py: one segment of it; strays.py: who makes what nobody claims)

What lives elsewhere: what a change means and how it is written (`planning.py`, `applying.py`), and the verify of two
tables of DynamoDB (`crossfade.verify`).
"""

from __future__ import annotations

from crossfade.cdc.verifying.repairing import Marking
from crossfade.cdc.verifying.result import RowVerifyOptions, RowVerifyResult
from crossfade.cdc.verifying.run import RowSides, run_row_verify
from crossfade.cdc.verifying.settling import LogApplied, Pause, Settling, applied_by_capture, applied_by_group

__all__ = [
    "LogApplied",
    "Marking",
    "Pause",
    "RowSides",
    "RowVerifyOptions",
    "RowVerifyResult",
    "Settling",
    "applied_by_capture",
    "applied_by_group",
    "run_row_verify",
]
