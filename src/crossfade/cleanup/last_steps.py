"""The steps `quiet` and `delete`: the last looks before the old table goes, and its going."""

from __future__ import annotations

import asyncio
import shlex
from collections.abc import Mapping
from datetime import UTC, datetime, timedelta
from typing import Any, Final

from crossfade.cleanup.comparison import Comparison, ReadBack
from crossfade.cleanup.definition import Definition, try_definition
from crossfade.cleanup.export_format import TABLE, Snapshot
from crossfade.cleanup.outcome import Outcome
from crossfade.cleanup.read_back import read_back
from crossfade.cleanup.snapshot_steps import AGAIN, Scene, damage_of, expiry_of, table_id_of
from crossfade.cleanup.steps import Step
from crossfade.cleanup.usage import Activity, CloudWatch, NoMetrics, Use, is_elsewhere
from crossfade.control.store import TABLE_DEFAULT
from crossfade.errors import ConfigurationError, NotPossibleInStage, ServiceRejected

QUIET_DAYS: Final = 14.0  # two weekends and the jobs that run once a week, twice
ALLOWANCE: Final = timedelta(minutes=5)  # by which CloudWatch may be late


async def await_quiet(scene: Scene, days: float, *, metrics: bool) -> Outcome:
    """One look at the countdown; at its end the step is done."""
    description = await scene.hands.table("source")
    activity = await _activity(scene, description, metrics=metrics)
    held = await scene.begin({"since": scene.records[Step.THROUGHPUT].finished_at})
    since, now = _moment(held.record.fact("since")), scene.clock()
    use = await asyncio.to_thread(activity.between, since, now, now)
    if use.last is not None:
        since = max(since, use.last)
        await scene.hands.run(scene.ledger.note(held, {"since": since.isoformat(timespec="seconds")}))
        if use.writes:
            raise _written(scene, use)
    ends = since + timedelta(days=days)
    if now < ends:
        used = f"it was read ({use.reads:g} units), last at {_text(since)}; " if use.any else ""
        left = (ends - now) / timedelta(days=1)
        said = f"{used}{left:.1f} of {days:g} days are left, until {_text(ends)}"
        again = (
            f"crossfade cleanup --step quiet --execute{'' if activity.sees_reads else ' --no-metrics'}"
            f"{'' if days == QUIET_DAYS else f' --quiet-days {days:g}'}"
        )
        return Outcome(scene.step, "waiting", (said, *_blind(activity)), again)
    if not activity.sees_reads:
        found = await _compared_again(scene)
        if not found.complete:
            return Outcome(scene.step, "stopped", ("table and snapshot are not compared to the end",))
        if not found.good:
            return Outcome(scene.step, "failed", damage_of(found), AGAIN)
    facts = {"metrics": activity.name, "looked_at": now.isoformat(timespec="seconds"), "days": f"{days:g}"}
    await scene.hands.run(scene.ledger.finish(held, facts))
    return Outcome(scene.step, "done", (f"nobody has used it since {_text(since)}", *_blind(activity)))


async def delete_old_table(scene: Scene) -> Outcome:
    """Look once more at everything that the deletion rests on, then delete. A kill between is found out by looking."""
    hands, name = scene.hands, scene.hands.pair.source.name
    before = scene.records.get(Step.DELETE)
    begun = before is not None and not before.done and not scene.again and before.fact("sure")
    description = await hands.description("source")
    if description is None or description["TableStatus"] == "DELETING":
        if not begun:
            raise NotPossibleInStage(f"there is no table {name}, and it was not crossfade that deleted it")
    else:
        if table_id_of(description) != scene.records[Step.SNAPSHOT].fact("table_id"):
            raise NotPossibleInStage(
                f"{name} is another table than the one that the snapshot is of: it was made anew since"
            )
        _refuse_protected(name, description)
        definition = await _definition(scene, description)
        found = await _last_look(scene, description)
        if not found.complete:
            return Outcome(scene.step, "stopped", ("the snapshot is not read to the end; nothing was deleted",))
        if damage := damage_of(found, definition):
            return Outcome(scene.step, "failed", (*damage, "nothing was deleted"), AGAIN)
    held = await scene.begin({"table": name})
    await hands.run(scene.ledger.note(held, {"sure": "yes", "place": scene.records[Step.SNAPSHOT].fact("place")}))
    await _delete(scene)
    await hands.run(scene.ledger.finish(held, {}))
    place = scene.records[Step.SNAPSHOT].fact("place")
    said = f"table {name} is deleted; its items are in {place}"
    way_back = restoring(place, name, scene.ledger.control.table)
    return Outcome(scene.step, "done", (said, f"Way back: {way_back}"))


def restoring(place: str, table: str, control_table: str) -> str:
    """Return the command that has a table back from its snapshot."""
    option = "" if control_table == TABLE_DEFAULT else f" --control-table {control_table}"
    return f"crossfade restore {shlex.quote(place)} --table {table}{option} --execute"


async def _delete(scene: Scene) -> None:
    hands, name = scene.hands, scene.hands.pair.source.name
    for look in range(hands.patience.changing):
        description = await hands.description("source")
        if description is None:
            return
        if description["TableStatus"] != "DELETING":
            try:
                _ = await hands.ask("source", "DeleteTable", {"TableName": name})
            except ServiceRejected as error:
                if error.code not in ("ResourceNotFoundException", "ResourceInUseException"):
                    raise
        await hands.look_again("source", "the table is DELETING", look, hands.patience.changing)
    raise ConfigurationError(f"{name} is still being deleted", next_step="the same command again looks at it")


def _refuse_protected(name: str, description: Mapping[str, Any]) -> None:
    if description.get("DeletionProtectionEnabled"):
        raise NotPossibleInStage(
            f"{name} is protected from deletion",
            next_step=f"aws dynamodb update-table --table-name {name} --no-deletion-protection-enabled,"
            " if it really is to go",
        )


async def _last_look(scene: Scene, description: Mapping[str, Any]) -> ReadBack:
    """Everything in the snapshot is as it was verified, and nobody has written since."""
    quiet, verified = scene.records[Step.QUIET], scene.records[Step.READ_BACK]
    activity = await _activity(scene, description, metrics=quiet.fact("metrics") != "none", proven=True)
    now = scene.clock()
    since = max(_moment(quiet.fact("since")), _moment(quiet.fact("looked_at")) - ALLOWANCE)
    use = await asyncio.to_thread(activity.between, since, now, now)
    if use.writes:
        raise _written(scene, use)
    if use.any:
        raise NotPossibleInStage(
            f"it was read since the quiet period ended, last at {use.last}",
            next_step="crossfade cleanup --step quiet --again --execute",
        )
    found = await (_files_alone(scene) if activity.sees_reads else _compared_again(scene))
    if found.good and found.digest != verified.fact("digest"):
        raise NotPossibleInStage(
            f"the snapshot is whole, but not the one that was verified: digest {found.digest}, and"
            f" {verified.fact('digest')} was recorded",
            next_step="crossfade cleanup --step read-back --again --execute",
        )
    return found


async def _definition(scene: Scene, description: Mapping[str, Any]) -> Definition:
    """Try the definition once more. Raises NotPossibleInStage where it is sound, but not the one that was tried."""
    snapshot, tried = await scene.snapshot(), scene.records[Step.READ_BACK].fact("definition")
    found = await asyncio.to_thread(try_definition, snapshot.place, None if tried else description)
    if tried and not found.fault and found.digest != tried:
        raise NotPossibleInStage(
            f"{TABLE} beside the snapshot is not the one that was read back: it was changed since",
            next_step="crossfade cleanup --step read-back --again --execute",
        )
    return found


async def _files_alone(scene: Scene) -> ReadBack:
    return await read_back(scene.crew, await scene.snapshot(), Comparison(None))


async def _compared_again(scene: Scene) -> ReadBack:
    snapshot: Snapshot = await scene.snapshot()
    compared = Comparison("source", await expiry_of(scene.hands), scene.clock().timestamp())
    return await read_back(scene.crew, snapshot, compared)


async def _activity(scene: Scene, description: Mapping[str, Any], *, metrics: bool, proven: bool = False) -> Activity:
    """CloudWatch must show that it sees this table, by our own reads of it: no figures are not the same as no use."""
    if not metrics:
        return NoMetrics()
    indexes = [each["IndexName"] for each in description.get("GlobalSecondaryIndexes", ())]
    elsewhere = is_elsewhere(str(scene.hands.client.meta.endpoint_url))
    activity = CloudWatch(scene.hands.service("cloudwatch"), scene.hands.pair.source.name, indexes, elsewhere)
    if proven:
        return activity
    ours = scene.records[Step.READ_BACK]
    start, end = _moment(ours.started_at) - ALLOWANCE, _moment(ours.finished_at) + ALLOWANCE
    seen = await asyncio.to_thread(activity.between, start, end, scene.clock())
    if not seen.reads:
        raise ConfigurationError(
            f"CloudWatch shows none of crossfade's own reads of {activity.table} between {_text(start)} and"
            f" {_text(end)}, so it would show nobody's",
            next_step="they arrive after some minutes; if this is a DynamoDB without metrics: --no-metrics, which"
            " sees no reads",
        )
    return activity


def _written(scene: Scene, use: Use) -> NotPossibleInStage:
    return NotPossibleInStage(
        f"{scene.hands.pair.source.name} was written to ({use.writes:g} units), last at {use.last}: the snapshot no"
        " longer holds all of it",
        next_step=f"find out who writes, and whether it must be in the new table too; then {AGAIN}",
    )


def _blind(activity: Activity) -> tuple[str, ...]:
    if activity.sees_reads:
        return ()
    return ("without metrics reads cannot be seen; only that table and snapshot are still equal at the end",)


def _moment(text: str) -> datetime:
    moment = datetime.fromisoformat(text)
    return moment if moment.tzinfo else moment.replace(tzinfo=UTC)


def _text(moment: datetime) -> str:
    return moment.astimezone(UTC).isoformat(timespec="minutes")
