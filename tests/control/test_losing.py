"""Records of the control table that are lost: what clients do, what `start` refuses, how the state comes back."""

from __future__ import annotations

from typing import Any

import pytest

from crossfade.control.losing import refuse_stamps
from crossfade.control.records import STATE, State
from crossfade.control.recovering import look_for_evidence, recover_state
from crossfade.control.starting import ensure_table
from crossfade.core.effects import Call
from crossfade.core.items import Item
from crossfade.core.mapping import STAMP
from crossfade.core.stages import Stage
from crossfade.errors import NotPossibleInStage, NotStarted, ServiceRejected, StageUncertain
from tests.control.world import TABLE, World


def lose(world: World, *prefixes: str) -> list[Item]:
    """Delete records by what their names begin with; return them."""
    gone: list[Item] = []
    for prefix in prefixes:
        for item in world.run(world.control.items(prefix)):
            world.run(world.control.remove(item["record"]["S"]))
            gone.append(item)
    return gone


def recovered(world: World, told: Stage | None = None) -> State:
    return world.run(recover_state(world.control, world.caller(), world.plan(), told))


def test_a_client_in_a_stage_that_finds_no_state_fences_itself_and_says_why(world: World) -> None:
    """Nothing strict begins or goes on; reads that may be stale do, and its lease stays, with what it obeyed."""
    world.start(Stage.SHADOW)
    agent = world.joined()
    ticket = agent.begin(True)
    _ = lose(world, STATE, "journal#")
    world.run(agent.poll())
    for refused in (lambda: agent.may_send(ticket), lambda: agent.begin(True), lambda: agent.end(ticket)):
        with pytest.raises(StageUncertain, match="was in stage shadow, epoch 3, and no state") as caught:
            _ = refused()
        assert "crossfade recover" in caught.value.next_step
    world.run(agent.poll())
    assert not agent.holds_lease
    agent.end(agent.begin(False))
    (lease,) = world.run(world.control.leases())
    assert (lease.client, lease.stage, lease.adopted) == (agent.client_id, "shadow", 3)
    assert world.noted("record_lost")


@pytest.mark.parametrize("stage", [Stage.OFF, Stage.SHADOW])
def test_a_client_that_finds_a_lower_epoch_fences_itself(world: World, stage: Stage) -> None:
    """Whatever that table says, it is another one, or an older one: also for a client in off."""
    world.start(Stage.SHADOW)
    _ = world.run(world.coordinator(force_because="set up").walk(stage))
    agent = world.joined()
    _ = lose(world, STATE, "journal#", "client#")
    _ = world.run(world.coordinator().start(world.plan()))
    world.run(agent.poll())
    with pytest.raises(StageUncertain, match="stage off, epoch 1"):
        _ = agent.begin(True)


def test_a_client_that_was_cut_off_while_its_migration_was_cancelled_goes_on_in_off(world: World) -> None:
    """The journal ends with that, so nothing was lost."""
    world.start(Stage.DUALWRITE)
    agent = world.joined()
    world.run(world.control.remove(f"client#{agent.client_id}"))
    world.run(world.coordinator().cancel())
    world.run(agent.poll())
    assert (agent.stage, world.noted("record_lost")) == (Stage.OFF, [])
    assert agent.begin(True).stage is Stage.OFF


def test_the_state_comes_back_by_the_leases_and_fenced_clients_go_on(world: World) -> None:
    """Without a journal; at an epoch above every one that was, and with a verify asked for."""
    world.start(Stage.SHADOW)
    agent = world.joined()
    _ = lose(world, STATE, "journal#")
    world.run(agent.poll())
    world.while_asleep = world.polls(agent)
    state = recovered(world)
    assert (state.stage, state.strategy, state.unclean) == (Stage.SHADOW, "dual-write", 1)
    assert state.epoch > agent.epoch
    world.run(agent.poll())
    ticket = agent.begin(True)
    assert (ticket.stage, ticket.epoch) == (Stage.SHADOW, state.epoch)
    agent.end(ticket)
    assert world.run(world.control.state()) == state
    assert world.run(world.coordinator().walk(Stage.DUALWRITE)).epoch == state.epoch + 1


def test_clients_show_up_in_a_control_table_that_was_made_anew(world: World) -> None:
    """All records are gone; whoever lives puts a lease of its own, with the stage that it was in."""
    world.start(Stage.SHADOW)
    agent = world.joined()
    _ = lose(world, "")
    world.while_asleep = world.polls(agent)
    assert recovered(world).stage is Stage.SHADOW


def test_the_state_comes_back_by_the_journal_where_nobody_is_there(world: World) -> None:
    """Its last entry tells the stage and the ramp after it."""
    world.start(Stage.SHADOW)
    _ = lose(world, STATE)
    state = recovered(world)
    assert (state.stage, state.journal_length) == (Stage.SHADOW, 4)
    assert [entry.what for entry in world.run(world.control.journal(1))] == ["recovered in shadow"]


def test_where_nothing_tells_the_stage_the_operator_does(world: World) -> None:
    """And is refused where something tells another, or where nothing is told either."""
    world.start(Stage.SHADOW)
    _ = lose(world, STATE)
    with pytest.raises(NotPossibleInStage, match="was not in live at last: the journal"):
        _ = recovered(world, Stage.LIVE)
    _ = lose(world, "journal#")
    with pytest.raises(NotPossibleInStage, match="nothing in the control table") as caught:
        _ = recovered(world)
    assert "--stage and --confirm" in caught.value.next_step
    assert recovered(world, Stage.LIVE).stage is Stage.LIVE


def test_what_was_not_lost_is_not_put_back(world: World) -> None:
    """A state that is there; a migration that was cancelled."""
    world.start(Stage.DUALWRITE)
    for look in (look_for_evidence(world.control), recover_state(world.control, world.caller(), world.plan())):
        with pytest.raises(NotPossibleInStage, match="has a state: stage dualwrite"):
            _ = world.run(look)
    world.run(world.coordinator().cancel())
    with pytest.raises(NotPossibleInStage, match="was cancelled") as caught:
        _ = world.run(look_for_evidence(world.control))
    assert "crossfade start" in caught.value.next_step


@pytest.mark.parametrize(("kept", "told"), [("journal#", "its journal ends"), ("client#", "has been in stage shadow")])
def test_start_is_refused_where_records_tell_of_a_lost_state(world: World, kept: str, told: str) -> None:
    """Either of them; with `anew` it is begun all the same."""
    world.start(Stage.SHADOW)
    _ = world.joined()
    _ = lose(world, STATE, *{"journal#", "client#"} - {kept})
    with pytest.raises(NotPossibleInStage, match=told) as caught:
        _ = world.run(world.coordinator().start(world.plan()))
    assert "crossfade recover" in caught.value.next_step
    with pytest.raises(NotStarted):
        _ = world.run(world.control.state())


def test_start_is_refused_where_a_table_holds_stamps(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    """Page after page, as many as are looked at."""
    pages: list[dict[str, Any]] = [
        {"Items": [], "LastEvaluatedKey": {"pk": {"S": "a"}}},
        {"Items": [{"pk": {"S": "b"}}]},
    ]
    asked: list[Call] = []

    def scanned(call: Call) -> dict[str, Any]:
        asked.append(call)
        return pages[len(asked) - 1]

    monkeypatch.setattr(world, "_call", scanned)
    with pytest.raises(NotPossibleInStage, match=f"table orders holds items with the attribute {STAMP}"):
        world.run(refuse_stamps(world.control, "target", "orders"))
    assert [call.request.get("ExclusiveStartKey") for call in asked] == [None, {"pk": {"S": "a"}}]


def test_the_control_table_is_made_protected_and_a_service_without_backups_is_noted(world: World) -> None:
    """Nobody deletes it by mistake; the embedded engine keeps no backups, which is said and stops nothing."""
    table = f"{TABLE}-protected"
    world.run(ensure_table(table))
    assert world.client.describe_table(TableName=table)["Table"]["DeletionProtectionEnabled"] is True
    assert [facts["table"] for facts in world.noted("backups_off")] == [table]
    world.run(ensure_table(table))
    assert len(world.noted("backups_off")) == 1
    _ = world.client.update_table(TableName=table, DeletionProtectionEnabled=False)
    _ = world.client.delete_table(TableName=table)


def test_a_service_that_keeps_backups_is_asked_for_them_once(world: World) -> None:
    """When the table has become active, and only by whoever has made it."""
    asked: list[tuple[str, dict[str, Any]]] = []
    states = iter(["", "CREATING", "ACTIVE"])

    def answered(call: Call) -> dict[str, Any]:
        asked.append((call.operation, call.request))
        if call.operation != "DescribeTable":
            return {}
        status = next(states)
        if not status:
            raise ServiceRejected("ResourceNotFoundException", "no such table")
        keys = [{"AttributeName": "migration", "KeyType": "HASH"}, {"AttributeName": "record", "KeyType": "RANGE"}]
        return {"Table": {"TableStatus": status, "KeySchema": keys}}

    world._call = answered  # type: ignore[method-assign]  # pyright: ignore[reportPrivateUsage]
    world.run(ensure_table("crossfade"))
    assert [operation for operation, _ in asked] == [
        "DescribeTable", "CreateTable", "DescribeTable", "DescribeTable", "UpdateContinuousBackups",
    ]  # fmt: skip
    assert asked[-1][1]["PointInTimeRecoverySpecification"] == {"PointInTimeRecoveryEnabled": True}
    assert world.noted("backups_off") == []
