"""An editor at work: publishes, corrects, tags and retracts articles, and looks at each of them again.

    python -m examples.guid.editor JOURNAL FIRST ARTICLES held|derived

Every second article from FIRST (0 or 1) is this editor's: nobody else writes it. Each acknowledged write is written
down, with the article as it then is. Ends with status 1 when a read showed anything else than what was written last.
"""

from __future__ import annotations

import random
import sys
from typing import Any

import boto3

from crossfade import attach
from examples.guid import derived as guid_derived
from examples.guid import migration as guid_held
from examples.guid.newsroom import Newsroom
from examples.guid.wire import article, names_of
from examples.play import Journal, Stop, plain


class Editor:
    def __init__(self, newsroom: Newsroom, journal: Journal, first: int, articles: int, *, derived: bool) -> None:
        self._newsroom = newsroom
        self._journal = journal
        self._chance = random.Random(first)
        self._numbers = range(first, articles + articles // 2, 2)  # the last third is not there yet
        self._derived = derived
        self.writes = 0

    def work(self) -> str:
        """One look at an article, one write, and another look; what was wrong, if anything."""
        names = names_of(self._chance.choice(self._numbers), derived=self._derived)
        there = self._newsroom.find(names)
        after = self._write(names, there)
        self._journal.write(names["guid"], after)
        self.writes += 1
        seen = self._newsroom.find(names)
        return "" if plain(seen) == plain(after) else f"{names['guid']}: wrote {after}, and read {seen}"

    def _write(self, names: dict[str, Any], there: dict[str, Any] | None) -> dict[str, Any] | None:
        if there is None or "revision" not in there:
            if there is None and self._chance.random() < 0.8:
                number = int(names["external_id"].removeprefix("a-"))
                self._newsroom.publish(article(number, derived=self._derived))
                return article(number, derived=self._derived)
            return self._newsroom.tag(names, "stub")
        match self._chance.choices(("correct", "tag", "retract"), (6, 3, 2))[0]:
            case "correct":
                revision = int(there["revision"])
                return self._newsroom.correct(names, f"Version {revision + 1}", revision)
            case "tag":
                return self._newsroom.tag(names, self._chance.choice(("home", "sports", "arts")))
            case _:
                self._newsroom.retract(names)
                return None


def main(journal_file: str, first: int, articles: int, derived: bool) -> int:
    table = boto3.resource("dynamodb").Table("articles-by-guid")
    migration = guid_derived.migration if derived else guid_held.migration
    attach(table, migration, view="target")  # the one line
    stop = Stop()
    with Journal(journal_file) as journal:
        editor = Editor(Newsroom(table), journal, first, articles, derived=derived)
        if stop.until_wrong(editor.work):
            return 1
    print(f"{editor.writes:,} writes, each seen by the next read")
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1], int(sys.argv[2]), int(sys.argv[3]), sys.argv[4] == "derived"))
