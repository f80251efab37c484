"""What keeps the other store equal under one key: the mirror, which is also the repair.

The operation is never repeated. What the authority holds is saved in the other store, and the authority is loaded again
until it is what was saved; so it needs no order and no clock, and is right for whatever the operation was. `Mirror`
does so by methods of the repositories; between two tables of DynamoDB, `tables.py` does.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, Final, Literal, Protocol

from crossfade.control.freezing import fingerprint_of_switch
from crossfade.control.starting import StartPlan
from crossfade.control.store import TABLE_DEFAULT
from crossfade.core.effects import Now, Place, Routine, Sleep
from crossfade.core.stages import FREEZE_STRATEGY, Side, other_side
from crossfade.core.sync.retry import BACKGROUND
from crossfade.errors import CrossfadeError
from crossfade.switch.invoking import Invoke, Raised

ROUNDS_MAX: Final = 20  # a key that others keep on writing may change between each two looks; later, then


class NotSettled(CrossfadeError):
    """The authority was something else at each look. All saves have been answered."""


class SaveFailed(CrossfadeError):
    """The other store did not answer a save, begun at `sent`, which may still land."""

    def __init__(self, message: str, sent: float) -> None:
        super().__init__(message)
        self.sent = sent


class KeepsEqual(Protocol):
    """What a switch asks of a mirror."""

    @property
    def carried(self) -> Literal["", "log"]:
        """Tells what brings writes of the source to the target: this mirror (""), or the source's row log."""
        ...

    @property
    def methods(self) -> tuple[str, ...]:
        """The methods that both repositories must have for it."""
        ...

    @property
    def clients(self) -> Mapping[Place, Any]:
        """Clients of botocore for the mirror's own requests."""
        ...

    @property
    def landing_seconds(self) -> float:
        """How long after it was begun a write that it has sent may still be carried out."""
        ...

    def plan(self, name: str) -> StartPlan:
        """What the migration begins with."""
        ...

    def control_table(self, name: str, given: str) -> str:
        """Return the control table of the switch `name`, whose application gave `given`. Raises ConfigurationError."""
        ...

    def look(self) -> Routine[None]:
        """See to it that both stores are where they are said to be. Raises ConfigurationError."""
        ...

    def check_key(self, key: Any) -> None:
        """Raises NotPossibleInStage for what cannot be a key of an entity."""
        ...

    def sync(self, authority: Side, key: Any, is_followed: Callable[[], bool]) -> Routine[None]:
        """Make the other store hold what the authority holds. `is_followed`: whether another mirror of this key comes
        after this one anyway, so that this one need not go on until nothing changes.

        Raises SaveFailed; Raised where a load failed; NotSettled.
        """
        ...


@dataclass(frozen=True, slots=True)
class Mirror:
    """How the other side is made equal: `load(key)` gives all of an entity, or None; `save(key, image)` makes it so,
    deleting it for None. Both repositories have both methods, and the images of both compare with `==`.

    `carried="log"`: what is written to the source reaches the target by its row log, so that only the way back, from
    the target to the source, is ours. `conditional`: `save(key, image, held)` writes only while the store holds what
    it held, and returns whether it did; it closes the last hole, a process that sleeps for longer than its lease
    between two instructions.
    """

    load: str = "image"
    save: str = "store"
    carried: Literal["", "log"] = ""
    conditional: bool = False

    @property
    def methods(self) -> tuple[str, ...]:
        return self.load, self.save

    @property
    def clients(self) -> Mapping[Place, Any]:
        return {}

    @property
    def landing_seconds(self) -> float:
        return 0.0

    def plan(self, name: str) -> StartPlan:
        fingerprint, carried = fingerprint_of_switch(self.carried), self.carried == "log"
        return StartPlan(FREEZE_STRATEGY, f"{name} (old)", f"{name} (new)", fingerprint, carried)

    def control_table(self, name: str, given: str) -> str:  # noqa: ARG002 - see KeepsEqual
        return given or TABLE_DEFAULT

    def look(self) -> Routine[None]:
        """The stores are the application's own affair."""
        yield from ()

    def check_key(self, key: Any) -> None:
        """Any value can be one."""

    def sync(self, authority: Side, key: Any, is_followed: Callable[[], bool]) -> Routine[None]:
        other = other_side(authority)
        for attempt in range(ROUNDS_MAX):
            there = (yield from Invoke(other, self.load, (key,))) if self.conditional else None
            held = yield from Invoke(authority, self.load, (key,))
            arguments = (key, held, there) if self.conditional else (key, held)
            sent = yield from Now()
            try:
                saved = yield from Invoke(other, self.save, arguments, writes=True)
            except Raised as raised:
                raise SaveFailed(raised.message, sent) from raised.error
            if self.conditional and not saved:
                yield from Sleep(BACKGROUND.seconds(attempt))
                continue
            if is_followed() or (yield from Invoke(authority, self.load, (key,))) == held:
                return
        raise NotSettled(
            f"{self.load}({key!r}) gave another image at each of {ROUNDS_MAX} looks",
            next_step="a busy key is mirrored a little later; images that never compare equal need __eq__",
        )
