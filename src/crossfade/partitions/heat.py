"""A sketch of which keys are hot, of bounded size, for whoever records traffic.

It is the Space-Saving sketch of Metwally, Agrawal and El Abbadi (2005): of `size` keys that are counted, the least one
makes room for a new one, which takes its count over as the most by which it may be wrong. So every key that has more
than one part in `size` of all units is in it. Sketches of several processes are merged, and stored as a record.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Final

SIZE: Final = 256  # keys: what has more than 0.4 % of all units is never missed; about 30 KB as a record
SIZE_MAX: Final = 10_000


@dataclass(slots=True)
class Heat:
    """What was counted of one key. `over`: the units of it that may be another key's."""

    reads: int = 0
    writes: int = 0
    read_units: float = 0.0
    write_units: float = 0.0
    over: float = 0.0

    @property
    def units(self) -> float:
        """What the sketch orders keys by: a write unit is three read units, as a partition has three times as many."""
        return self.over + self.read_units + 3 * self.write_units

    def add(self, other: Heat) -> None:
        self.reads += other.reads
        self.writes += other.writes
        self.read_units += other.read_units
        self.write_units += other.write_units
        self.over += other.over


class KeyHeat:
    """A sketch of partition keys with their requests and units."""

    def __init__(self, size: int = SIZE) -> None:
        if not 1 <= size <= SIZE_MAX:
            raise ValueError(f"a sketch of {size} keys; 1 to {SIZE_MAX} are possible")
        self.size = size
        self.keys: dict[str, Heat] = {}
        self.total = Heat()

    def read(self, key: str, units: float) -> None:
        """Count a read."""
        self._add(key, Heat(reads=1, read_units=units))

    def write(self, key: str, units: float) -> None:
        """Count a write."""
        self._add(key, Heat(writes=1, write_units=units))

    def merge(self, other: KeyHeat) -> None:
        """Add what another process has counted."""
        self.total.add(other.total)
        for key, heat in other.keys.items():
            self.keys.setdefault(key, Heat()).add(heat)
        hottest = sorted(self.keys.items(), key=lambda entry: (-entry[1].units, entry[0]))
        self.keys = dict(hottest[: self.size])

    def record(self) -> dict[str, Any]:
        """Return it as JSON has it."""
        return {"size": self.size, "total": _record(self.total), "keys": {k: _record(h) for k, h in self.keys.items()}}

    @classmethod
    def from_record(cls, record: Mapping[str, Any]) -> KeyHeat:
        """Read a record. Raises KeyError, TypeError or ValueError for one that is none."""
        made = cls(int(record["size"]))
        made.total = _heat(record["total"])
        made.keys = {str(key): _heat(held) for key, held in dict[str, Any](record["keys"]).items()}
        return made

    def _add(self, key: str, counted: Heat) -> None:
        self.total.add(counted)
        held = self.keys.get(key)
        if held is None:
            held = self.keys[key] = Heat(over=self._make_room())
        held.add(counted)

    def _make_room(self) -> float:
        if len(self.keys) < self.size:
            return 0.0
        least = min(self.keys, key=lambda key: self.keys[key].units)
        return self.keys.pop(least).units


def _record(heat: Heat) -> dict[str, float]:
    return {
        "reads": heat.reads,
        "writes": heat.writes,
        "read_units": heat.read_units,
        "write_units": heat.write_units,
        "over": heat.over,
    }


def _heat(record: Mapping[str, Any]) -> Heat:
    return Heat(
        int(record["reads"]),
        int(record["writes"]),
        float(record["read_units"]),
        float(record["write_units"]),
        float(record.get("over", 0.0)),
    )
