"""Items whose own row does not make them: whether any other does.

An item says which row it is of. Where that row does not make it, or it says nothing (an application has written it, or
somebody else), every row has to be asked: the rows of all tables are read once more, together for all such items.
"""

from __future__ import annotations

from typing import Final

from crossfade.cdc.mysql.keyset import Key
from crossfade.cdc.verifying.comparing import Comparer
from crossfade.cdc.verifying.reading import SourceReads, whole_chunk
from crossfade.errors import MappingError
from crossfade.jobs.pace import Pace
from crossfade.jobs.session import JobClient

STRAYS_MAX: Final = 100_000  # kept at one time, as keys; then all rows are read for them


class Search:
    """One pass over the rows of a table. `wanted` holds names of keys; those that a row makes are taken out of it."""

    def __init__(
        self,
        comparer: Comparer,
        client: JobClient,
        reads: SourceReads,
        pace: Pace,
        table: str,
        wanted: set[str],
        rows_a_page: int,
    ) -> None:
        self.done = False
        self._comparer = comparer
        self._client = client
        self._reads = reads
        self._pace = pace
        self._table = table
        self._wanted = wanted
        self._rows_a_page = rows_a_page
        self._after: Key | None = None

    @property
    def must_go_on(self) -> bool:
        return False

    async def step(self) -> float | None:
        if not self._wanted:
            self.done = True
            return None
        await self._client.run(self._pace.wait(self._rows_a_page))
        making, table, after = self._comparer.making, self._table, self._after
        rows, whole = await self._reads.run(
            lambda connection: whole_chunk(connection, making, table, after, self._rows_a_page)
        )
        for each in whole:
            try:
                self._wanted.difference_update(making.items(each))
            except MappingError:
                continue  # the rows' own direction tells it
        if len(rows) < self._rows_a_page:
            self.done = True
            return None
        self._after = rows[-1].key
        return self._client.now()
