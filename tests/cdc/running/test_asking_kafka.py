"""What is asked of Kafka when a process of the pipeline begins."""

from __future__ import annotations

from collections.abc import Callable
from types import SimpleNamespace
from typing import Any

import pytest
from confluent_kafka import KafkaError, KafkaException

from crossfade.cdc import Kafka, MySQL, RowMigration, kafka
from crossfade.cdc.connecting import KafkaSettings
from crossfade.cdc.running.pipeline import Pipeline
from crossfade.control.store import Caller
from crossfade.migration import Table


class Brokers:
    """They answer as told, one after the other."""

    def __init__(self, *errors: int) -> None:
        self._errors = list(errors)

    def list_topics(self, timeout: float) -> Any:
        assert timeout > 0
        if self._errors:
            raise KafkaException(KafkaError(self._errors.pop(0)))
        return SimpleNamespace(topics={"shop": None})


def answering(brokers: Brokers) -> Callable[[object], Brokers]:
    return lambda _: brokers


def pipeline() -> Pipeline:
    migration = RowMigration("shop", MySQL(server_id=7), Table("shop", key={"pk": "S"}), topics=Kafka("shop"))
    caller = Caller("ann", "laptop", lambda: "now")
    return Pipeline(migration, None, caller, lambda _: None, KafkaSettings({"bootstrap.servers": "nowhere:9092"}))


def test_a_process_that_begins_while_the_broker_is_away_waits_for_it(monkeypatch: pytest.MonkeyPatch) -> None:
    """As one that runs already does; so that both may be started anew in any order. A refusal is told at once."""
    monkeypatch.setattr(kafka, "AGAIN_SECONDS", 0.0)
    away = Brokers(KafkaError._TRANSPORT, KafkaError._ALL_BROKERS_DOWN)
    monkeypatch.setattr(kafka, "admin", answering(away))
    assert pipeline().missing_topics() == ["shop.dead"]
    refusing = Brokers(KafkaError.CLUSTER_AUTHORIZATION_FAILED)
    monkeypatch.setattr(kafka, "admin", answering(refusing))
    with pytest.raises(kafka.KafkaFailed, match="cannot be asked for its topics"):
        _ = pipeline().missing_topics()
