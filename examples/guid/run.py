"""Plays the migration of the articles: `python -m examples.guid.run`; with --derived for articles without a guid."""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import Any

from examples.guid.wire import article
from examples.play import Play, create_table, differences, every, last_written, open_play, plain, run, without_stamp

FOLDER = Path(__file__).parent
OLD_KEY = {"publication": "S", "external_id": "S"}
OVERWRITTEN, ALSO_OVERWRITTEN, IMPORTED = 1_000_001, 1_000_002, 1_000_003  # no editor touches these


def play_guid(items: int, *, derived: bool) -> int:
    with open_play(FOLDER, "derived.py" if derived else "migration.py") as play:
        play.console.chapter(f"The old table: {items:,} articles by publication and external id")
        old = create_table(play.dynamodb, "articles", OLD_KEY, units=500)
        numbers = [*range(items), OVERWRITTEN, ALSO_OVERWRITTEN]
        with old.batch_writer() as batch:
            for number in numbers:
                batch.put_item(Item=old_form(article(number, derived=derived), derived=derived))
        new = create_table(play.dynamodb, "articles-by-guid", {"guid": "S"})
        play.crossfade("check")
        play.crossfade("start", "--execute")

        play.console.chapter("Two editors, whose code speaks of the new table and passes both keys")
        journals = [play.folder / f"editor-{n}.jsonl" for n in (0, 1)]
        for n, journal in enumerate(journals):
            variant = "derived" if derived else "held"
            play.start(f"editor {n + 1}", "examples.guid.editor", journal, n, items, variant)
        play.wait_for(*journals)
        migrate(play, derived=derived)
        play.stop()

        play.console.chapter("What is there in the end, by the editors' own journals")
        seeded = [article(number, derived=derived) for number in (*numbers, IMPORTED)]
        written = last_written(*journals)
        left = judge(play, new, {one["guid"]: plain(one) for one in seeded} | written, len(written))
        retire(play)
        look_once_more(play, new, left)
        return play.verdict("NOTHING LOST: every article is found by its guid, and the old table is gone")


def migrate(play: Play, *, derived: bool) -> None:
    play.console.chapter("Drained: each article moves with its first write, and the backfill moves the rest")
    play.crossfade("advance", "--to", "drain", "--execute")
    play.crossfade("backfill", "--execute")

    play.console.chapter("Meanwhile a forgotten script writes to the old table")
    play.crossfade("watch", "--enable-stream", "--for", "1", "--execute")
    imports = [
        old_form(article(n, derived=derived), derived=derived) for n in (OVERWRITTEN, ALSO_OVERWRITTEN, IMPORTED)
    ]
    imports[0]["text"] = imports[1]["text"] = "from the importer"
    play.start("the importer", "examples.guid.importer", *(json.dumps(plain(one)) for one in imports))
    play.finish("the importer")
    said = play.crossfade("watch", "--once", "--repair", "--execute", status=1)
    unseen = [one["external_id"] for one in imports if one["external_id"] not in said]
    play.check("every write of the importer was seen", not unseen, *unseen)
    play.crossfade("verify")

    play.console.chapter("The new table serves")
    play.crossfade("advance", "--to", "rampdown", "--execute")
    # In earnest, a fortnight goes by in which nothing is found in the old table alone.
    play.crossfade("complete", "--execute", "--confirm", "articles-by-guid", "--quiet-days", "0")
    play.look_after()


def judge(play: Play, new: Any, expected: dict[str, Any], written: int) -> dict[str, Any]:
    """Each article is as it was last written; None stands for one that was retracted. What there is to be."""
    left = {guid: one for guid, one in expected.items() if one is not None}
    found = {item["guid"]: without_stamp(plain(item)) for item in every(new, ConsistentRead=True)}
    wrong = differences(left, found)
    play.check(f"{len(left):,} articles are as last written, {written:,} of them meanwhile", not wrong, *wrong)
    back = [guid for guid, one in expected.items() if one is None and guid in found]
    play.check(f"{len(expected) - len(left):,} retracted articles have not come back", not back, *back)
    return left


def retire(play: Play) -> None:
    play.console.chapter("The old table is retired: a copy that has been read back, and then nothing")
    cleanup = ("cleanup", "--execute")  # each does the next step
    play.crossfade(*cleanup)  # the last verify
    play.crossfade(*cleanup, "--to", str(play.folder / "backup"))  # the snapshot
    play.crossfade(*cleanup)  # it is read back
    play.crossfade(*cleanup)  # throughput
    play.crossfade(*cleanup, "--quiet-days", "0", "--no-metrics")  # the embedded engine has no CloudWatch
    play.crossfade(*cleanup)  # the stamps
    play.crossfade(*cleanup, "--confirm", "articles", "--no-metrics")


def look_once_more(play: Play, new: Any, left: dict[str, Any]) -> None:
    tables = [table.name for table in play.dynamodb.tables.all()]
    play.check("the old table is gone", "articles" not in tables, tables)
    found = {item["guid"]: plain(item) for item in every(new, ConsistentRead=True)}
    wrong = differences(left, found)
    play.check("the new one is as it was, and nothing of crossfade's is left in it", not wrong, *wrong)


def old_form(made: dict[str, Any], *, derived: bool) -> dict[str, Any]:
    """An article as the old table has it: where the guid is derived, without one."""
    return {name: value for name, value in made.items() if not (derived and name == "guid")}


if __name__ == "__main__":
    sys.exit(run(play_guid, __doc__ or "", derived="for articles that have no guid: derive it"))
