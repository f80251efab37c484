"""What somebody may watch: events, counted by name and handed to observers, which never harm what they watch.

    watch.py          counts each event, warns of some in the log, hands all to the observers
    events.py         what each event tells: one frozen class a kind
    metrics.py        the table of metrics: names, units, labels; docs/metrics.md is printed from it
    measuring.py      which metrics an event changes
    fleet.py          what the control table tells of a whole migration; exporting.py serves it
    logs.py, prometheus.py, otel.py, cloudwatch.py   the adapters, one observer each

What is not here: who makes events (the routines by `Note`, the router in `aws/observed.py`), and what `status` shows,
which is in the control table.
"""

from __future__ import annotations

from crossfade.observe.watch import ALERTS, LINE_SECONDS, LOG, EventObserver, Observer, Watch, shown_key

__all__ = ["ALERTS", "LINE_SECONDS", "LOG", "EventObserver", "Observer", "Watch", "shown_key"]
