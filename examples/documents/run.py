"""Plays the migration of the documents from the first command to the last: `python -m examples.documents.run`."""

from __future__ import annotations

import sys
from datetime import datetime
from pathlib import Path
from typing import Any

from boto3.dynamodb.conditions import Key

from examples.documents.feed import OWNERS, incoming
from examples.play import Play, create_table, differences, every, last_written, open_play, plain, run, without_stamp

FOLDER = Path(__file__).parent
KEY = {"tenant": "S", "document": "S"}


def play_documents(items: int) -> int:
    with open_play(FOLDER) as play:
        play.console.chapter(f"The old table: {items:,} documents, their owner in a map, numbers and times as texts")
        old = create_table(play.dynamodb, "documents", KEY)
        with old.batch_writer() as batch:
            for number in range(items):
                batch.put_item(Item=incoming(number))
        play.console.chapter("The new table, with the index that all this is for")
        new = create_table(play.dynamodb, "documents-v2", KEY, index=("by-owner", {"owner": "S", "published": "N"}))
        play.crossfade("check")
        play.crossfade("start", "--execute")

        play.console.chapter("The hourly job and two readers, with one line more")
        journal = play.folder / "journal.jsonl"
        play.start("the hourly job", "examples.documents.hourly", journal, items)
        play.start("a reader", "examples.documents.reader", items)
        play.start("another reader", "examples.documents.reader", items)
        play.wait_for(journal)
        migrate(play)
        play.stop()

        play.console.chapter("What is there in the end, by the job's own journal")
        judge(play, new, items, last_written(journal))
        return play.verdict("NOTHING LOST: the new table is what the old one would be, and its index answers")


def migrate(play: Play) -> None:
    play.console.chapter("Drained: each document moves with its first write, and the backfill moves the rest")
    play.crossfade("advance", "--to", "drain", "--execute")
    play.crossfade("backfill", "--execute")
    play.crossfade("verify")
    play.console.chapter("The new table serves")
    play.crossfade("advance", "--to", "rampdown", "--execute")
    # In earnest, a fortnight goes by in which nothing is found in the old table alone.
    play.crossfade("complete", "--execute", "--confirm", "documents-v2", "--quiet-days", "0")
    play.look_after()


def judge(play: Play, new: Any, items: int, written: dict[str, Any]) -> None:
    """`written`: by the hourly job, the last value of each document; None where it was removed."""
    expected = {name(incoming(number)): plain(incoming(number)) for number in range(items)} | written
    removed = [key for key, document in expected.items() if document is None]
    left = {key: new_form(document) for key, document in expected.items() if document is not None}
    found = {name(item): without_stamp(plain(item)) for item in every(new, ConsistentRead=True)}
    wrong = differences(left, found)
    play.check(f"{len(left):,} documents are as last written, {len(written):,} of them meanwhile", not wrong, *wrong)
    back = [key for key in removed if key in found]
    play.check(f"{len(removed):,} removed documents have not come back", not back, *back)
    for owner in OWNERS:
        mine = [(document["published"], key) for key, document in left.items() if document["owner"] == owner]
        listed = every(new, "query", IndexName="by-owner", KeyConditionExpression=Key("owner").eq(owner))
        play.check(f"the index lists {len(mine):,} documents of {owner}, in order", in_order(listed, mine))


def name(document: dict[str, Any]) -> str:
    return f"{document['tenant']}/{document['document']}"


def new_form(document: dict[str, Any]) -> dict[str, Any]:
    """A document of the old table as the new one has it: what migration.py says, once more by hand."""
    meta = dict(document["meta"])
    return document | {
        "owner": meta.pop("owner"),
        "meta": meta,
        "published": int(datetime.fromisoformat(document["published"]).timestamp()),
        "bytes": int(document["bytes"]),
        "archived": int(document["archived"]),
    }


def in_order(listed: list[dict[str, Any]], mine: list[tuple[int, str]]) -> bool:
    """All of them, in the order of their times."""
    found = [(int(item["published"]), name(item)) for item in listed]
    return sorted(found) == sorted(mine) and [at for at, _ in found] == sorted(at for at, _ in mine)


if __name__ == "__main__":
    sys.exit(run(play_documents, __doc__ or ""))
