"""Plays the migration of the articles: `python -m examples.guid.run`; with --derived for articles without a guid."""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import Any

from examples.guid.wire import article
from examples.play import create_table, differences, every, last_written, open_play, plain, run

FOLDER = Path(__file__).parent
OLD_KEY = {"publication": "S", "external_id": "S"}
RESERVED = 1_000_000  # articles that no editor touches: for the importer


def play_guid(items: int, *, derived: bool) -> int:
    def old(number: int) -> dict[str, Any]:
        """An article as the old table has it."""
        made = article(number, derived=derived)
        return {name: value for name, value in made.items() if not (derived and name == "guid")}

    numbers = [*range(items), RESERVED, RESERVED + 1]
    with open_play(FOLDER, "derived.py" if derived else "migration.py") as play:
        play.console.chapter(f"The old table: {items:,} articles by publication and external id")
        table = create_table(play.dynamodb, "articles", OLD_KEY, units=500)
        with table.batch_writer() as batch:
            for number in numbers:
                batch.put_item(Item=old(number))
        new = create_table(play.dynamodb, "articles-by-guid", {"guid": "S"})
        play.show(play.crossfade("check"))

        play.console.chapter("Two editors, whose code speaks of the new table and passes both keys")
        play.show(play.crossfade("start", "--execute"), "started")
        journals = [play.folder / f"editor-{n}.jsonl" for n in (0, 1)]
        for n, journal in enumerate(journals):
            variant = "derived" if derived else "held"
            play.start(f"editor {n + 1}", "examples.guid.editor", journal, n, items, variant)
        play.wait_for(*journals)

        play.console.chapter("Drained, while a forgotten script goes on writing to the old table")
        play.show(play.crossfade("advance", "--to", "drain", "--execute"))
        play.show(play.crossfade("backfill", "--execute"))
        unknown = old(RESERVED + 2)
        imports = [old(RESERVED) | {"text": "imported"}, old(RESERVED + 1) | {"text": "imported"}, unknown]
        play.start("the importer", "examples.guid.importer", *(json.dumps(plain(one)) for one in imports))
        play.finish("the importer")
        play.show(play.crossfade("verify", status=1))
        play.console.say("One article is in the old table alone: what the importer has brought. It is not lost.")
        play.show(play.crossfade("verify", "--repair", "--execute", status=1))
        play.show(play.crossfade("verify"))
        play.show(play.crossfade("advance", "--to", "rampdown", "--execute"))
        play.show(play.crossfade("complete", "--execute", "--confirm", "articles-by-guid"))
        play.look_after()

        play.console.chapter("What is there in the end, by the editors' own journals")
        play.stop()
        written = last_written(*journals)
        expected = {one["guid"]: plain(one) for one in (article(n, derived=derived) for n in (*numbers, RESERVED + 2))}
        expected |= written
        left = {guid: one for guid, one in expected.items() if one is not None}
        found = {item["guid"]: plain(item) for item in every(new, ConsistentRead=True)}
        wrong = differences(left, {guid: without_stamp(item) for guid, item in found.items()})
        said = f"{len(left):,} articles, {len(written):,} of them written meanwhile, are as last written"
        play.check(said, not wrong, *wrong)
        gone = [guid for guid, one in expected.items() if one is None and guid in found]
        play.check(f"{list(expected.values()).count(None):,} retracted articles have not come back", not gone, *gone)

        play.console.chapter("The old table is retired: a copy that has been read back, and then nothing")
        place = play.folder / "backup"
        play.show(play.crossfade("cleanup", "--execute"))
        play.show(play.crossfade("cleanup", "--execute", "--to", str(place)))
        play.show(play.crossfade("cleanup", "--execute"))
        play.show(play.crossfade("cleanup", "--execute"))
        play.show(play.crossfade("cleanup", "--execute", "--quiet-days", "0", "--no-metrics"))
        play.show(play.crossfade("cleanup", "--execute"))
        play.show(play.crossfade("cleanup", "--execute", "--confirm", "articles", "--no-metrics"))
        tables = [one.name for one in play.dynamodb.tables.all()]
        play.check("the old table is gone", "articles" not in tables, tables)
        stamped = [item["guid"] for item in every(new) if "_crossfade" in item]
        play.check("nothing of crossfade's is left in the new one", not stamped, *stamped)
        same = {item["guid"]: plain(item) for item in every(new)} == left
        play.check("and it still has every article", same)
        return play.verdict("NOTHING LOST: every article is found by its guid, and the old table is gone")


def without_stamp(item: dict[str, Any]) -> dict[str, Any]:
    return {name: value for name, value in item.items() if name != "_crossfade"}


if __name__ == "__main__":
    sys.exit(run(play_guid, __doc__ or "", derived="for articles that have no guid: derive it"))
