"""The credentials of the botocore client, fresh whenever a request is signed.

Botocore refreshes them in the call that finds them old, which on an event loop would hold up all others. So it is done
on a thread: ahead of time while the old ones are still good, and waited for only when they are not.
"""

from __future__ import annotations

import asyncio
import contextlib
import inspect
import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Final

from crossfade.aws.lean.failures import NotSent

CREDENTIALS_CHECK_SECONDS: Final = 1.0  # how often it is asked whether they are old; expiry is a matter of minutes
# Botocore's own: within the last ten minutes of their life it waits for new ones.
MANDATORY_SECONDS: Final = 600


@dataclass(frozen=True, slots=True)
class SigningKeys:
    access_key: str
    secret_key: str
    token: str | None
    account_id: str | None = None


class SignerIdentity:
    """`credentials` is botocore's object, or aiobotocore's, whose methods are awaited; None where there are none."""

    def __init__(self, credentials: Any, clock: Callable[[], float] = time.monotonic) -> None:
        self._credentials = credentials
        self._clock = clock
        self._keys: SigningKeys | None = None
        self._look_at = 0.0
        self._refreshing: asyncio.Task[SigningKeys] | None = None

    def at_hand(self) -> SigningKeys | None:
        """Return the keys without waiting, or None when `keys` must be awaited."""
        return self._keys if self._clock() < self._look_at else None

    async def keys(self) -> SigningKeys:
        """Raises NotSent when there are none, or none that are good any more."""
        if self._credentials is None:
            raise NotSent("no credentials", next_step="configure them for the botocore client that is given")
        if not self._must_refresh(None):
            return self._looked(await self._frozen())
        if self._refreshing is None:
            self._refreshing = asyncio.create_task(self._refresh(), name="crossfade-credentials")
            self._refreshing.add_done_callback(self._refreshed)
        if self._keys is not None and not self._must_refresh(MANDATORY_SECONDS):
            return self._looked(self._keys)
        return await asyncio.shield(self._refreshing)

    async def aclose(self) -> None:
        if self._refreshing is not None:
            _ = self._refreshing.cancel()
            with contextlib.suppress(asyncio.CancelledError, NotSent):
                _ = await self._refreshing

    def _must_refresh(self, within_seconds: int | None) -> bool:
        needed: Any = getattr(self._credentials, "refresh_needed", None)
        return needed is not None and bool(needed(refresh_in=within_seconds))

    async def _refresh(self) -> SigningKeys:
        """A failure is botocore's own word; who waited gets it, and the next call tries again."""
        try:
            if inspect.iscoroutinefunction(self._credentials.get_frozen_credentials):
                return self._looked(await self._frozen())
            return self._looked(await asyncio.to_thread(self._frozen_now))
        except Exception as error:
            raise NotSent(f"no fresh credentials: {type(error).__name__}: {error}") from error

    def _refreshed(self, task: asyncio.Task[SigningKeys]) -> None:
        self._refreshing = None
        if not task.cancelled():
            _ = task.exception()  # taken, though nobody may have waited: the old ones are still good

    async def _frozen(self) -> SigningKeys:
        frozen: Any = self._credentials.get_frozen_credentials()
        return _as_keys(await frozen if inspect.isawaitable(frozen) else frozen)

    def _frozen_now(self) -> SigningKeys:
        return _as_keys(self._credentials.get_frozen_credentials())

    def _looked(self, keys: SigningKeys) -> SigningKeys:
        """Keep the keys; return the same object as before where they have not changed, so that templates stay valid."""
        if keys != self._keys:
            self._keys = keys
        self._look_at = self._clock() + CREDENTIALS_CHECK_SECONDS
        return self._keys or keys


def _as_keys(frozen: Any) -> SigningKeys:
    return SigningKeys(frozen.access_key, frozen.secret_key, frozen.token, getattr(frozen, "account_id", None))
