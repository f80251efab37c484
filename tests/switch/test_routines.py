"""The routines, with effects that are answered by hand: no store, no clock, no threads."""

from __future__ import annotations

import itertools
from collections.abc import Callable
from typing import Any

import pytest

from crossfade.control.open_tickets import Ticket
from crossfade.control.starting import ensure_table
from crossfade.core.effects import Call, Effect, Later, Note, Now, Routine, Sleep
from crossfade.core.stages import FREEZE, Side, Stage
from crossfade.switch.comparing import RECHECK_SECONDS, Answer, compare
from crossfade.switch.declaring import Operation, Read, Write
from crossfade.switch.intents import Intents
from crossfade.switch.invoking import Invoke, Raised
from crossfade.switch.mirror import ROUNDS_MAX, Mirror, NotSettled, SaveFailed
from crossfade.switch.refusals import Refusals
from crossfade.switch.switchboard import Call as SwitchCall
from crossfade.switch.switchboard import SwitchAgent, Switchboard, SwitchScope
from tests.control.world import FINGERPRINT, LANDING_SECONDS, TABLE, World, make_world

Told = tuple[str, ...]


class Hand:
    """Two stores of one key each, and everything that was asked for, in its order."""

    def __init__(self, source: Any = None, target: Any = None) -> None:
        self.held: dict[Side, Any] = {"source": source, "target": target}
        self.asked: list[Told] = []
        self.notes: list[Note] = []
        self.left: list[Later] = []
        self.now = 100.0
        self.before: Callable[[Invoke], None] = lambda _: None
        self.after: Callable[[Invoke], None] = lambda _: None

    def run(self, routine: Routine[Any]) -> Any:
        value: Any = None
        error: Exception | None = None
        while True:
            try:
                effect = routine.throw(error) if error is not None else routine.send(value)
            except StopIteration as stop:
                return stop.value
            value, error = None, None
            try:
                value = self.perform(effect)
            except Exception as raised:  # noqa: BLE001 - the routine's
                error = raised

    def perform(self, effect: Effect[Any]) -> Any:
        match effect:
            case Invoke():
                self.asked.append((effect.side, effect.method))
                self.before(effect)
                answer = self.invoked(effect)
                self.after(effect)
                return answer
            case Call():
                self.asked.append(("control", effect.operation))
                return {}
            case Now():
                return self.now
            case Sleep():
                self.now += effect.seconds
                return None
            case Note():
                self.notes.append(effect)
                return None
            case Later():
                self.left.append(effect)
                return None
            case _:
                raise AssertionError(effect)

    def invoked(self, effect: Invoke) -> Any:
        match effect.method:
            case "store":
                key, image, *held = effect.arguments
                assert key == 17
                if held and held[0] != self.held[effect.side]:
                    return False
                self.held[effect.side] = image
                return True
            case "add":
                self.held[effect.side] = (self.held[effect.side] or 0) + 1
                return self.held[effect.side]
            case _:
                return self.held[effect.side]


def never() -> bool:
    return False


def same(key: int) -> int:
    return key


# --- the mirror


@pytest.mark.parametrize("image", [5, None])
def test_a_sync_loads_saves_and_loads_again(image: int | None) -> None:
    """What the authority holds, deletes included, and whether it still does."""
    hand = Hand(source=image, target=3)
    hand.run(Mirror().sync("source", 17, never))
    assert hand.held["target"] == image
    assert hand.asked == [("source", "image"), ("target", "store"), ("source", "image")]


def test_a_sync_goes_on_until_nothing_has_changed() -> None:
    """Somebody writes the authority after each of the first two saves: the last image is what the other side has."""
    hand = Hand(source=1)

    def written(effect: Invoke) -> None:
        if effect.method == "store" and hand.held["source"] < 3:
            hand.held["source"] += 1

    hand.after = written
    hand.run(Mirror().sync("source", 17, never))
    assert hand.held == {"source": 3, "target": 3}


def test_a_sync_that_is_followed_leaves_the_rest_to_the_next() -> None:
    """On a hot key each mirror saves once."""
    hand = Hand(source=1)
    hand.run(Mirror().sync("source", 17, lambda: True))
    assert hand.asked == [("source", "image"), ("target", "store")]


def test_images_that_are_never_equal_are_given_up_with_the_way_out() -> None:
    """A limit on everything; the error says what is probably wrong."""
    hand = Hand()

    def never_the_same(_effect: Invoke) -> None:
        hand.held["source"] = object()

    hand.after = never_the_same
    with pytest.raises(NotSettled, match="need __eq__"):
        hand.run(Mirror().sync("source", 17, never))
    assert hand.asked.count(("target", "store")) == ROUNDS_MAX


def test_a_save_without_an_answer_says_when_it_was_sent() -> None:
    """It may still land, so the key is not settled for so long; a load that failed cannot."""
    hand = Hand(source=1)

    def down(effect: Invoke) -> None:
        if effect.method == "store":
            raise Raised(TimeoutError("no answer"))

    hand.before = down
    with pytest.raises(SaveFailed) as failed:
        hand.run(Mirror().sync("source", 17, never))
    assert failed.value.sent == 100.0


def test_a_conditional_save_never_covers_what_has_come_since() -> None:
    """Between the look at the target and the save somebody else saves: it is looked at anew."""
    hand = Hand(source=5, target=3)
    saves = itertools.count()

    def overtaken(effect: Invoke) -> None:
        if effect.method == "store" and next(saves) == 0:
            hand.held["target"] = 4

    hand.before = overtaken
    hand.run(Mirror(conditional=True).sync("source", 17, never))
    assert hand.held["target"] == 5
    assert hand.asked.count(("target", "store")) == 2


# --- comparisons


def compared(hand: Hand, read: Read, served: Any) -> Note:
    hand.run(compare(read, Invoke("source", "find", (17,)), "17", "source", Answer(served)))
    return hand.notes[-1]


def test_hazard_21_a_difference_that_is_a_write_in_flight_is_no_difference() -> None:
    """The mirror comes between two looks: it matches then."""
    hand = Hand(source=2, target=1)

    def mirrored(_effect: Invoke) -> None:
        if hand.now > 100.0:
            hand.held["target"] = 2

    hand.before = mirrored
    assert compared(hand, Read(), 2).facts == {"outcome": "matching"}


def test_a_difference_that_stays_is_told_with_both_answers() -> None:
    """After some looks of which the last two showed the same."""
    hand = Hand(source=2, target=1)
    note = compared(hand, Read(), 2)
    assert (note.facts["outcome"], note.facts["source"], note.facts["target"]) == ("mismatched", 2, 1)
    assert hand.now - 100.0 <= sum(RECHECK_SECONDS)


@pytest.mark.parametrize(("still", "outcome"), [("", "in_flight"), ("target", "mismatched"), ("source", "mismatched")])
def test_what_is_written_at_every_look_is_in_flight_unless_one_side_stands_still(still: str, outcome: str) -> None:
    """A side that nobody writes while the other is written is not followed."""
    hand, numbers = Hand(source=9, target=8), itertools.count(10)

    def written(effect: Invoke) -> None:
        if effect.side != still:
            hand.held[effect.side] = next(numbers)

    hand.before = written
    assert compared(hand, Read(), 9).facts["outcome"] == outcome


@pytest.mark.parametrize(
    ("source", "target", "outcome"), [(None, 1, "extra"), (1, None, "missing"), (1, 2, "mismatched")]
)
def test_what_is_missing_and_what_is_extra_are_told_apart(source: Any, target: Any, outcome: str) -> None:
    """Seen from the target."""
    assert compared(Hand(source, target), Read(), source).facts["outcome"] == outcome


def test_answers_are_cleaned_and_known_differences_ignored() -> None:
    """`clean` makes of both what is compared; `ignore` gets both where they differ."""
    assert compared(Hand(1.04, 1.0), Read(clean=round), 1.04).facts["outcome"] == "matching"
    ignored = compared(Hand(1, 2), Read(ignore=lambda source, target: (source, target) == (1, 2)), 1)
    assert ignored.facts["outcome"] == "ignored"


def test_the_same_error_on_both_sides_is_the_same_answer() -> None:
    """A method that raises for what is not there agrees with one that does so too; not with one that answers."""
    hand = Hand(1, 1)

    def missing(effect: Invoke) -> None:
        if hand.held[effect.side] is not None:
            raise Raised(KeyError(17))

    hand.before = missing
    routine = compare(Read(), Invoke("source", "find", (17,)), "17", "source", Answer(error=KeyError(17)))
    hand.run(routine)
    assert hand.notes[-1].facts == {"outcome": "matching"}
    hand.held["target"] = None
    hand.run(compare(Read(), Invoke("source", "find", (17,)), "17", "source", Answer(error=KeyError(17))))
    assert hand.notes[-1].facts["outcome"] == "mismatched"


# --- a write in each stage


@pytest.fixture
def world(dynamodb: Any) -> World:
    made = make_world(dynamodb)
    made.run(ensure_table(TABLE))
    made.strategy = "freeze"
    return made


class Board:
    def __init__(self, world: World, *, carried: Any = "") -> None:
        self.put: list[tuple[Later, Ticket]] = []
        name = world.control.migration
        self.agent = SwitchAgent(
            name,
            "me",
            landing_seconds=LANDING_SECONDS,
            host="node",
            pid=1,
            fingerprint=FINGERPRINT,
            clock=lambda: world.now,
            new_id=lambda: "again",
            control_table=TABLE,
        )
        world.run(self.agent.join())
        numbers = itertools.count()
        self.intents = Intents(lambda: f"s{next(numbers)}")
        self.board = Switchboard(
            agent=self.agent,
            mirror=Mirror(carried=carried),
            intents=self.intents,
            put=lambda later, ticket: self.put.append((later, ticket)),
            note=lambda _name, _facts: None,
            chance=lambda: 0.0,
            landing_seconds=LANDING_SECONDS,
            hold_seconds=5.0,
            refusals=Refusals(),
        )

    def write(self, hand: Hand, world: World, error: BaseException | None = None) -> SwitchCall | None:
        operation = Operation("add", Write(key=same), None)
        call = self.board.admit(operation, Invoke("source", "add", (17,), {}, True), world.now, world.now)
        if call is None:
            return None
        scope = SwitchScope(self.agent, call.ticket, lambda _later, _ticket: None)
        hand.before = lambda effect: scope.invoking(effect)
        _ = hand.run(self.board.routine(call))
        self.board.ended(call, scope, error, world.now)
        return call


@pytest.mark.parametrize("carried", ["", "log"])
@pytest.mark.parametrize("stage", list(FREEZE))
def test_a_write_in_each_stage(world: World, stage: Stage, carried: str) -> None:
    """Where it goes, whether an intent stands before it, and whether a mirror follows: as the table says."""
    row = FREEZE[stage]
    world.start(Stage.RAMPDOWN if stage is Stage.COMPLETE else Stage.SHADOW if row.holds else stage)
    moving = world.coordinator(force_because="set up", refused_days=0)
    if stage is Stage.COMPLETE:
        _ = world.run(moving.complete(confirmed=True))
    for through in (Stage.FREEZE_SOURCE, Stage.FREEZE_TARGET) if row.holds else ():
        if world.run(world.control.state()).stage is not stage:
            _ = world.run(moving._step(world.run(world.control.state()), through, confirmed=False))  # pyright: ignore[reportPrivateUsage]
    board, hand = Board(world, carried=carried), Hand()
    call = board.write(hand, world)
    if row.holds:
        assert call is None
        assert hand.asked == []
        return
    assert call is not None
    mirrors = stage not in (Stage.OFF, Stage.COMPLETE) and not (carried and row.authority == "source")
    assert hand.asked == ([("control", "PutItem")] if mirrors else []) + [(row.authority, "add")]
    assert [later.kind for later, _ in board.put] == (["mirror"] if mirrors else [])
    assert len(board.intents) == mirrors
    if mirrors:
        hand.before = lambda _: None
        hand.run(board.put[0][0].routine)
        assert hand.held[row.other] == hand.held[row.authority] == 1
        assert hand.asked[-1] == ("control", "DeleteItem")
        assert len(board.intents) == 0


@pytest.mark.parametrize("stage", [Stage.OFF, Stage.SHADOW])
def test_hazard_10_a_write_whose_outcome_nobody_knows_holds_the_stage_until_it_can_no_longer_land(
    world: World, stage: Stage
) -> None:
    """Mirrored or not: work that is only due then belongs to its ticket, so no move overtakes it."""
    world.start(stage)
    board = Board(world)
    call = board.write(Hand(), world, TimeoutError())
    assert call is not None
    assert [later.delay_seconds for later, _ in board.put][-1] == LANDING_SECONDS
    assert all(ticket is call.ticket for _, ticket in board.put)
    assert len(board.intents) == (stage is Stage.SHADOW)
