"""The stamps taken off the items of the new table, once nobody needs them; versions of rows as well (`cdc/stamps.py`).

A stamp is removed only while it is the one that was read, and nothing else of the item is touched: a write that comes
between sets another stamp, or none, and wins. Such an item is counted and left to the next run.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Final

from crossfade.cleanup.ledger import Held, Ledger, Part
from crossfade.cleanup.part_workers import Crew
from crossfade.cleanup.survey import not_moved_on
from crossfade.core.effects import Call, Request, Routine
from crossfade.core.items import Item
from crossfade.core.mapping import STAMP
from crossfade.core.sync.retry import Backoff, send_conditional
from crossfade.errors import GateClosed
from crossfade.jobs.bulk import Segment, scan_page
from crossfade.jobs.keys import cutter
from crossfade.jobs.order import spread_order

SEGMENTS: Final = 32
COUNTS: Final = ("items", "removed", "rewritten", "kept")
PAGE_ITEMS: Final = 500  # what a kill looks at again, a segment
SENDINGS: Final = Backoff(seconds_first=0.1, pauses_max=9)  # of one write whose answers are lost

Keeps = Callable[[Item], Routine[bool]]
"""Whether an item, of which its key and its stamp are given, has to keep the stamp."""


@dataclass(frozen=True, slots=True)
class Removed:
    """`rewritten` were written while they were looked at, and keep what they got. `kept` have to keep their stamp."""

    complete: bool
    items: int
    removed: int
    rewritten: int
    kept: int = 0


def keeps_none(_: Item) -> Routine[bool]:
    """Return that it has not, as nothing here has."""
    yield from ()
    return False


async def remove_stamps(
    crew: Crew, ledger: Ledger, held: Held, page_items: int = PAGE_ITEMS, keeps: Keeps = keeps_none
) -> Removed:
    total = int(held.record.fact("segments"))
    before = await crew.hands.run(ledger.parts(held))
    tasks = [
        _SegmentTask(crew, ledger, held, before.get(n), Segment(n, total), page_items, keeps)
        for n in spread_order(total)
    ]
    crew.parts_total = total
    crew.parts_done = sum(task.part.done for task in tasks)
    crew.meter.add(sum(task.part.counts.get("items", 0) for task in tasks))
    await crew.work_off([task for task in tasks if not task.part.done])
    counted = (sum(task.part.counts.get(name, 0) for task in tasks) for name in COUNTS)
    return Removed(all(task.part.done for task in tasks), *counted)


def remove_stamp(table: str, key: Item, stamp: Item) -> Routine[bool]:
    """False: the stamp is not what was read. Raises UnknownOutcome when no answer came however often it was asked."""
    request: Request = {
        "TableName": table,
        "Key": key,
        "UpdateExpression": "REMOVE #stamp",
        "ConditionExpression": "#stamp = :stamp",
        "ExpressionAttributeNames": {"#stamp": STAMP},
        "ExpressionAttributeValues": {":stamp": stamp},
    }
    reply, again = yield from send_conditional(Call("target", "UpdateItem", request), SENDINGS)
    return reply is not None or again  # an earlier sending of ours was carried out, or somebody has written since


class _SegmentTask:
    """A step is a page, checkpointed after its stamps are gone."""

    def __init__(
        self,
        crew: Crew,
        ledger: Ledger,
        held: Held,
        part: Part | None,
        segment: Segment,
        page_items: int,
        keeps: Keeps,
    ) -> None:
        self.part = part or ledger.part(held, segment.number)
        self._crew = crew
        self._ledger = ledger
        self._held = held
        self._segment = segment
        self._page_items = page_items
        self._keeps = keeps

    @property
    def must_go_on(self) -> bool:
        return False

    async def step(self) -> float | None:
        crew, hands = self._crew, self._crew.hands
        table = hands.pair.target
        left_alone = await hands.run(not_moved_on(self._ledger.control, table.name))
        if not left_alone.holds:
            raise GateClosed(left_alone.found, next_step=left_alone.next_step)
        page = await hands.run(
            scan_page(
                hands.pair,
                "target",
                self._segment,
                self.part.last_key,
                self._page_items,
                strongly=True,
                names=(*table.key_names, STAMP),
            )
        )
        cut = cutter(table.key_names)
        counts = {**dict.fromkeys(COUNTS, 0), "items": len(page.items)}
        for item in page.items:
            if STAMP not in item:
                pass
            elif await hands.run(self._keeps(item)):
                counts["kept"] += 1
            else:
                await hands.run(crew.pace.wait(1))
                removed = await hands.run(remove_stamp(table.name, cut(item), item[STAMP]))
                counts["removed" if removed else "rewritten"] += 1
            crew.meter.add(1)
        done = page.last_key is None
        counts = {name: self.part.counts.get(name, 0) + count for name, count in counts.items()}
        self.part = replace(self.part, last_key=page.last_key, done=done, counts=counts)
        await hands.run(self._ledger.save(self._held, self.part))
        crew.parts_done += done
        return None if done else hands.now()
