"""A verify whose lease has ended claims again, unless another has taken it; either way every page counts once."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Generator
from contextlib import contextmanager
from typing import Final

import pytest

from crossfade.control.agent import Agent
from crossfade.control.jobs import claim_job
from crossfade.control.records import Job, Role
from crossfade.core.effects import Request
from crossfade.errors import Fenced, NotPossibleInStage
from crossfade.jobs.session import JobClient
from crossfade.verify import run as verify_run
from crossfade.verify.result import VerifyOptions, VerifyResult
from tests.backfill.setting import LANDING_SECONDS, LEASE_SECONDS, Setting, once
from tests.conftest import Database
from tests.fencing import Fencing
from tests.verify.test_verify import damage, equal_tables, is_verified

ITEMS: Final = 60
OPTIONS: Final = VerifyOptions(segments=1, workers=1, page_items=10)
COUNTED: Final = ("clean", ITEMS, ITEMS, ITEMS)


@pytest.fixture(autouse=True)
def each_page_is_checkpointed(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(verify_run, "SAVED_ITEMS", 10)


def counted(result: VerifyResult) -> tuple[object, ...]:
    return result.status, result.source_items, result.target_items, result.matching


def nth(number: int, action: Callable[[], None]) -> Callable[[Request], None]:
    """A hook that acts on the request of this number, from 1."""
    seen: list[Request] = []

    def hook(request: Request) -> None:
        seen.append(request)
        if len(seen) == number:
            action()

    return hook


def count_out(setting: Setting, but: str = "") -> None:
    """Take away all leases but one, as one does who has waited for long enough."""
    for lease in setting.run(setting.control.leases()):
        if lease.client != but:
            key = setting.control.key(f"client#{lease.client}")
            setting.client.delete_item(TableName=setting.migration.control_table, Key=key)


class Losing(Fencing):
    """A verify that may be counted out."""

    def __init__(self, setting: Setting) -> None:
        super().__init__()
        self.setting = setting

    def lose(self) -> None:
        count_out(self.setting)
        self.wait()

    def verify(self, options: VerifyOptions = OPTIONS) -> VerifyResult:
        return self.setting.verify(options, on_note=self.note)


@pytest.mark.parametrize("call", [1, 4, 7, 12])
def test_the_verify_goes_on_under_its_next_lease(dynamodb: Database, call: int) -> None:
    """Counted out at any page, and nobody else there: it claims again, goes on behind its last checkpoint, and its
    finding opens the gate, since what only reads leaves nothing undone."""
    setting = equal_tables(dynamodb, ITEMS)
    job = Losing(setting)
    setting.jobs_client.before["batch_get_item"] = nth(call, job.lose)
    assert counted(job.verify()) == COUNTED
    assert [facts["resumed"] for facts in job.claims] == [False, True]
    assert setting.run(setting.control.state()).unclean == 0
    assert is_verified(setting)


@pytest.mark.parametrize("call", [5, 9, 15])
def test_what_was_found_before_is_found_again_and_counted_once(dynamodb: Database, call: int) -> None:
    """Suspects, and differences, of a segment that was under way come with its second reading, samples included."""
    setting = equal_tables(dynamodb, ITEMS)
    damage(setting)
    whole = setting.verify(OPTIONS)
    job = Losing(setting)
    setting.jobs_client.before["batch_get_item"] = nth(call, job.lose)
    again = job.verify()
    assert len(job.claims) == 2
    assert counted(again) == counted(whole)
    assert (again.missing, again.extra, again.mismatched) == (1, 1, 1)
    assert sorted(each.text() for each in again.samples) == sorted(each.text() for each in whole.samples)


def test_a_verify_that_repairs_begins_anew_since_its_write_may_still_land(dynamodb: Database) -> None:
    """Its client leaves a mark, so its finding would open no gate; what it had repaired is equal by then."""
    setting = equal_tables(dynamodb, ITEMS)
    damage(setting)
    job = Losing(setting)
    setting.jobs_client.before["put_item"] = once(job.lose)
    result = job.verify(VerifyOptions(segments=1, workers=1, page_items=10, repair=True))
    assert result.status in ("clean", "repaired")
    assert (result.source_items, result.target_items) == (ITEMS - 1, ITEMS)  # the target before the last repair
    assert [facts["resumed"] for facts in job.claims] == [False, False]
    assert setting.run(setting.control.state()).unclean
    setting.assert_equal()


def test_who_comes_after_the_second_claim_is_refused(dynamodb: Database) -> None:
    """The first one is back as another client, whose lease stands."""
    setting = equal_tables(dynamodb, ITEMS)
    job = Losing(setting)
    refused: list[NotPossibleInStage] = []

    def another() -> None:
        with pytest.raises(NotPossibleInStage, match="is being run by") as caught:
            _ = setting.verify(OPTIONS)
        refused.append(caught.value)

    calls = {2: job.lose, 5: another}
    seen: list[Request] = []

    def hook(request: Request) -> None:
        seen.append(request)
        calls.get(len(seen), lambda: None)()

    setting.jobs_client.before["batch_get_item"] = hook
    assert counted(job.verify()) == COUNTED
    assert refused
    assert is_verified(setting)


def test_one_that_another_has_ended_meanwhile_is_told_so(dynamodb: Database) -> None:
    """Nothing is compared twice: the other went on where this one was, and this one does not begin anew."""
    setting = equal_tables(dynamodb, ITEMS)
    job = Losing(setting)
    others: list[VerifyResult] = []

    def taken() -> None:
        count_out(setting)
        others.append(setting.verify(OPTIONS))
        job.wait()

    setting.jobs_client.before["batch_get_item"] = nth(4, taken)
    with pytest.raises(Fenced, match="was taken over by"):
        _ = job.verify()
    assert [counted(each) for each in others] == [COUNTED]
    assert len(job.claims) == 1
    assert is_verified(setting)


@contextmanager
def another_client(setting: Setting) -> Generator[Agent]:
    """A client of the same migration, alive until it is left."""
    agent = Agent(
        setting.migration.name,
        "verify-another",
        lease_seconds=LEASE_SECONDS,
        landing_seconds=LANDING_SECONDS,
        role=Role.VERIFY,
        host="elsewhere",
        pid=7,
        fingerprint=setting.migration.fingerprint,
        clock=time.monotonic,
        new_id=lambda: "verify-another-2",
        control_table=setting.migration.control_table,
        mapping=setting.migration.mapping_digest,
        reads_only=True,
    )
    setting.run(agent.join())
    over = threading.Event()

    def poll() -> None:
        while not over.wait(0.1):
            setting.run(agent.poll())

    thread = threading.Thread(target=poll, daemon=True)
    thread.start()
    try:
        yield agent
    finally:
        over.set()
        thread.join()
        setting.run(agent.leave())


def test_one_that_another_goes_on_with_is_refused_until_that_one_has_left(dynamodb: Database) -> None:
    """The other is alive, so it is left alone; the same command goes on where that one was."""
    setting = equal_tables(dynamodb, ITEMS)
    job = Losing(setting)
    with another_client(setting) as agent:

        def taken() -> None:
            count_out(setting, but=agent.client_id)
            claim = setting.run(claim_job(agent, setting.caller, Job.VERIFY, 2))
            assert claim.resumed
            job.wait()

        setting.jobs_client.before["batch_get_item"] = nth(4, taken)
        with pytest.raises(NotPossibleInStage, match="is being run by ann on elsewhere"):
            _ = job.verify()
    assert counted(setting.verify(OPTIONS)) == COUNTED
    assert is_verified(setting)


def test_one_that_has_not_noticed_can_save_nothing(dynamodb: Database, monkeypatch: pytest.MonkeyPatch) -> None:
    """It stood still, polling and all, while another took over and ended it: its next checkpoint is refused."""
    setting = equal_tables(dynamodb, ITEMS)
    look, asleep = JobClient.look, threading.Event()
    clients: list[JobClient] = []
    others: list[VerifyResult] = []

    async def dozing(client: JobClient) -> None:
        if client not in clients:
            clients.append(client)
        if not (asleep.is_set() and client is clients[0]):
            await look(client)

    def taken() -> None:
        while not clients:
            _ = threading.Event().wait(0.01)
        asleep.set()
        count_out(setting)
        others.append(setting.verify(OPTIONS))

    monkeypatch.setattr(JobClient, "look", dozing)
    setting.jobs_client.before["batch_get_item"] = nth(4, taken)
    with pytest.raises(Fenced, match="was taken over by"):
        _ = setting.verify(OPTIONS)
    assert [counted(each) for each in others] == [COUNTED]
    assert is_verified(setting)
