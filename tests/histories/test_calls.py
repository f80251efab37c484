"""What a call on several items tells about each of them; and one short run of everything together."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from random import Random
from typing import Any

import pytest
from botocore.exceptions import ClientError, ReadTimeoutError

from crossfade.demo.journal import Journal
from crossfade.errors import NotPossibleInStage
from crossfade.migration import Strategy
from crossfade.sim.calls import GET
from crossfade.sim.model import Action, Answer
from tests.conftest import Database
from tests.histories import scenes
from tests.histories.calls import Calls
from tests.histories.records import Record, Recorder, load
from tests.histories.run import perform
from tests.histories.traffic import CALLS

FIRST, SECOND, THIRD = ("p0", "1"), ("p0", "2"), ("p0", "3")
APPEND, CREATE = Action("append", "t1"), Action("create", "t2", 3, shows_on_failure=True)
STORED: dict[str, Any] = {"pk": {"S": "p0"}, "sk": {"S": "2"}, "n": {"N": "3"}}
NO_TABLE = ClientError({"Error": {"Code": "ResourceNotFoundException", "Message": "no such table"}}, "GetItem")


class Client:
    """Answers every call with the same, and keeps what it was asked."""

    def __init__(self, *answers: dict[str, Any] | Exception) -> None:
        self.answers = list(answers)
        self.asked: list[dict[str, Any]] = []

    def __getattr__(self, name: str) -> Any:
        def method(**request: Any) -> dict[str, Any]:
            self.asked.append({**request})
            answer = self.answers.pop(0)
            if isinstance(answer, Exception):
                raise answer
            return answer

        return method


def recorded(folder: Path, client: Client, do: Callable[[Calls], object]) -> Record:
    path = folder / "app1.jsonl"
    with Journal(path) as journal:
        _ = do(Calls(client, "orders", Recorder(journal, "app1.0")))
    return load([path], {FIRST: None, SECOND: None, THIRD: None})


def told(record: Record) -> list[Answer | None]:
    """What was told of each item that is a part of the history."""
    return [operation.answer for operation in record.history.operations if not operation.void]


def cancelled(*reasons: dict[str, Any]) -> ClientError:
    response: Any = {"Error": {"Code": "TransactionCanceledException"}, "CancellationReasons": list(reasons)}
    return ClientError(response, "TransactWriteItems")


def test_a_transaction_is_a_write_of_each_item(tmp_path: Path) -> None:
    """All of them took effect; the request has a part for each."""
    client = Client({})
    record = recorded(tmp_path, client, lambda calls: calls.transact_write([(FIRST, APPEND), (SECOND, CREATE)]))
    assert told(record) == [("ok", None), ("ok", None)]
    assert [list(part) for part in client.asked[0]["TransactItems"]] == [["Update"], ["Put"]]


def test_a_cancelled_transaction_tells_of_the_items_that_cancelled_it(tmp_path: Path) -> None:
    """A failed condition is an answer; of the others nothing is known but that nothing happened."""
    error = cancelled({"Code": "None"}, {"Code": "ConditionalCheckFailed", "Item": STORED})
    record = recorded(tmp_path, Client(error), lambda calls: calls.transact_write([(FIRST, APPEND), (SECOND, CREATE)]))
    assert told(record) == [("refused", (3, (), None))]
    other = tmp_path / "other"
    other.mkdir()
    record = recorded(
        other,
        Client(cancelled({"Code": "TransactionConflict"}, {"Code": "None"})),
        lambda calls: calls.transact_write([(FIRST, APPEND), (SECOND, CREATE)]),
    )
    assert told(record) == []


def test_a_timeout_leaves_a_write_open_and_a_read_out(tmp_path: Path) -> None:
    """Nobody knows whether the write was carried out; a read that told nothing is no part of a history."""

    def both(calls: Calls) -> None:
        _ = calls.single(FIRST, APPEND)
        _ = calls.single(FIRST, GET)

    lost = ReadTimeoutError(endpoint_url="http://127.0.0.1")
    record = recorded(tmp_path, Client(lost, lost), both)
    write, read = record.history.operations
    assert [len(write.events()), len(read.events())] == [1, 0]
    assert record.counts["UpdateItem unknown"] == 1


def test_a_batch_leaves_unprocessed_items_out(tmp_path: Path) -> None:
    """An item that is not in the answer is absent, unless it was not looked at."""
    left = {"orders": {"Keys": [{"pk": {"S": "p0"}, "sk": {"S": "3"}}]}}
    client = Client({"Responses": {"orders": [STORED]}, "UnprocessedKeys": left})
    record = recorded(tmp_path, client, lambda calls: calls.batch_get([FIRST, SECOND, THIRD]))
    assert told(record) == [("ok", None), ("ok", (3, (), None))]


def test_a_page_is_a_read_of_the_keys_that_it_covers(tmp_path: Path) -> None:
    """Keys beyond its end belong to the next page; an item shown twice is an answer that no table gives."""
    end = {"pk": {"S": "p0"}, "sk": {"S": "2"}}
    pages: list[dict[str, Any] | Exception] = [{"Items": [STORED], "LastEvaluatedKey": end}, {"Items": []}]
    forward = next(seed for seed in range(99) if Random(seed).random() < 0.5)
    keys = [FIRST, SECOND, THIRD]
    record = recorded(tmp_path, Client(*pages), lambda calls: calls.query(keys, Random(forward)))
    assert told(record) == [("ok", None), ("ok", (3, (), None)), ("ok", None)]
    twice, other = Client({"Items": [STORED, STORED]}), tmp_path / "other"
    other.mkdir()
    record = recorded(other, twice, lambda calls: calls.scan(keys))
    assert [answer and answer[0] for answer in told(record)] == ["ok", "odd", "ok"]


@pytest.mark.parametrize("error", [NotPossibleInStage("not in this stage"), KeyError("S"), NO_TABLE])
def test_what_no_table_says_is_an_odd_answer(tmp_path: Path, error: Exception) -> None:
    """A refusal by a stage that should have carried it out, or an exception that is none of DynamoDB's."""
    record = recorded(tmp_path, Client(error), lambda calls: calls.single(FIRST, GET))
    assert [answer and answer[0] for answer in told(record)] == ["odd"]


@pytest.mark.parametrize(("strategy", "moves"), [("dual-write", 5), ("copy-on-write", 2)])
def test_a_short_run_holds(dynamodb: Database, tmp_path: Path, strategy: Strategy, moves: int) -> None:
    """Real processes, up across the change of authority once, one of them killed or stopped now and then."""
    outcome = perform(
        dynamodb.server,
        scenes.draw(7, strategy, ""),
        tmp_path,
        seconds=0.0,
        kinds=tuple(CALLS),
        say=lambda _: None,
    )
    assert (outcome.verdict.faults, outcome.damage) == ([], "")
    assert outcome.counts["GetItem ok"] > 0
    assert outcome.counts["UpdateItem ok"] > 0
    assert outcome.moves >= moves
