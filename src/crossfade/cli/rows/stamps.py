"""`crossfade cleanup --step stamps` of rows: the versions taken off the items of the target."""

from __future__ import annotations

from crossfade.cdc.stamps import StampOptions, run_row_stamps
from crossfade.cleanup.stamps import Removed
from crossfade.cli.jobs import stoppable
from crossfade.cli.opened import OpenedRows
from crossfade.cli.screen import counted


def remove_row_stamps(opened: OpenedRows, *, rate: float | None) -> Removed:
    """Raises what `run_row_stamps` does."""
    options = StampOptions(rate)
    with stoppable(opened) as (stop, shown):
        return run_row_stamps(
            opened.migration,
            opened.clients,
            options,
            on_progress=shown.progress,
            on_note=shown.note,
            stop_event=stop,
            caller=opened.caller,
        )


def amounts(removed: Removed) -> str:
    said = f"{counted(removed.removed, 'stamp')} removed from {counted(removed.items, 'item')}"
    said += f", {removed.rewritten:,} written meanwhile" if removed.rewritten else ""
    return said + (f", {counted(removed.kept, 'tombstone')} left" if removed.kept else "")


def next_step(removed: Removed) -> str:
    """What comes before this step is done; "" where it is."""
    if not removed.complete:
        return "crossfade cleanup --step stamps --execute (it goes on from here)"
    return "crossfade cleanup --step tombstones --execute, then this step again" if removed.kept else ""
