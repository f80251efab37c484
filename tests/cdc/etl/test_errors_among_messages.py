"""What Kafka's client hands over in the place of a message."""

from __future__ import annotations

import asyncio
from types import SimpleNamespace
from typing import Any
from unittest.mock import Mock, create_autospec

import pytest
from confluent_kafka import Consumer, KafkaError

from crossfade.cdc import kafka
from crossfade.cdc.etl.membership import Membership
from crossfade.cdc.kafka import KafkaFailed


def stood_at(offset: int, value: bytes, error: KafkaError | None = None) -> Any:
    """An error of a partition stands where its next message will, with a text as its value."""
    told: dict[str, Any] = {"topic": "shop", "partition": 0, "offset": offset, "value": value, "error": error}
    return SimpleNamespace(**{name: lambda held=held: held for name, held in told.items()})


def gathered(monkeypatch: pytest.MonkeyPatch, *polled: Any) -> list[Any]:
    coming = iter((*polled, None))
    consumer = create_autospec(Consumer, instance=True)
    consumer.poll.side_effect = coming
    monkeypatch.setattr(kafka, "consumer", Mock(return_value=consumer))

    async def drained(_places: object) -> None:
        """Nothing is under way."""

    async def gather() -> list[Any]:
        membership = Membership({}, "group", ["shop"], drained)
        try:
            return await membership.messages()
        finally:
            await membership.close()

    return asyncio.run(gather())


def test_an_error_that_passes_is_no_message(monkeypatch: pytest.MonkeyPatch) -> None:
    """Taken for one, its text would be a dead letter, and its offset that of the message behind it."""
    away = stood_at(7, b"Local: Broker transport failure", KafkaError(KafkaError._TRANSPORT))
    message = stood_at(7, b"a change")
    assert gathered(monkeypatch, away, message) == [message]


def test_an_error_that_stays_ends_the_worker(monkeypatch: pytest.MonkeyPatch) -> None:
    """Nobody may read that topic."""
    denied = stood_at(7, b"denied", KafkaError(KafkaError.TOPIC_AUTHORIZATION_FAILED))
    with pytest.raises(KafkaFailed, match="messages cannot be read"):
        _ = gathered(monkeypatch, denied)
