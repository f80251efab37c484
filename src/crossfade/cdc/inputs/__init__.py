"""Messages of topics that others fill, as changes: a pure function for each of them, without Kafka.

    outcome.py          what a message is that is no change of a row, by name
    connect_values.py   values as Kafka Connect writes them into JSON, with its schemas or without
    debezium.py         Debezium's connectors for MySQL and MariaDB
    dms.py              AWS Database Migration Service; dms_values.py: its values, as a SELECT would give them
    own.py              what our own capture writes (`publishing.py`)

What lives elsewhere: who reads the topics, and what is done with what cannot be read.
"""

from __future__ import annotations

from crossfade.cdc.inputs.debezium import read_debezium
from crossfade.cdc.inputs.dms import read_dms
from crossfade.cdc.inputs.outcome import Kind, NoChange
from crossfade.cdc.inputs.own import read_own

__all__ = ["Kind", "NoChange", "read_debezium", "read_dms", "read_own"]
