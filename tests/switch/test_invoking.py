"""Methods of repositories, called: on the caller's thread, on a loop, and what blocks on a thread beside the loop."""

from __future__ import annotations

import asyncio
import contextvars
from collections.abc import Awaitable
from concurrent.futures import ThreadPoolExecutor

import pytest

from crossfade.errors import ConfigurationError
from crossfade.switch.invoking import Invoke, Repositories

TENANT = contextvars.ContextVar("TENANT", default="nobody")


class Shop:
    def place(self) -> str:
        """Return for whom it is."""
        return TENANT.get()

    def hidden(self) -> Awaitable[str]:
        """What a decorator makes of a coroutine function."""
        return asyncio.sleep(0, "placed")


SHOPS = Repositories(Shop(), Shop())


def test_what_has_to_be_awaited_is_no_answer_of_a_switch_that_awaits_nothing() -> None:
    """It would be carried out behind the switch's back, after its mirror."""
    with pytest.raises(ConfigurationError, match="hidden of Shop gives something to be awaited"):
        _ = SHOPS.call(Invoke("source", "hidden", writes=True))


def test_what_blocks_has_the_context_of_its_caller_on_its_thread() -> None:
    """As with `asyncio.to_thread`: a tenant, a session, a trace."""

    async def play() -> tuple[str, str]:
        _ = TENANT.set("ann")
        with ThreadPoolExecutor(1) as executor:
            placed = await SHOPS.call_async(Invoke("target", "place"), executor)
            return placed, await SHOPS.call_async(Invoke("source", "hidden"), executor)

    assert asyncio.run(play()) == ("ann", "placed")
