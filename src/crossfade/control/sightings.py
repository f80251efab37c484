"""When a client that says nothing any more counts as gone.

Nobody compares clocks of two machines. Whoever waits counts its own seconds for which it has seen one and the same
beat. The renewal behind that beat was sent before it was first seen, so once the lease and the landing time have passed
since then, the client has stopped by its own clock and all that it sent has landed.
"""

from __future__ import annotations

from collections.abc import Iterable

from crossfade.control.records import Lease


class Sightings:
    """Which beat of which client was first seen when, in the seconds of whoever looks."""

    __slots__ = ("_first", "_met")

    def __init__(self) -> None:
        self._first: dict[str, tuple[int, float]] = {}
        self._met: dict[str, int] = {}  # the beat at which a client was met

    def see(self, leases: Iterable[Lease], now: float) -> None:
        """`leases` are all there are, read before `now`."""
        before = self._first
        self._first = {}
        for lease in leases:
            beat, since = before.get(lease.client, (-1, now))
            self._first[lease.client] = (lease.beat, since if beat == lease.beat else now)
            _ = self._met.setdefault(lease.client, lease.beat)

    def silent_seconds(self, lease: Lease, now: float) -> float:
        """For how long this beat has been the last one, as far as was seen."""
        beat, since = self._first.get(lease.client, (-1, now))
        return now - since if beat == lease.beat else 0.0

    def gave_sign_of_life(self, lease: Lease) -> bool:
        """Whether it has renewed since it was met: its record alone may be that of a client long dead."""
        return self._met.get(lease.client, lease.beat) != lease.beat

    def is_gone(self, lease: Lease, now: float) -> bool:
        return self.silent_seconds(lease, now) >= lease.gone_after_seconds
