"""Settle in the simulator: what it covers, and that it does, are production's routines; streams are lists of changes.

Nothing is lost of them and nothing late, so what is played is the protocol: from which moment on, after what has
landed, for which marks.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Final

from crossfade.control.records import Job
from crossfade.control.settling import begin_settling, finish_settling
from crossfade.control.store import Caller
from crossfade.core.effects import Note, Routine, Sleep
from crossfade.core.items import Item
from crossfade.core.stages import SIDES
from crossfade.core.tables.pair import key_name
from crossfade.errors import MappingError, NotPossibleInStage
from crossfade.sim.client import Client
from crossfade.sim.jobs import RETRY_SECONDS, JobRun
from crossfade.sim.tables import Database, virtual_seconds

SETTLING: Final = 0.3  # of the worlds: their operator settles, where it can, before it verifies


class SettleRun(JobRun):
    """One settle in a process of its own. `found` is 0 once the marks are cleared."""

    def __init__(self, client: Client, caller: Caller, database: Database, strategy: str) -> None:
        super().__init__(client, caller, Job.VERIFY, repair=True, strategy=strategy)
        self._database = database

    def work(self) -> Routine[None]:
        while not self.client.ready:
            yield from Sleep(RETRY_SECONDS)
        agent = self.client.agent
        try:
            settling = yield from begin_settling(agent.control, self.caller)
            if not settling.marks:
                return
            yield from Sleep(settling.landing_seconds)
            keys = list(self._changed(virtual_seconds(settling.since)))
            for key in keys:
                yield from self._sync(key)
            yield from finish_settling(agent.control, self.caller, settling, f"keys {len(keys)}")
        except NotPossibleInStage as refused:
            yield from Note("job", {"refused": refused.message})
            return
        self.found = 0
        yield from Note("job", {"job": "settle", "marks": len(settling.marks), "keys": len(keys)})

    def _changed(self, since: float) -> Iterator[Item]:
        """The source keys of what has changed in either table since then, each once."""
        pair, seen = self.client.pair, set[str]()
        for side in SIDES:
            for at, key in tuple(self._database.tables[pair.table(side).name].changes):
                if at < since:
                    continue
                try:
                    source_key = pair.source_key(key) if side == "source" else pair.mapping.backward_key(key)
                except MappingError:
                    continue
                if key_name(source_key) not in seen:
                    seen.add(key_name(source_key))
                    yield source_key
