"""A sample of `make faults`, the same in every run; and the judge himself, who must be able to say no."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any, Final, get_args
from zlib import crc32

import pytest

from crossfade.core.stages import LADDERS, Stage
from crossfade.migration import Strategy
from tests.conftest import Database
from tests.contract.shapes import View
from tests.contract.steps import Answer
from tests.contract.worlds import STRATEGIES, Combination
from tests.faults.callers import CLIENTS
from tests.faults.drops import DROPS
from tests.faults.judge import ANSWER, UNKNOWN, Outcome, complaint, heard, leaked, miscounted
from tests.faults.operations import OPERATIONS, operations_with
from tests.faults.playing import show
from tests.faults.running import Bench, Finding, run
from tests.faults.ways import NAMED

SAMPLE: Final = 1  # operations for each stage and view
VIEWS: Final[tuple[View, ...]] = get_args(View)
WHERE: Final = [(strategy, stage, view) for strategy in STRATEGIES for stage in LADDERS[strategy] for view in VIEWS]


@pytest.fixture(scope="module")
def bench(dynamodb: Database) -> Iterator[Bench]:
    """A detour before the database."""
    made = Bench(dict(dynamodb.client_options()))
    yield made
    made.close()


@pytest.mark.parametrize(("strategy", "stage", "view"), WHERE)
def test_every_outcome_is_one_that_a_plain_table_could_have_had(
    bench: Bench, strategy: Strategy, stage: Stage, view: View
) -> None:
    """Each request of some operations fails in every way; other operations, and another client, in each stage."""
    number = WHERE.index((strategy, stage, view))
    chosen = [OPERATIONS[(number * SAMPLE + n) % len(OPERATIONS)] for n in range(SAMPLE)]
    client = CLIENTS[crc32(f"{strategy} {stage} {view}".encode()) % len(CLIENTS)]
    result = run(bench, Combination("reshape", view, stage, client, strategy), chosen, pairs=False)
    assert result.count
    assert not result.findings, "\n".join(map(show, result.findings))


# --- what was mended is found where it is taken out


@dataclass(frozen=True, slots=True)
class Mended:
    """A fault that was there, and the smallest combination that has it; `told`: what the judge says of it."""

    what: str
    drop: str
    operation: str
    where: Combination
    ways: tuple[str, ...]
    told: str
    pairs: bool = False

    def found(self, bench: Bench, drop: str) -> list[Finding]:
        """What the judge complains of with that mending taken out."""
        with DROPS[drop]():
            operations, ways = operations_with(self.operation)[:1], [NAMED[name] for name in self.ways]
            return run(bench, self.where, operations, ways, pairs=self.pairs).findings


MENDED: Final = (
    Mended(
        "a batch that is written in part is told as done",
        "put_right",
        "BatchWriteItem",
        Combination("reshape", "source", Stage.LOCKSTEP_SOURCE, "boto3"),
        ("reset before",),
        "told 'answer', and the tables hold",
    ),
    Mended(
        "an item that could not be looked for is told as absent",
        "put_right",
        "GetItem, there",
        Combination("reshape", "source", Stage.DRAIN, "boto3", "copy-on-write"),
        ("reset before",),
        "told 'answer' with .Item",
    ),
    Mended(
        "a write whose second sending has no answer is told as refused",
        "put_right",
        "UpdateItem, an ADD",
        Combination("reshape", "source", Stage.DUALWRITE, "boto3"),
        ("conflict",),
        "told 'conflict', and the tables hold",
        pairs=True,
    ),
    Mended(
        "a transaction whose token could not be looked for is told as cancelled",
        "put_right",
        "with a token, again",
        Combination("reshape", "source", Stage.DUALWRITE, "boto3"),
        ("reset before",),
        "reasons for 2 actions",
    ),
    Mended(
        "a refusal after an earlier attempt shows the stored form",
        "put_right",
        "PutItem, refused",
        Combination("suffix", "source", Stage.LIVE, "retries"),
        ("500 before",),
        "shows _crossfade",
    ),
    Mended(
        "a batch that is written in part is told as refused",
        "part_of_a_batch",
        "BatchWriteItem",
        Combination("reshape", "source", Stage.LOCKSTEP_SOURCE, "boto3"),
        ("denied",),
        "told 'AccessDeniedException', and the tables hold",
    ),
    Mended(
        "a refusal of a second sending is raised as an exception of ours",
        "cause",
        "PutItem, new",
        Combination("reshape", "source", Stage.LOCKSTEP_SOURCE, "boto3"),
        ("reset after",),
        "told 'ServiceRejected: AccessDeniedException",
        pairs=True,
    ),
    Mended(
        "a refusal after one that says to try again is told as unknown",
        "no_answer",
        "PutItem, refused",
        Combination("suffix", "source", Stage.LIVE, "retries"),
        ("throttle",),
        "told 'unknown'",
    ),
    Mended(
        "a look at what DynamoDB leaves unread goes on without an end",
        "limit_of_looks",
        "BatchGetItem",
        Combination("reshape", "source", Stage.PREPARE, "boto3", "copy-on-write"),
        ("throttle for good, unprocessed",),
        "without an end",
    ),
    Mended(
        "a refusal after an earlier attempt shows the stamp",
        "hide_stamps",
        "PutItem, refused",
        Combination("reshape", "target", Stage.COMPLETE, "retries"),
        ("reset before",),
        "shows _crossfade",
    ),
)


@pytest.mark.parametrize("mended", MENDED, ids=lambda mended: mended.what)
def test_a_mending_that_is_taken_out_is_found(bench: Bench, mended: Mended) -> None:
    """Each of these faults where it is put back, and nothing where it is not."""
    with_fault = mended.found(bench, mended.drop)
    assert any(mended.told in finding.why for finding in with_fault), "\n".join(map(show, with_fault))
    without = mended.found(bench, "")
    assert not without, "\n".join(map(show, without))


# --- the judge

BEFORE: Final = {"item 1": {"n": 1}, "item 2": None}
AFTER: Final = {"item 1": {"n": 2}, "item 2": {"n": 5}}
HALF: Final = {"item 1": {"n": 2}, "item 2": None}
POSSIBLE: Final = [
    Outcome(ANSWER, {"Attributes": {"n": 2}}, AFTER),
    Outcome("throttled", None, BEFORE),
    Outcome("ConditionalCheckFailedException", {"Item": {"n": 1}}, BEFORE),
]


@pytest.mark.parametrize(
    "outcome",
    [*POSSIBLE, Outcome(UNKNOWN, None, BEFORE), Outcome(UNKNOWN, None, AFTER)],
    ids=lambda outcome: outcome.told,
)
def test_what_a_plain_table_could_have_had_is_right(outcome: Outcome) -> None:
    """An outcome that it had; and not to know it, whether it was carried out or not."""
    assert complaint(outcome, POSSIBLE, BEFORE) is None


@pytest.mark.parametrize(
    ("outcome", "why"),
    [
        (Outcome(ANSWER, {"Attributes": {"n": 2}}, BEFORE), "told 'answer', and the tables hold"),
        (Outcome(ANSWER, {"Attributes": {"n": 2}}, HALF), "told 'answer', and the tables hold"),
        (Outcome(ANSWER, {"Attributes": {"n": 3}}, AFTER), "told 'answer' with"),
        (Outcome("throttled", None, AFTER), "told 'throttled', and the tables hold"),
        (Outcome("ConditionalCheckFailedException", {"Item": {"pk": 1}}, BEFORE), "with .Item.n"),
        (Outcome("AccessDeniedException", {}, BEFORE), "a plain table: ConditionalCheckFailedException"),
        (Outcome("StageUncertain: no lease", None, BEFORE), "told 'StageUncertain"),
        (Outcome(UNKNOWN, None, HALF), "unknown, and the tables hold what no fate leaves"),
        (Outcome(UNKNOWN, None, {**AFTER, "item 1": {"n": 3}}), "unknown, and the tables hold what no fate leaves"),
    ],
)
def test_what_it_could_not_have_had_is_not(outcome: Outcome, why: str) -> None:
    """Done and not written, refused and written, written twice, shown in another form, refused for something else."""
    assert why in (complaint(outcome, POSSIBLE, BEFORE) or "")


def test_what_was_refused_is_not_unknown() -> None:
    """Where every request had an answer, whether it was carried out is known."""
    assert complaint(Outcome(UNKNOWN, None, BEFORE), POSSIBLE, BEFORE, may_be_unknown=False) is not None


def test_a_batch_that_nobody_knows_of_may_be_written_in_part() -> None:
    """Each entry as before or as afterwards, and nothing else."""
    torn = Outcome(UNKNOWN, None, HALF)
    assert complaint(torn, POSSIBLE, BEFORE, by_entry=True) is None
    other = Outcome(UNKNOWN, None, {**HALF, "item 2": {"n": 6}})
    assert complaint(other, POSSIBLE, BEFORE, by_entry=True) is not None


def test_what_is_heard_is_what_a_caller_can_tell() -> None:
    """No answer and a server's error are one thing; so are the codes that ask for another try."""

    def clean(value: Any) -> Any:
        return value

    failed: Answer = {"Error": {"Code": "InternalServerError"}, "ResponseMetadata": {"HTTPStatusCode": 500}}
    assert heard({"raised": "InternalServerError", **failed}, clean) == (UNKNOWN, None)
    assert heard({"raised": "ReadTimeoutError", "text": "read timeout"}, clean) == (UNKNOWN, None)
    assert heard({"raised": "KeyError", "text": "'Item'"}, clean) == ("KeyError: 'Item'", None)
    busy: Answer = {"raised": "E", "Error": {"Code": "TransactionConflictException"}}
    reasons = [{"Code": "None"}, {"Code": "TransactionConflict"}]
    cancelled: Answer = {
        "raised": "E",
        "Error": {"Code": "TransactionCanceledException"},
        "CancellationReasons": reasons,
    }
    assert heard(busy, clean) == heard(cancelled, clean) == ("conflict", None)
    assert miscounted(cancelled, 2) is None
    assert miscounted(cancelled, 1) is not None


def test_what_is_ours_is_not_shown() -> None:
    """The other table's name and our attributes; a refused permission must name the table."""
    words = ["orders-v2", "_crossfade"]
    assert leaked({"Item": {"n": {"N": "1"}}}, words) is None
    assert leaked({"raised": "E", "Item": {"_crossfade": {"S": "x"}}}, words) is not None
    assert leaked({"raised": "E", "Error": {"Code": "X", "Message": "no table orders-v2"}}, words) is not None
    assert leaked({"Error": {"Message": "x is not authorized to perform: PutItem on orders-v2"}}, words) is None
