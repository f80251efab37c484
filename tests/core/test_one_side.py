"""Queries and Scans where the target's key is an attribute of its own, in every stage and across the stages."""

from __future__ import annotations

from dataclasses import replace
from typing import Any, Final

import pytest

from crossfade.core.items import Item
from crossfade.mapping import rename, use_as_key
from tests.contract.shapes import KINDS, Kind, View, text
from tests.core.conftest import Bench
from tests.core.test_pages_across_stages import ASKED, Moving, read_all

DERIVED: Final = KINDS["rekeyed"]
HELD: Final = replace(DERIVED, pieces=(use_as_key("guid"), rename("note", "remark")), views=("target",))
OF_OLD_KEY: Final[dict[str, dict[str, Any]]] = {
    "Query of the index by the old key": {"index": "old_key_index", "KeyConditionExpression": "{p} = :p0"},
    "Query of the index by the old key, backwards": {
        "index": "old_key_index",
        "KeyConditionExpression": "{p} = :p0",
        "ScanIndexForward": False,
    },
    "Scan of the index by the old key": {"index": "old_key_index"},
}


class Rekeyed(Moving):
    """Items have guids; those of the source hold them, or not."""

    def item(self, n: int, p: int) -> Item:
        item = self.shape.rich(n, p)
        if self.pair.mapping.target_key_extras:
            item["guid"] = text(f"guid {n} {p}")
        elif self.view == "target":
            item |= self.pair.mapping.forward_key({name: item[name] for name in self.pair.source.key_names})
        return item


def asked_for(view: View) -> dict[str, dict[str, Any]]:
    """As eventually consistent as a global index is."""
    asked = {
        what: {name: one for name, one in each.items() if name != "ConsistentRead"} for what, each in ASKED.items()
    }
    if view == "source":
        return asked
    own = {"Query", "Query backwards"}  # by the guid alone
    return {what: each for what, each in asked.items() if what not in own} | OF_OLD_KEY


@pytest.mark.parametrize(("kind", "view"), [(DERIVED, "source"), (DERIVED, "target"), (HELD, "target")])
def test_pages_go_on_from_stage_to_stage(bench: Bench, kind: Kind, view: View) -> None:
    """None skipped that was there throughout, none given twice, whichever key the application has."""
    read_all(Rekeyed(bench, kind, view), asked_for(view), f"{kind.pieces[0].describe()} {view}")
