"""The tables of a world, and in which form they hold what the applications speak of.

A history tells of items in one form. Mostly that is the source's. Where another migration came before and is complete,
it is the form of that one's source, a table that is gone: the world's source has its target's. And an item may need an
attribute that nobody speaks of, which becomes its key.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from typing import Final

from crossfade.control.record_items import to_item
from crossfade.control.records import State as Record
from crossfade.core.items import Item
from crossfade.core.mapping import STAMP
from crossfade.core.stages import Stage
from crossfade.core.tables.pair import key_name
from crossfade.migration import Migration
from crossfade.sim.calls import key_of, label
from crossfade.sim.chains import first_migration, second_migration
from crossfade.sim.history import KeyName
from crossfade.sim.indexed import sim_indexes, with_index
from crossfade.sim.model import State, item_of
from crossfade.sim.own_keys import with_own_key, without_own_key
from crossfade.sim.scenario import Scenario, migration
from crossfade.sim.tables import Database

CONTROL_TABLE: Final = "crossfade"


@dataclass(frozen=True)
class Setting:
    scenario: Scenario

    @cached_property
    def migration(self) -> Migration:
        """The one that the operator moves."""
        scenario = self.scenario
        if scenario.chain is not None:
            return second_migration(scenario.chain, scenario.strategy)
        made = migration(scenario.mapping)
        return made if scenario.index is None else with_index(made, scenario.index)

    @cached_property
    def before(self) -> Migration | None:
        """The one that is complete, whose target is the source of the other."""
        return None if self.scenario.chain is None else first_migration(self.scenario.chain)

    @property
    def table(self) -> str:
        """The table that applications speak of."""
        return self.migration.source.name if self.before is None else self.before.source.name

    def database(self) -> Database:
        made = self.migration
        keys = {table.name: table.key_names for table in (made.source, made.target)}
        return Database(keys | {CONTROL_TABLE: ("migration", "record")}, sim_indexes(made, self.scenario.index))

    def fill(self, database: Database) -> None:
        """Put what is there before the world begins."""
        source = database.tables[self.migration.source.name]
        for key, state in self.scenario.initial.items():
            item = self.source_item(key, state)
            if item is not None:
                source.items[source.key(item)] = item
        if self.before is not None:
            control = database.tables[CONTROL_TABLE]
            record = to_item(self.before.name, complete(self.before))
            control.items[control.key(record)] = record

    # --- the source's form of what applications speak of

    def source_key(self, key: KeyName) -> Item:
        given = with_own_key(self.migration.compiled, key_of(key))
        return given if self.before is None else self.before.compiled.forward_key(given)

    def source_item(self, key: KeyName, state: State) -> Item | None:
        item = item_of(key, state)
        if item is None or self.before is None:
            return item and with_own_key(self.migration.compiled, item)
        return {**self.before.compiled.forward(item), STAMP: {"S": f"{label(key)} of before"}}

    def told_of(self, image: Item | None) -> Item | None:
        """Return what an application sees where the source has this image."""
        if image is None or self.before is None:
            return image and without_own_key(self.migration.compiled, image)
        return self.before.compiled.backward(image)

    def labels(self) -> dict[tuple[str, str], str]:
        """The items of both tables as people know them, by the table and the name of the key there."""
        made = self.migration
        found: dict[tuple[str, str], str] = {}
        for key in self.scenario.keys:
            source_key = self.source_key(key)
            found[made.source.name, key_name({name: source_key[name] for name in made.source.key_names})] = label(key)
            found[made.target.name, key_name(made.compiled.forward_key(source_key))] = label(key)
        return found


def complete(made: Migration) -> Record:
    """Return the state of a migration that is complete."""
    when = "before"
    return Record(
        stage=Stage.COMPLETE, epoch=9, ramp_percent=0, strategy=made.strategy, source=made.source.name,
        target=made.target.name, fingerprint=made.compiled.fingerprint, unclean=0, journal_length=9, started_at=when,
        changed_at=when,
    )  # fmt: skip
