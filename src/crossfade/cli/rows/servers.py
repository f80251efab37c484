"""A migration of rows with the servers that the environment names."""

from __future__ import annotations

from crossfade.cdc.connecting import kafka_of_environment, source_of_environment
from crossfade.cdc.running.pipeline import Pipeline
from crossfade.cdc.topics import Kafka
from crossfade.cli.connect import client_of
from crossfade.cli.opened import OpenedRows


def pipeline_of(opened: OpenedRows, *, calls_max: int) -> Pipeline:
    """Raises ConfigurationError where the environment does not name the brokers that are needed."""
    topics = opened.migration.topics
    brokers = None if topics is None else kafka_of_environment()
    source = source_of_environment() if not isinstance(topics, Kafka | None) else None
    return Pipeline(opened.migration, client_of(opened.where, calls_max), opened.caller, opened.run, brokers, source)
