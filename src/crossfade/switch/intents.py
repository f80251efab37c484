"""What this process has begun to write and not yet seen equal on both sides. No I/O; for any thread.

Each key in here has a record in the control table (`control/repairs.py`), put before the first write. However many
writes of a key overlap, they share it. It goes when a mirror that began after the last of them ended has seen both
sides equal, and no request of them can land any more.
"""

from __future__ import annotations

import threading
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Final

from crossfade.control.records import RepairRecord
from crossfade.core.sync.retry import Backoff
from crossfade.switch.keys import digest_of

# About 1 KB each. An application whose other store has been away for so many keys needs a verify, not a longer queue.
KEYS_MAX: Final = 100_000
REASON_LENGTH_MAX: Final = 200  # the record is read by everybody who waits
RETRIES: Final = Backoff(seconds_first=0.2, seconds_max=30.0)
NET_SECONDS: Final = 30.0  # after which a key is looked at though its mirror has said nothing: it was dropped, perhaps


@dataclass(slots=True)
class Intent:
    key: Any
    text: str
    client: str  # under whose name its record is
    serial: str
    sent: bool = False  # the record has been sent, perhaps in vain
    put: bool = False
    open: int = 0  # writes that have not ended
    ended: int = 0  # those that have
    lands_until: float = float("-inf")
    failures: int = 0
    retry_at: float = float("inf")
    reason: str = ""
    taken_over: bool = False  # another client has left it

    def record(self) -> RepairRecord:
        return RepairRecord(self.client, digest_of(self.text), self.text, self.serial, self.reason)


class Intents:
    def __init__(self, new_serial: Callable[[], str], *, keys_max: int = KEYS_MAX) -> None:
        self._new_serial = new_serial
        self._keys_max = keys_max
        self._lock = threading.Lock()
        self._intents: dict[str, Intent] = {}

    def __len__(self) -> int:
        with self._lock:
            return len(self._intents)

    def take(self, key: Any, text: str, client: str) -> Intent | None:
        """A write of this key begins. None: there is no room to remember one more."""
        with self._lock:
            intent = self._intents.get(text)
            if intent is None:
                if len(self._intents) >= self._keys_max:
                    return None
                intent = self._intents[text] = Intent(key, text, client, self._new_serial())
            elif intent.client != client:
                self._rename(intent, client)
            intent.open += 1
            return intent

    def was_put(self, intent: Intent, serial: str) -> None:
        with self._lock:
            intent.put = intent.put or intent.serial == serial

    def write_ended(self, intent: Intent, now: float, lands_until: float) -> None:
        """Note that the write has ended; without an answer it may land until `lands_until`."""
        with self._lock:
            intent.open -= 1
            intent.ended += 1
            intent.lands_until = max(intent.lands_until, lands_until)
            intent.retry_at = min(intent.retry_at, now + NET_SECONDS)

    def look(self, text: str) -> int | None:
        """How many writes have ended, to be asked before the mirror begins. None: there is nothing to do any more."""
        with self._lock:
            intent = self._intents.get(text)
            return None if intent is None else intent.ended

    def settled(self, text: str, ended: int, began: float, now: float) -> RepairRecord | None:
        """A mirror that began at this time, when so many writes had ended, has seen both sides equal: the record to
        delete, if that was all. What could still land when it began may have landed behind its save."""
        with self._lock:
            intent = self._intents.get(text)
            if intent is None:
                return None
            intent.failures, intent.retry_at, intent.reason = 0, now + NET_SECONDS, ""
            if intent.open or intent.ended != ended:
                return None  # another mirror follows
            if began < intent.lands_until:
                intent.retry_at = intent.lands_until
                return None
            del self._intents[text]
            return intent.record() if intent.sent else None

    def failed(self, text: str, reason: str, now: float, lands_until: float) -> None:
        """Note that the key's mirror has failed, and may still land."""
        with self._lock:
            intent = self._intents.get(text)
            if intent is not None:
                intent.reason = reason[:REASON_LENGTH_MAX]
                intent.lands_until = max(intent.lands_until, lands_until)
                intent.retry_at = now + RETRIES.seconds(intent.failures)
                intent.failures += 1

    def due(self, now: float, client: str, count: int) -> list[Intent]:
        """Some of those whose mirror should be tried again. One that was begun under a lease that is gone is put anew,
        since others may have forgotten it by now."""
        with self._lock:
            found: list[Intent] = []
            for intent in self._intents.values():
                if len(found) == count:
                    break
                stale = intent.client != client and not intent.open
                if stale:
                    self._rename(intent, client)
                if stale or now >= intent.retry_at:
                    intent.retry_at = now + NET_SECONDS
                    found.append(intent)
            return found

    def knows(self, text: str) -> bool:
        with self._lock:
            return text in self._intents

    def _rename(self, intent: Intent, client: str) -> None:
        intent.client, intent.serial = client, self._new_serial()
        intent.sent = intent.put = False
