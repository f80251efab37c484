"""Credentials that grow old are refreshed without holding up the event loop, and by whoever owns them."""

from __future__ import annotations

import asyncio
import datetime
import threading
from typing import Any

import pytest
from botocore.credentials import Credentials, RefreshableCredentials

from crossfade.aws.lean.client import BulkClient
from crossfade.aws.lean.failures import NotSent
from crossfade.aws.lean.identity import CREDENTIALS_CHECK_SECONDS, SignerIdentity
from tests.aws.lean.scripted import GET, botocore_client, http, in_turn, scripted


class Source:
    """Hands out credentials that live for so many minutes; holds the request for them until it is opened."""

    def __init__(self, *minutes: int) -> None:
        self._minutes = list(minutes)
        self.count = 0
        self.threads: set[int] = set()
        self.opened = threading.Event()
        self.opened.set()
        self.error: Exception | None = None

    def metadata(self) -> dict[str, str]:
        self.count += 1
        minutes = self._minutes.pop(0) if len(self._minutes) > 1 else self._minutes[0]
        expiry = datetime.datetime.now(datetime.UTC) + datetime.timedelta(minutes=minutes, seconds=30)
        return {
            "access_key": f"AK{self.count}",
            "secret_key": "secret",
            "token": f"token{self.count}",
            "expiry_time": expiry.isoformat(),
        }

    def refresh(self) -> dict[str, str]:
        self.threads.add(threading.get_ident())
        assert self.opened.wait(10.0)
        if self.error is not None:
            raise self.error
        return self.metadata()

    def credentials(self) -> Any:
        made: Any = RefreshableCredentials
        return made.create_from_metadata(self.metadata(), refresh_using=self.refresh, method="test")


class Clock:
    def __init__(self) -> None:
        self.now = 100.0

    def __call__(self) -> float:
        return self.now


def test_good_credentials_are_at_hand() -> None:
    """Looked at once a second, and the same object as long as nothing has changed."""
    clock, source = Clock(), Source(60)
    identity = SignerIdentity(source.credentials(), clock)

    async def scenario() -> None:
        assert identity.at_hand() is None
        first = await identity.keys()
        assert (first.access_key, first.token) == ("AK1", "token1")
        assert identity.at_hand() is first
        clock.now += CREDENTIALS_CHECK_SECONDS
        assert identity.at_hand() is None
        assert await identity.keys() is first

    asyncio.run(scenario())
    assert source.count == 1


def test_the_old_ones_serve_until_the_new_ones_come() -> None:
    """No call waits for a refresh that is only advisable."""
    clock, source = Clock(), Source(60)
    credentials = source.credentials()
    identity = SignerIdentity(credentials, clock)

    async def scenario() -> None:
        _ = await identity.keys()
        credentials._expiry_time = datetime.datetime.now(datetime.UTC) + datetime.timedelta(minutes=12)
        source.opened.clear()
        clock.now += CREDENTIALS_CHECK_SECONDS
        assert (await identity.keys()).access_key == "AK1"
        source.opened.set()
        async with asyncio.timeout(5.0):
            while source.count < 2:
                await asyncio.sleep(0.001)
        clock.now += CREDENTIALS_CHECK_SECONDS
        async with asyncio.timeout(5.0):
            while (await identity.keys()).access_key != "AK2":
                await asyncio.sleep(0.001)

    asyncio.run(scenario())
    assert threading.get_ident() not in source.threads


def test_expired_credentials_are_waited_for_off_the_loop_and_once() -> None:
    """Ten calls, one refresh on another thread, and the loop turns meanwhile."""
    source = Source(1, 60)
    identity = SignerIdentity(source.credentials())
    source.opened.clear()

    async def scenario() -> None:
        calls = [asyncio.create_task(identity.keys()) for _ in range(10)]
        await asyncio.sleep(0.01)
        assert not any(call.done() for call in calls)
        source.opened.set()
        assert {keys.access_key for keys in await asyncio.gather(*calls)} == {"AK2"}

    asyncio.run(scenario())
    assert source.count == 2
    assert threading.get_ident() not in source.threads


def test_a_refresh_that_fails_sends_nothing_and_is_tried_again() -> None:
    """The caller gets what the source said; the next call asks it anew."""
    source = Source(1, 60)
    source.error = OSError("no metadata service")
    identity = SignerIdentity(source.credentials())

    async def scenario() -> None:
        with pytest.raises(NotSent, match="no metadata service"):
            _ = await identity.keys()
        source.error = None
        assert (await identity.keys()).access_key == "AK2"

    asyncio.run(scenario())


def test_a_cancelled_call_does_not_cancel_the_refresh() -> None:
    """Others wait for it too."""
    source = Source(1, 60)
    source.opened.clear()
    identity = SignerIdentity(source.credentials())

    async def scenario() -> None:
        first, second = asyncio.create_task(identity.keys()), asyncio.create_task(identity.keys())
        await asyncio.sleep(0.01)
        assert first.cancel()
        source.opened.set()
        assert (await second).access_key == "AK2"

    asyncio.run(scenario())


def test_requests_are_signed_with_the_new_credentials() -> None:
    """Key and token of the request are the refreshed ones, from the next call on."""
    source = Source(60)
    credentials = source.credentials()

    async def scenario() -> None:
        async with scripted(in_turn(http())) as server:
            theirs = botocore_client(server.url)
            theirs._request_signer._credentials = credentials
            async with BulkClient.like(theirs) as client:
                _ = await client.call("GetItem", GET)
                credentials._expiry_time = datetime.datetime.now(datetime.UTC)
                async with asyncio.timeout(10.0):
                    while source.count < 2:  # it is looked at once a second
                        await asyncio.sleep(0.05)
                        _ = await client.call("GetItem", GET)
        first, second = server.received[0], server.received[-1]
        assert "Credential=AK1/" in first.headers["authorization"]
        assert first.headers["x-amz-security-token"] == "token1"
        assert "Credential=AK2/" in second.headers["authorization"]
        assert second.headers["x-amz-security-token"] == "token2"

    asyncio.run(scenario())


def test_plain_credentials_that_are_changed_are_seen() -> None:
    """Botocore reads them at every call; here within a second."""
    clock, credentials = Clock(), Credentials("one", "secret")
    identity = SignerIdentity(credentials, clock)

    async def scenario() -> None:
        assert (await identity.keys()).access_key == "one"
        credentials.access_key = "two"
        clock.now += CREDENTIALS_CHECK_SECONDS
        assert (await identity.keys()).access_key == "two"

    asyncio.run(scenario())
