"""What the mapping makes of the sampled items: everything that the target would refuse, lose or mix up.

DynamoDB accepts an item or refuses it whole, so each rule here is one of its own: the sizes of items and keys, how deep
lists and maps lie in each other, what numbers and sets may be, and the types of index keys, which an item may lack but
not fill with anything else. The source may have lived without them.
"""

from __future__ import annotations

import difflib
from collections import Counter
from collections.abc import Iterator, Sequence

from crossfade.check.report import Finding, Severity, Tallies
from crossfade.core.items import (
    ITEM_BYTES_MAX,
    AttributeValue,
    Item,
    ValidationError,
    size_bytes,
    stored_item,
    value_bytes,
)
from crossfade.core.mapping import CompiledMapping
from crossfade.core.mapping.paths import Path, show
from crossfade.core.mapping.piece import Piece
from crossfade.core.mapping.rehearsal import Rehearsal, rehearse
from crossfade.core.mapping.suffix import Suffix, encode
from crossfade.core.mapping.values import show_value
from crossfade.core.request.limits import STAMP_BYTES
from crossfade.core.tables.index_keys import KEY_ROLE_BYTES_MAX, KEY_ROLES, IndexKey, Role

ITEM_BYTES_WARNING = 380 * 1024  # items grow; the stamp and the new key take their part
PATHS_MAX = 10_000  # attribute names remembered for "did you mean": data used as names must not fill the memory
DEPTH_MAX = 5


_SAYINGS: dict[str, tuple[Severity, str, str]] = {  # code: severity, what, next step
    "unmappable": (
        "error",
        "{about} cannot map some items: they would not come back as they are",
        "correct these items in the source, or choose a piece that can hold what they hold",
    ),
    "key-collision": (
        "error",
        "items of the source with different keys become one item in the target",
        "bring all of the source's key into the target's key",
    ),
    "item-too-large": (
        "error",
        f"items over {ITEM_BYTES_MAX:,} bytes after mapping, stamp included: the target would refuse them",
        "make these items smaller in the source, or drop() what is not needed",
    ),
    "item-large": (
        "warning",
        f"items over {ITEM_BYTES_WARNING:,} bytes after mapping, stamp included; an item may have {ITEM_BYTES_MAX:,}",
        "see to it that they do not grow",
    ),
    "item-refused": (
        "error",
        "items that hold after mapping what DynamoDB does not store: the target would refuse them",
        "correct these items in the source, or choose a piece that leaves them as they are",
    ),
    "key-too-large": (
        "error",
        "the target's key attribute {about} would be too long: 2,048 bytes for a partition key, 1,024 for a sort key",
        "shorten what the key is made of",
    ),
    "index-key": (
        "error",
        "{about} cannot hold what some items would put there: the target would refuse these items",
        "correct these items in the source, convert() or rename() the attribute, or leave the index out",
    ),
    "declared-loss": (
        "info",
        "[{about}]: what these items hold there is lost, as declared; a rollback does not bring it back",
        "",
    ),
}


class Examination:
    """Give it every sampled item, then read its findings. Memory: the keys of the sample, and its attribute names."""

    def __init__(self, mapping: CompiledMapping, indexes: Sequence[IndexKey]) -> None:
        self._mapping = mapping
        self._indexes = indexes
        self._roles: list[tuple[str, Role]] = [
            (name, role) for (name, _), role in zip(mapping.target_key, KEY_ROLES, strict=False)
        ]
        self._tallies = Tallies(_SAYINGS)
        self._source_of: dict[bytes, Item] = {}
        self._paths: Counter[Path] = Counter()
        self._reached: Counter[int] = Counter()
        self._acted: Counter[int] = Counter()
        self._suffixes: dict[int, Counter[int]] = {}
        self._partitions = (Counter[bytes](), Counter[bytes]())  # source, target
        self.items = 0
        self.mapped = 0

    def add(self, item: Item) -> None:
        self.items += 1
        self._remember(item, ())
        done = rehearse(self._mapping, item)
        for number in range(done.reached):
            self._reached[number] += 1
        self._acted.update(done.acted)
        shown = _show_key(item, [name for name, _ in self._mapping.source_key])
        if done.fault is not None:
            self._tallies.of("unmappable", _piece_at_fault(done, self._mapping)).add(f"{shown}: {done.fault.message}")
        if done.target is None:
            return
        self.mapped += 1
        for number in done.lost:
            self._tallies.of("declared-loss", self._mapping.pieces[number].describe()).add(shown)
        for number, chosen in done.suffixes:
            self._suffixes.setdefault(number, Counter())[chosen] += 1
        self._examine(item, done.target, shown)

    def _examine(self, item: Item, target: Item, shown: str) -> None:
        try:
            _ = stored_item(target)
        except ValidationError as refusal:
            self._tallies.of("item-refused", "").add(f"{shown}: {refusal.message}")
            return
        names = [name for name, _ in self._mapping.target_key]
        key = encode([target[name] for name in names])
        other = self._source_of.setdefault(key, item)
        if other is not item:
            twin = _show_key(other, [name for name, _ in self._mapping.source_key])
            self._tallies.of("key-collision", "").add(f"{shown} and {twin} -> {_show_key(target, names)}")
        for counter, held, name in zip(
            self._partitions,
            (item, target),
            (self._mapping.source_partition_key, self._mapping.target_partition_key),
            strict=True,
        ):
            counter[encode([held[name]])] += 1
        size = size_bytes(target) + STAMP_BYTES
        if size > ITEM_BYTES_WARNING:
            code = "item-too-large" if size > ITEM_BYTES_MAX else "item-large"
            self._tallies.of(code, "").add(f"{shown}: {size:,} bytes")
        for name, role in self._roles:
            if (length := value_bytes(target[name])) > KEY_ROLE_BYTES_MAX[role]:
                self._tallies.of("key-too-large", name).add(f"{shown}: {length:,} bytes")
        for index in self._indexes:
            value = target.get(index.attribute)
            if value is not None and (wrong := _wrong_index_key(value, index)):
                self._tallies.of("index-key", f"{index.attribute} of index {index.index}").add(f"{shown}: {wrong}")

    def _remember(self, container: dict[str, AttributeValue], parent: Path) -> None:
        for name, value in container.items():
            path = (*parent, name)
            if path in self._paths or len(self._paths) < PATHS_MAX:
                self._paths[path] += 1
            if "M" in value and len(path) < DEPTH_MAX:
                self._remember(value["M"], path)

    def findings(self) -> Iterator[Finding]:
        yield from self._tallies.findings()
        yield from self._idle_pieces()
        yield from self._unnamed()
        yield from self._spread()

    def _idle_pieces(self) -> Iterator[Finding]:
        for number, piece in enumerate(self._mapping.pieces):
            if self._acted[number] or not self._reached[number]:
                continue
            meant = self._did_you_mean(piece)
            yield Finding(
                "error",
                "piece-without-match",
                f"[{piece.describe()}] found nothing to do in any sampled item{meant and f': did you mean {meant}?'}",
                next_step="correct the name; if such items are only rare, take a larger sample",
            )

    def _did_you_mean(self, piece: Piece) -> str:
        seen = {show(path): path for path in self._paths}
        absent = [show(path) for path in (*piece.takes, *piece.alters) if path not in self._paths]
        close = [match for name in absent for match in difflib.get_close_matches(name, seen, n=1)]
        return ", ".join(repr(name) for name in close)

    def _unnamed(self) -> Iterator[Finding]:
        if any(piece.opaque for piece in self._mapping.pieces):
            return
        touched = {path[0] for piece in self._mapping.pieces for path in (*piece.takes, *piece.alters)}
        touched |= {name for name, _ in (*self._mapping.source_key, *self._mapping.target_key_extras)}
        left = sorted((-count, path[0]) for path, count in self._paths.items() if len(path) == 1)
        names = [f"{name} ({-count})" for count, name in left if name not in touched]
        if names:
            shown = ", ".join(names[:20]) + (f" and {len(names) - 20} more" if len(names) > 20 else "")
            yield Finding("info", "passed-through", f"attributes that no piece names pass through as they are: {shown}")

    def _spread(self) -> Iterator[Finding]:
        for number, chosen in self._suffixes.items():
            piece = self._mapping.pieces[number]
            if not isinstance(piece, Suffix):
                continue
            least, most = min(chosen[each] for each in range(piece.count)), max(chosen.values())
            yield Finding(
                "info",
                "suffix-spread",
                f"[{piece.describe()}]: {len(chosen)} of {piece.count} suffixes used, {least} to {most} items each",
                chosen.total(),
            )
        if self.mapped and self._mapping.key_pieces:
            before, after = (max(counter.values()) for counter in self._partitions)
            what = f"the largest partition of the sample has {before} items in the source and {after} in the target"
            yield Finding("info", "largest-partition", what, self.mapped)


def _piece_at_fault(done: Rehearsal, mapping: CompiledMapping) -> str:
    if done.reached and done.reached - 1 in done.acted:
        return f"[{mapping.pieces[done.reached - 1].describe()}]"
    return "the mapping"


def _wrong_index_key(value: AttributeValue, index: IndexKey) -> str:
    """Why DynamoDB would refuse an item with this value, or nothing."""
    if index.kind not in value:
        return f"{show_value(value)} is of type {next(iter(value))}, not {index.kind}"
    if index.kind != "N" and not value[index.kind]:
        return "it is empty"
    length, most = value_bytes(value), KEY_ROLE_BYTES_MAX[index.role]
    return f"{length:,} bytes, and the most is {most:,}" if length > most else ""


def _show_key(item: Item, names: Sequence[str]) -> str:
    return ", ".join(f"{name}={show_value(item[name]) if name in item else 'missing'}" for name in names)
