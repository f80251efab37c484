"""The steps `snapshot` and `read-back`: which way, where to, and what is recorded of them."""

from __future__ import annotations

import asyncio
import uuid
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from shlex import quote
from typing import Any

from crossfade.cleanup.comparison import Comparison, ReadBack
from crossfade.cleanup.connections import Hands
from crossfade.cleanup.definition import Definition, fault_of, try_definition
from crossfade.cleanup.export import await_export, begin_export, can_export
from crossfade.cleanup.export_format import (
    EXPORTS,
    STARTED,
    Snapshot,
    new_export_id,
    read_manifests,
    write_table,
)
from crossfade.cleanup.ledger import Held, Ledger, StepRecord
from crossfade.cleanup.outcome import Outcome
from crossfade.cleanup.part_workers import Crew
from crossfade.cleanup.read_back import Keeping, read_back
from crossfade.cleanup.snapshot import SnapshotSizes, take_snapshot
from crossfade.cleanup.steps import Step
from crossfade.cleanup.storage import Bucket, Place, place_of
from crossfade.cleanup.survey import runs_of
from crossfade.cleanup.table import document_of
from crossfade.core.tables.expiry import expiry_attribute
from crossfade.errors import ConfigurationError, NotPossibleInStage, ServiceRejected

AGAIN = "crossfade cleanup --step snapshot --again --execute"


@dataclass(frozen=True, slots=True)
class Scene:
    """What a step works with. `clock` is the wall clock, in UTC."""

    hands: Hands
    ledger: Ledger
    step: Step
    records: Mapping[str, StepRecord]
    crew: Crew
    clock: Callable[[], datetime]
    again: bool

    async def begin(self, facts: Mapping[str, str]) -> Held:
        """`facts` are those of a new run; one that is gone on with keeps its own."""
        facts = {**facts, "rests_on": runs_of(self.step, self.records)}
        return await self.hands.run(self.ledger.begin(self.step, facts, again=self.again))

    def place(self, text: str) -> Place:
        return place_of(text, lambda: self.hands.service("s3"))

    async def snapshot(self) -> Snapshot:
        """The recorded one, by its manifests. Raises SnapshotDamaged."""
        place = self.place(self.records[Step.SNAPSHOT].fact("place"))
        return await asyncio.to_thread(read_manifests, place)


async def snapshot_old_table(scene: Scene, place_text: str, sizes: SnapshotSizes) -> Outcome:
    """Take the snapshot by the service's own export where it can, and by our own scan elsewhere."""
    hands = scene.hands
    description = await hands.table("source")
    before = scene.records.get(Step.SNAPSHOT)
    going_on = before is not None and not before.done and not scene.again
    if before is not None and not place_text:  # a new folder, where the former one is
        place_text = begun_place(before)
    if not place_text:
        raise ConfigurationError(
            "where shall the snapshot be?", next_step="add --to FOLDER, or --to s3://bucket/prefix"
        )
    document = document_of(description, await expiry_of(hands))
    if fault := fault_of(document):
        raise NotPossibleInStage(
            f"{hands.pair.source.name} could not be made again from what DynamoDB says of it: {fault}"
        )
    facts: dict[str, str] = {}
    if before is not None and going_on:
        refuse_other_begun(before, place_text, sizes.segments)
    else:
        root = scene.place(place_text)
        exports = isinstance(root, Bucket) and await hands.run(can_export(hands.pair.source.name))
        export_id = new_export_id(scene.clock(), uuid.uuid4().hex)
        folder = root if exports else root.below(EXPORTS).below(export_id)
        if not exports:  # before anything is recorded: a place that takes no file is not begun
            await asyncio.to_thread(folder.write, STARTED, b"")
        facts = {
            "by": "export" if exports else "scan",
            "place": folder.text,
            "segments": str(sizes.segments_for(int(description.get("TableSizeBytes", 0)))),
            "table_id": table_id_of(description),
        }
    held = await scene.begin(facts)
    if held.record.fact("table_id") != table_id_of(description):
        raise NotPossibleInStage("this is not the table that the snapshot was begun of", next_step=AGAIN)
    scene.crew.items_total = int(description.get("ItemCount", 0))
    if held.record.fact("by") == "export":
        return await _export(scene, held, description, document)
    place = scene.place(held.record.fact("place"))
    started = datetime.fromisoformat(held.record.started_at)
    summary = {
        "exportArn": f"{description['TableArn']}/export/{held.record.fact('place').rpartition('/')[2]}",
        "startTime": _service_time(started),
        "endTime": _service_time(scene.clock()),
        "tableArn": description["TableArn"],
        "tableId": table_id_of(description),
        "exportTime": _service_time(started),
        "billedSizeBytes": 0,
    }
    items = await take_snapshot(scene.crew, scene.ledger, held, place, sizes, document, summary)
    if items is None:
        return Outcome(scene.step, "stopped", ("the files that are written stay; the same command goes on",))
    await hands.run(scene.ledger.finish(held, {"items": str(items)}))
    return Outcome(scene.step, "done", (f"{items:,} items in {place.text}",))


async def _export(scene: Scene, held: Held, description: Mapping[str, Any], document: Mapping[str, Any]) -> Outcome:
    hands, record = scene.hands, held.record
    place = scene.place(record.fact("place"))
    assert isinstance(place, Bucket)  # noqa: S101 - an export goes nowhere else
    arn = record.fact("export_arn")
    if not arn:
        try:
            arn = await hands.run(begin_export(str(description["TableArn"]), place, record.run))
        except NotPossibleInStage as error:  # the next command begins anew, wherever it is told to
            await hands.run(scene.ledger.note(held, {"failed": error.message}))
            raise
        await hands.run(scene.ledger.note(held, {"export_arn": arn}))
    scene.crew.phase = "exporting"
    done = await await_export(scene.crew, arn, place)
    if done is None:
        return Outcome(scene.step, "stopped", (f"{arn} goes on; the same command looks at it again",))
    if done.place is None:
        failed = f"the service's export failed: {done.reason}"
        await hands.run(scene.ledger.note(held, {"failed": failed}))
        step = f"correct that, then begin another one: crossfade cleanup --step snapshot --to {place.text} --execute"
        return Outcome(scene.step, "failed", (failed, arn), step)
    await asyncio.to_thread(write_table, done.place, document)
    snapshot = await asyncio.to_thread(read_manifests, done.place)
    await hands.run(scene.ledger.finish(held, {"place": done.place.text, "items": str(snapshot.items)}))
    return Outcome(scene.step, "done", (f"{snapshot.items:,} items in {done.place.text}, by the service's export",))


def begun_place(record: StepRecord) -> str:
    """Return where a snapshot was begun, as it was typed for `--to`."""
    place = record.fact("place")
    root, separator, _ = place.rpartition(f"/{EXPORTS}/")
    return root if separator else place


def refuse_other_begun(record: StepRecord, place_text: str, segments: int | None) -> None:
    """Raises NotPossibleInStage where a snapshot that was begun is to go on otherwise than it was begun."""
    begun = begun_place(record)
    if place_text and place_of(place_text, lambda: None).text != begun:
        raise NotPossibleInStage(
            f"the snapshot was begun in {begun} ({record.started_at}, by {record.who}), and does not go on in"
            f" {place_text}: nothing was written there",
            next_step="to go on where it is: crossfade cleanup --step snapshot --execute; to begin anew:"
            f" crossfade cleanup --step snapshot --again --to {quote(place_text)} --execute",
        )
    if segments is not None and record.fact("segments") != str(segments):
        raise NotPossibleInStage(
            f"the snapshot was begun with {record.fact('segments')} segments, and does not go on with {segments}",
            next_step="to go on as it is: crossfade cleanup --step snapshot --execute; to begin anew:"
            f" crossfade cleanup --step snapshot --again --to {quote(begun)} --segments {segments} --execute",
        )


async def read_snapshot_back(scene: Scene) -> Outcome:
    """Done only when every file is whole, the definition too, and the table holds the same, item by item."""
    snapshot = await scene.snapshot()
    definition = await asyncio.to_thread(try_definition, snapshot.place, await scene.hands.table("source"))
    at = str(scene.clock().timestamp())
    held = await scene.begin({"at": at})
    compared = Comparison("source", await expiry_of(scene.hands), float(held.record.fact("at")))
    found = await read_back(scene.crew, snapshot, compared, Keeping(scene.ledger, held))
    if not found.complete:
        return Outcome(scene.step, "stopped", (f"{scene.crew.parts_done} of {scene.crew.parts_total} parts are read",))
    damage = damage_of(found, definition)
    if damage:
        await scene.hands.run(scene.ledger.note(held, {"failed": "; ".join(damage)}))
        return Outcome(scene.step, "failed", damage, AGAIN)
    facts = {"digest": found.digest, "items": str(found.items), "expired": str(found.expired)}
    facts["definition"] = definition.digest
    await scene.hands.run(scene.ledger.finish(held, facts))
    expired = f", {found.expired:,} of them past their TTL" if found.expired else ""
    said = f"{found.items:,} items in {found.files:,} files are whole and equal to the table's{expired}"
    return Outcome(scene.step, "done", (said, f"makes a table with {definition.says}", f"digest {found.digest}"))


def damage_of(found: ReadBack, definition: Definition | None = None) -> tuple[str, ...]:
    """Say what is wrong with a snapshot, a line each; none where nothing is."""
    said = tuple(f"damaged: {each}" for each in found.damaged)
    if definition is not None and definition.fault:
        said = (f"damaged: {definition.fault}", *said)
    if found.differences:
        said += (f"{found.differences:,} items differ between the snapshot and the table", *found.samples)
    return said


async def expiry_of(hands: Hands) -> str:
    """The attribute by which TTL removes items of the old table; "" for none."""
    try:
        reply = await hands.ask("source", "DescribeTimeToLive", {"TableName": hands.pair.source.name})
    except ServiceRejected as error:
        if error.code != "AccessDeniedException":
            raise
        return ""
    return expiry_attribute(reply)


def table_id_of(description: Mapping[str, Any]) -> str:
    return str(description.get("TableId") or description.get("CreationDateTime"))


def _service_time(moment: datetime) -> str:
    return moment.astimezone(UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")
