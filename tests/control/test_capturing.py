"""The record of a capture: one writes it, the next one goes on from it."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from typing import Any, cast

import pytest
from botocore import xform_name  # pyright: ignore[reportUnknownVariableType]
from botocore.exceptions import ClientError

from crossfade.control.capturing import Captures
from crossfade.control.record_items import from_item, record_name, to_item
from crossfade.control.records import CaptureRecord
from crossfade.control.store import Control
from crossfade.core.effects import Call, Routine, Sleep, Stamp
from crossfade.errors import Fenced, ServiceRejected, UnknownOutcome
from tests.conftest import Database

TABLE = "capturing"


class Runner:
    """Routines against the engine; the answers of the first `lost` writes are lost."""

    def __init__(self, client: Any) -> None:
        self.client = client
        self.lost = 0
        self._stamps = 0

    def __call__(self, routine: Routine[Any]) -> Any:
        answer: Any = None
        while True:
            try:
                effect = routine.throw(answer) if isinstance(answer, Exception) else routine.send(answer)
            except StopIteration as stop:
                return stop.value
            answer = self._performed(effect)

    def _performed(self, effect: Any) -> Any:
        if isinstance(effect, Stamp):
            self._stamps += 1
            return f"token {self._stamps}"
        if isinstance(effect, Sleep):
            return None
        assert isinstance(effect, Call)
        try:
            reply = getattr(self.client, xform_name(effect.operation))(**effect.request)
        except ClientError as error:
            said: Any = cast("Any", error).response["Error"]
            return ServiceRejected(said["Code"], said["Message"])
        if effect.operation == "PutItem" and self.lost:
            self.lost -= 1
            return UnknownOutcome("nobody heard it")
        return reply


@pytest.fixture
def runner(dynamodb: Database) -> Iterator[Runner]:
    client = dynamodb.client()
    names = ("migration", "record")
    client.create_table(
        TableName=TABLE,
        AttributeDefinitions=[{"AttributeName": name, "AttributeType": "S"} for name in names],
        KeySchema=[{"AttributeName": "migration", "KeyType": "HASH"}, {"AttributeName": "record", "KeyType": "RANGE"}],
        BillingMode="PAY_PER_REQUEST",
    )
    yield Runner(client)
    client.delete_table(TableName=TABLE)


def captures(name: str = "log") -> Captures:
    return Captures(Control("shop", TABLE), name, lambda: "now")


def test_the_next_one_goes_on(runner: Runner) -> None:
    """It finds the last position that was saved; the one before can save no more, and says so."""
    first = runner(captures().take())
    assert (first.position, first.snapshot) == ("", "")
    first = runner(captures().save(replace(first, position="p1", snapshot="s")))
    second = runner(captures().take())
    assert (second.position, second.snapshot) == ("p1", "s")
    with pytest.raises(Fenced, match="another process captures log"):
        runner(captures().save(replace(first, position="p2")))
    _ = runner(captures().save(replace(second, position="p3")))
    assert runner(captures().found()).position == "p3"


def test_answers_may_be_lost(runner: Runner) -> None:
    """Taking and saving are sent again, and are what they would have been with an answer."""
    runner.lost = 2
    taken = runner(captures().take())
    runner.lost = 2
    saved = runner(captures().save(replace(taken, position="p")))
    assert runner(captures().found()) == saved
    assert saved.position == "p"


def test_two_captures_have_two_records(runner: Runner) -> None:
    """One is not fenced by the other, though its name begins with the other's."""
    one, two = runner(captures("log").take()), runner(captures("log-2").take())
    for record in (one, two):
        _ = runner(captures(record.name).save(replace(record, position=record.name)))
    assert runner(captures("log").found()).position == "log"


def test_the_record_comes_back_as_it_is() -> None:
    """What the control table holds is what was written."""
    record = CaptureRecord("log", "token", 3, "p", "", "now")
    assert record_name(record) == "capture#log"
    assert from_item(CaptureRecord, to_item("shop", record)) == record
