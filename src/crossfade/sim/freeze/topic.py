"""A topic and the group that reads it: partitions, kept offsets with their metadata, and whose partitions they are."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Any, Final, Protocol
from zlib import crc32

from crossfade.cdc.etl.progress import PartitionProgress, Progress, unpacked_mark
from crossfade.cdc.inputs.own import MARKER
from crossfade.sim.processes import Process
from crossfade.sim.world import World

NAME: Final = "log"
LATENCY_SECONDS: Final = (0.001, 0.02)
REMEMBERED: Final = 8  # kept offsets of before, to which the group may go back
DRAIN_SECONDS: Final = 1.0  # for which a member that lives is waited for before its partitions are another's


@dataclass(frozen=True, slots=True)
class Message:
    key: bytes | None
    value: bytes
    headers: Sequence[tuple[str, bytes]]


@dataclass(slots=True)
class Kept:
    """What the group has kept of a partition: all below `offset` is dealt with."""

    offset: int = 0
    metadata: str = ""


class Member(Protocol):
    """One that has partitions. `give_up` drains and keeps what it can, then calls back; `lose` is not asked."""

    @property
    def process(self) -> Process: ...
    def take(self, partition: int, kept: Kept) -> None: ...
    def give_up(self, partition: int, then: Callable[[], None]) -> None: ...
    def lose(self, partition: int) -> None: ...


@dataclass(slots=True)
class Topic:
    world: World
    partitions: list[list[Message]]
    kept: list[Kept]
    members: list[Member] = field(default_factory=list[Member])
    owners: dict[int, Member] = field(default_factory=dict[int, Member])
    _before: list[tuple[int, Kept]] = field(default_factory=list[tuple[int, Kept]])
    _moving: dict[int, int] = field(default_factory=dict[int, int])  # by partition, which move of it is the last
    _moves: int = 0

    @classmethod
    def of(cls, world: World, count: int) -> Topic:
        return cls(world, [[] for _ in range(count)], [Kept() for _ in range(count)])

    def partition_of(self, key: bytes) -> int:
        return crc32(key) % len(self.partitions)

    def progress(self) -> Progress:
        """Return the progress as the broker tells it."""
        found = [
            PartitionProgress(NAME, number, kept.offset, len(self.partitions[number]), unpacked_mark(kept.metadata))
            for number, kept in enumerate(self.kept)
        ]
        return Progress(tuple(found), self.world.now)

    def is_read(self) -> bool:
        """Whether nothing but markers is left to be dealt with."""
        return all(
            message.value.startswith(MARKER)
            for messages, kept in zip(self.partitions, self.kept, strict=True)
            for message in messages[kept.offset :]
        )

    # --- the group

    def join(self, member: Member) -> None:
        if member not in self.members:
            self.members.append(member)
        self.balance()

    def leave(self, member: Member) -> None:
        """At once: it has nothing any more."""
        if member in self.members:
            self.members.remove(member)
        for partition in [number for number, owner in self.owners.items() if owner is member]:
            del self.owners[partition]
        self.balance()

    def expel(self, member: Member) -> None:
        """Remove a member that was silent for too long; it learns so when it goes on."""
        lost = [number for number, owner in self.owners.items() if owner is member]
        for partition in lost:
            member.lose(partition)
        self.leave(member)

    def keep(self, member: Member, partition: int, offset: int, metadata: str) -> bool:
        """Keep an offset, of the member that has the partition."""
        if self.owners.get(partition) is not member:
            return False
        self._before.append((partition, self.kept[partition]))
        del self._before[:-REMEMBERED]
        self.kept[partition] = Kept(offset, metadata)
        return True

    def go_back(self) -> None:
        """The broker has forgotten the last thing that it kept of a partition, which goes to another member."""
        if self._before:
            partition, kept = self.world.random.choice(self._before)
            if kept.offset <= self.kept[partition].offset:
                self._begin_again({partition: kept})

    def replay(self) -> None:
        """Let the group read everything again from the beginning."""
        self._begin_again({partition: Kept() for partition in range(len(self.partitions))})

    def _begin_again(self, kept: dict[int, Kept]) -> None:
        for partition, found in kept.items():
            owner = self.owners.pop(partition, None)
            if owner is not None:
                owner.lose(partition)
            self.kept[partition] = found
        self.balance()

    def balance(self) -> None:
        """Each partition is somebody's, as evenly as chance has it."""
        self.members = [member for member in self.members if member.process.alive]
        if not self.members:
            self.owners.clear()
            return
        for partition in range(len(self.partitions)):
            member = self.world.random.choice(self.members)
            owner = self.owners.get(partition)
            if owner is not member:
                self._move(partition, owner, member)

    def _move(self, partition: int, owner: Member | None, member: Member) -> None:
        self._moves += 1
        move = self._moving[partition] = self._moves

        def take() -> None:
            if self._moving[partition] != move:
                return  # another one has overtaken this
            self._moves += 1
            self._moving[partition] = self._moves
            if owner is not None and self.owners.get(partition) is owner:
                owner.lose(partition)
            if member in self.members:
                self.owners[partition] = member
                member.take(partition, self.kept[partition])
            else:  # it has left meanwhile
                _ = self.owners.pop(partition, None)
                self.balance()

        if owner is None or not owner.process.alive:
            self.world.after(0.01, take)
            return
        owner.give_up(partition, take)
        self.world.after(DRAIN_SECONDS, take)


class Producer:
    """Stands in for Kafka's client: in order within its session, nothing twice, acknowledged a moment later."""

    def __init__(self, world: World, topic: Topic, process: Process) -> None:
        self._world = world
        self._topic = topic
        self._process = process
        self._acknowledged: list[Callable[[Any, Any], None]] = []
        self._lands_at = 0.0
        self._left: int | None = None  # of a session that is cut off: how many messages still get there

    def produce(
        self,
        _topic: str,
        value: bytes,
        *,
        headers: Sequence[tuple[str, bytes]],
        on_delivery: Callable[[Any, Any], None],
        key: bytes | None = None,
        partition: int = -1,
    ) -> None:
        number = self._topic.partition_of(key) if key is not None else partition
        world = self._world
        self._lands_at = max(self._lands_at, world.now + world.random.uniform(*LATENCY_SECONDS))

        def lands() -> None:
            if self._process.alive and self._process.paused_until > world.now:
                world.at(self._process.paused_until, lands)
                return
            if self._left is not None:
                if not self._left:
                    return
                self._left -= 1
            self._topic.partitions[number].append(Message(key, value, headers))
            self._acknowledged.append(on_delivery)

        world.at(self._lands_at, lands)

    def cut_off(self, left: int) -> None:
        """Let only the first `left` messages under way arrive: the process is gone."""
        self._left = left

    def poll(self, _seconds: float) -> int:
        told, self._acknowledged = self._acknowledged, []
        for each in told:
            each(None, None)
        return len(told)

    def list_topics(self, topic: str, **_how: Any) -> Any:
        """Tell the partitions, which is all that anybody asks."""
        return _Topics({topic: _Found(dict.fromkeys(range(len(self._topic.partitions))))})


@dataclass(frozen=True, slots=True)
class _Found:
    partitions: dict[int, None]
    error: None = None


@dataclass(frozen=True, slots=True)
class _Topics:
    topics: dict[str, _Found]
