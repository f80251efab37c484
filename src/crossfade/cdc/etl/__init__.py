"""From topics (or the log itself) into the target.

    worker.py        a member of a consumer group that applies: any number of them
    membership.py    its partitions, messages and offsets; reading.py: which input the messages are of
    applier.py       changes in lanes (lanes.py), whoever read them; direct.py: without Kafka
    rebuilding.py    one rebuild of an item for many of its parts
    dead_letters.py  what could not be applied, kept with its reason; retrying.py: once more
    progress.py      how far the whole group is, by partitions; carrying.py: what the coordinator is told of it

What lives elsewhere: what a change means (`planning.py`) and how it is written (`applying.py`), and the capture into
topics (`publishing.py`).
"""

from __future__ import annotations

from crossfade.cdc.etl.applier import Counts, through
from crossfade.cdc.etl.carrying import Carrying
from crossfade.cdc.etl.direct import carry
from crossfade.cdc.etl.errors import RowsRemoved, TooManySetAside
from crossfade.cdc.etl.progress import Progress, progress_of
from crossfade.cdc.etl.retrying import Retried, Retry, retry_group
from crossfade.cdc.etl.worker import Settings, Worker

__all__ = [
    "Carrying",
    "Counts",
    "Progress",
    "Retried",
    "Retry",
    "RowsRemoved",
    "Settings",
    "TooManySetAside",
    "Worker",
    "carry",
    "progress_of",
    "retry_group",
    "through",
]
