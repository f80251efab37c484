"""What every driver does with every effect, and with work for later."""

from __future__ import annotations

import threading
from collections.abc import Callable

import pytest

from crossfade.core.effects import Call, Forward, Gather, Later, Note, Now, Place, Reply, Request, Routine, Sleep, Stamp
from crossfade.errors import ServiceRejected, StageUncertain, UnknownOutcome
from tests.drivers.conftest import WAIT_SECONDS_MAX, Harness, ticket

PUT = Call("target", "PutItem", {"TableName": "t"})
GET = Call("source", "GetItem", {"TableName": "s"})


def mirror(key: str, routine: Routine[None], delay_seconds: float = 0.0) -> Later:
    return Later("mirror", key, routine, delay_seconds)


def compare(key: str, routine: Routine[None]) -> Later:
    return Later("compare", key, routine)


def one_call(call: Call = PUT) -> Routine[None]:
    _ = yield from call


class World:
    """Counts calls, and holds each until the test lets it go."""

    def __init__(self) -> None:
        self.calls: list[str] = []
        self.reached = threading.Semaphore(0)
        self.let_go = threading.Semaphore(0)

    def __call__(self, _place: Place, _operation: str, request: Request) -> Reply:
        self.calls.append(request["TableName"])
        self.reached.release()
        assert self.let_go.acquire(timeout=WAIT_SECONDS_MAX)
        return {}

    def wait_for_a_call(self) -> None:
        assert self.reached.acquire(timeout=WAIT_SECONDS_MAX)


def named(name: str) -> Routine[None]:
    return one_call(Call("target", "PutItem", {"TableName": name}))


# --- effects


def test_each_effect_gives_its_value(driver: Harness) -> None:
    """A reply, the time, a fresh stamp, a sleep, a note: in that order, each sent back into the routine."""

    def routine() -> Routine[tuple[Reply, bool, bool]]:
        reply = yield from GET
        early = yield from Now()
        yield from Sleep(0.5)
        late = yield from Now()
        one, other = (yield from Stamp()), (yield from Stamp())
        yield from Note("seen", {"plain": 1})
        return reply, early <= late, one != other

    reply, in_order, fresh = driver.run(routine(), driver.scope())
    assert reply == {"place": "source", "operation": "GetItem", "TableName": "s"}
    assert in_order
    assert fresh
    assert driver.slept == [0.5]
    assert driver.notes == [("seen", {"plain": 1})]


@pytest.mark.parametrize("error", [ServiceRejected("ValidationException", "no"), UnknownOutcome("timeout")])
def test_errors_are_raised_in_the_routine(driver: Harness, error: Exception) -> None:
    """A routine may catch what a call raises and go on; what it does not catch comes out of the driver."""

    def fails(_place: Place, _operation: str, _request: Request) -> Reply:
        raise error

    driver.answer = fails

    def catches() -> Routine[object]:
        try:
            return (yield from GET)
        except (ServiceRejected, UnknownOutcome) as caught:
            return caught

    assert driver.run(catches(), driver.scope()) is error
    with pytest.raises(type(error)):
        driver.run(one_call(), driver.scope())


def test_gathered_replies_come_in_order(driver: Harness) -> None:
    """Whatever the order in which they are answered; none and one are fine too."""
    second = threading.Event()

    def answer(_place: Place, _operation: str, request: Request) -> Reply:
        if request["n"] == 0:
            assert second.wait(WAIT_SECONDS_MAX)  # so they are under way at once
        second.set()
        return {"n": request["n"]}

    driver.answer = answer

    def routine(count: int) -> Routine[list[int]]:
        replies = yield from Gather(tuple(Call("target", "Query", {"n": n}) for n in range(count)))
        return [reply["n"] for reply in replies]

    assert driver.run(routine(5), driver.scope()) == [0, 1, 2, 3, 4]
    assert driver.run(routine(1), driver.scope()) == [0]
    assert driver.run(routine(0), driver.scope()) == []


def test_the_first_error_of_a_gather_is_raised_when_all_have_ended(driver: Harness) -> None:
    """Of two that fail, the one that was asked for first, and no call is left behind the routine's back."""
    ended: list[int] = []

    def answer(_place: Place, _operation: str, request: Request) -> Reply:
        ended.append(request["n"])
        if request["n"] in (1, 3):
            raise ServiceRejected("ValidationException", str(request["n"]))
        return {}

    driver.answer = answer

    def routine() -> Routine[None]:
        _ = yield from Gather(tuple(Call("target", "Query", {"n": n}) for n in range(5)))

    with pytest.raises(ServiceRejected, match="1"):
        driver.run(routine(), driver.scope())
    assert sorted(ended) == [0, 1, 2, 3, 4]


def test_a_late_forward_sends_the_callers_own_request(driver: Harness) -> None:
    """A routine that forwards after another effect gets the answer to the request that its scope carries."""

    def routine() -> Routine[Reply]:
        yield from Sleep(0.1)
        return (yield from Forward())

    own = Call("source", "PutItem", {"TableName": "own"})
    assert driver.run(routine(), driver.scope(ticket(), own))["TableName"] == "own"


def test_nothing_is_sent_when_the_lease_has_ended(driver: Harness) -> None:
    """Asked before every call of a strict operation, so one that began in time is stopped in its middle."""
    sent: list[str] = []

    def answer(_place: Place, operation: str, _request: Request) -> Reply:
        sent.append(operation)
        driver.agent.ended = True
        return {}

    driver.answer = answer

    def routine() -> Routine[None]:
        _ = yield from GET
        _ = yield from PUT

    with pytest.raises(StageUncertain):
        driver.run(routine(), driver.scope(ticket()))
    assert sent == ["GetItem"]
    driver.run(routine(), driver.scope(ticket(strict=False)))
    assert sent == ["GetItem", "GetItem", "PutItem"]


@pytest.mark.parametrize(("call", "may_land"), [(PUT, True), (GET, False)])
def test_a_write_that_was_given_up_on_is_remembered(driver: Harness, call: Call, *, may_land: bool) -> None:
    """Its scope says that it may still land; a read never does."""

    def fails(_place: Place, _operation: str, _request: Request) -> Reply:
        raise UnknownOutcome("timeout")

    driver.answer = fails
    scope = driver.scope(ticket())
    with pytest.raises(UnknownOutcome):
        driver.run(one_call(call), scope)
    assert scope.may_land is may_land
    assert scope.sent is may_land


# --- later


def test_a_mirror_holds_its_ticket_until_it_has_ended(driver: Harness) -> None:
    """The caller goes on at once; the ticket is released when the mirror is done, and `drain` waits for that."""
    world = driver.answer = World()
    driver.put(mirror("k", named("a")), ticket())
    world.wait_for_a_call()
    assert driver.agent.held == [ticket()]
    assert not driver.drain(0.01)
    world.let_go.release()
    assert driver.drain(WAIT_SECONDS_MAX)
    assert driver.agent.held == []
    assert driver.agent.lost_keys == []


def test_mirrors_of_one_key_are_coalesced(driver: Harness) -> None:
    """While one runs, ten more come: the last of them runs once, afterwards; another key runs meanwhile."""
    world = driver.answer = World()
    driver.put(mirror("k", named("running")), ticket())
    world.wait_for_a_call()
    for n in range(10):
        driver.put(mirror("k", named(f"waiting {n}")), ticket())
    assert len(driver.agent.held) == 2
    driver.put(mirror("other", named("other")), ticket())
    world.wait_for_a_call()
    assert world.calls == ["running", "other"]
    world.let_go.release(3)
    assert driver.drain(WAIT_SECONDS_MAX)
    assert world.calls == ["running", "other", "waiting 9"]
    assert driver.agent.held == []


def test_a_delayed_mirror_holds_its_ticket_and_runs(driver: Harness) -> None:
    """It is not run at once, but it is; and those that wait for other moments do not hold it up."""
    order: list[str] = []

    def answer(_place: Place, _operation: str, request: Request) -> Reply:
        order.append(request["TableName"])
        return {}

    driver.answer = answer
    driver.put(mirror("k", named("late"), delay_seconds=0.2), ticket())
    driver.put(mirror("k", named("now")), ticket())
    assert driver.agent.held
    assert driver.drain(WAIT_SECONDS_MAX)
    assert order == ["now", "late"]


@pytest.mark.parametrize("kind", [mirror, compare])
def test_background_work_that_fails_harms_nobody(driver: Harness, kind: Callable[[str, Routine[None]], Later]) -> None:
    """A mirror's error, even a defect's, is a loss that is reported; a comparison's is counted. The next one runs."""
    seen: list[str] = []

    def answer(_place: Place, _operation: str, request: Request) -> Reply:
        seen.append(request["TableName"])
        if request["TableName"] == "defect":
            raise RuntimeError("a defect")
        if request["TableName"] == "refused":
            raise ServiceRejected("ValidationException", "never")
        return {}

    driver.answer = answer
    for name in ("defect", "refused"):
        driver.put(kind(name, named(name)), ticket())
    driver.put(mirror("fine", named("fine")), ticket())
    assert driver.drain(WAIT_SECONDS_MAX)
    if kind is mirror:
        assert sorted(driver.agent.lost_keys) == ["defect", "refused"]
        assert driver.count("mirror_lost") == 2
    assert driver.agent.held == []
    assert "fine" in seen


def test_a_mirror_whose_lease_has_ended_is_not_sent_but_lost(driver: Harness) -> None:
    """It could write what the fleet has moved past, so it is given up and reported."""
    driver.agent.ended = True
    sent: list[str] = []

    def answer(_place: Place, operation: str, _request: Request) -> Reply:
        sent.append(operation)
        return {}

    driver.answer = answer
    driver.put(mirror("k", one_call()), ticket())
    assert driver.drain(WAIT_SECONDS_MAX)
    assert sent == []
    assert driver.agent.lost_keys == ["k"]


def test_what_is_left_at_the_end_is_lost_and_said_so(driver: Harness) -> None:
    """`close` drops what waits, running work ends by itself, and every ticket is released after its loss was told."""
    world = driver.answer = World()
    for n in range(6):  # more than there are workers
        driver.put(mirror(f"k{n}", named(f"{n}")), ticket())
    driver.put(mirror("late", named("late"), delay_seconds=3600), ticket())
    for _ in range(4):
        world.wait_for_a_call()
    assert driver.close() >= 3
    assert {"k4", "k5", "late"} <= set(driver.agent.lost_keys)
    world.let_go.release(6)
