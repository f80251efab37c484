"""From a relational database to DynamoDB: its row log as changes, rows as items, and the versions that order them.

    migration.py the migration file's value; topics.py: who fills its topics; connecting.py: where the servers are
    changes.py   what is known of one change of one row, and its version
    hiding.py    a client that sees the target without tombstones and versions
    publishing.py  the log into topics of our own (kafka.py: the client; checkpoints.py: where to go on)
    etl/         topics, or the log itself, into the target
    mysql/       MySQL and MariaDB: their row log, their rows in chunks, what has to be set for both

What lives elsewhere: the stages and their ladders (`core/stages.py`), leases, gates and checkpoints (`control/`), and
DynamoDB's own change streams (`streams/`), whose changes have no order and need none.
"""

from __future__ import annotations

from crossfade.cdc.hiding import hide_versions
from crossfade.cdc.migration import MySQL, RowMigration
from crossfade.cdc.mysql.values import date_or
from crossfade.cdc.rows import Child, key
from crossfade.cdc.topics import DMS, Debezium, Kafka

__all__ = ["DMS", "Child", "Debezium", "Kafka", "MySQL", "RowMigration", "date_or", "hide_versions", "key"]
