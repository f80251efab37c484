"""`crossfade check` of rows."""

from __future__ import annotations

from crossfade.cdc.checking.run import run_row_check
from crossfade.cdc.connecting import kafka_of_environment, source_of_environment
from crossfade.check.report import CheckReport
from crossfade.cli.opened import OpenedRows


def check_rows(opened: OpenedRows, sample: int) -> CheckReport:
    """Raises ConfigurationError, SourceError."""
    migration = opened.migration
    brokers = None if migration.topics is None else kafka_of_environment()
    source = source_of_environment()
    return run_row_check(migration, source, opened.description, brokers, sample_rows=sample)
