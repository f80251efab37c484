"""Make the other store hold what the authority holds, under one key: the mirror, which is also the repair.

The operation is never repeated. What the authority holds is saved in the other store, and the authority is loaded again
until it is what was saved; so it needs no order and no clock, and is right for whatever the operation was.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Final

from crossfade.core.effects import Now, Routine, Sleep
from crossfade.core.mirroring import backoff_seconds
from crossfade.core.stages import Side, other_side
from crossfade.errors import CrossfadeError
from crossfade.switch.declaring import Mirror
from crossfade.switch.invoking import Invoke, Raised

ROUNDS_MAX: Final = 20  # a key that others keep on writing may change between each two looks; later, then


class NotSettled(CrossfadeError):
    """The authority was something else at each look. All saves have been answered."""


class SaveFailed(CrossfadeError):
    """The other store did not answer a save, begun at `sent`, which may still land."""

    def __init__(self, message: str, sent: float) -> None:
        super().__init__(message)
        self.sent = sent


def sync(mirror: Mirror, authority: Side, key: Any, is_followed: Callable[[], bool]) -> Routine[None]:
    """Raises SaveFailed; Raised where a load failed; NotSettled. `is_followed`: whether another mirror of this key
    comes after this one anyway, so that this one need not go on until nothing changes."""
    other = other_side(authority)
    for attempt in range(ROUNDS_MAX):
        there = (yield from Invoke(other, mirror.load, (key,))) if mirror.conditional else None
        held = yield from Invoke(authority, mirror.load, (key,))
        arguments = (key, held, there) if mirror.conditional else (key, held)
        sent = yield from Now()
        try:
            saved = yield from Invoke(other, mirror.save, arguments, writes=True)
        except Raised as raised:
            raise SaveFailed(raised.message, sent) from raised.error
        if mirror.conditional and not saved:
            yield from Sleep(backoff_seconds(attempt))
            continue
        if is_followed() or (yield from Invoke(authority, mirror.load, (key,))) == held:
            return
    raise NotSettled(
        f"{mirror.load}({key!r}) gave another image at each of {ROUNDS_MAX} looks",
        next_step="a busy key is mirrored a little later; images that never compare equal need __eq__",
    )
