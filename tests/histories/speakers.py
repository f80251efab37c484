"""The kinds of clients that applications are written with, spoken to alike: low-level requests, low-level answers."""

from __future__ import annotations

import asyncio
import importlib
import threading
import time
from collections.abc import Callable, Coroutine
from dataclasses import dataclass
from functools import partial
from typing import Any, Final, Protocol

import botocore.session
from boto3.dynamodb.types import TypeSerializer
from botocore.exceptions import BotoCoreError, ClientError

from crossfade import attach
from crossfade.aws.aio_router import AioRouter
from crossfade.aws.clients import attached, landing_seconds_of
from crossfade.aws.router import AttachSettings
from crossfade.aws.sync_router import SyncRouter
from crossfade.core.items import Item
from crossfade.core.rules import Rules
from crossfade.errors import CrossfadeError
from crossfade.migration import Migration
from crossfade.observe import Watch
from tests.contract.answers import list_of
from tests.contract.values import python_values
from tests.histories import scenes

KINDS: Final = ("boto3", "resource", "aiobotocore")
START_SECONDS_MAX: Final = 30.0
START_PAUSE_SECONDS: Final = 0.2
Reply = dict[str, Any]
Join = Callable[[Any], Any]


class Speaker(Protocol):
    """`client` has the methods of a low-level client; `detach` tells whether all that was begun has ended."""

    client: Any

    def detach(self) -> bool: ...


def options_of(endpoint_url: str, key_id: str) -> dict[str, Any]:
    return {
        "endpoint_url": endpoint_url,
        "region_name": "us-east-1",
        "aws_access_key_id": key_id,
        "aws_secret_access_key": "crossfade",
    }


def config_of(attempts: int) -> dict[str, Any]:
    """`attempts`: of one call; an append that is repeated unseen is there twice, so what is told of it must say so."""
    return {
        "connect_timeout": scenes.CONNECT_TIMEOUT_SECONDS,
        "read_timeout": scenes.READ_TIMEOUT_SECONDS,
        "retries": {"total_max_attempts": attempts},
        "max_pool_connections": 24,
    }


def speaker(kind: str, options: dict[str, Any], attempts: int, migration: Migration, dropped: str) -> Speaker:
    """Return an attached client of this kind, with one rule of the protocol left out where one is named.

    Where attaching fails (the control table is throttled, credentials have expired), it is tried again for a while, as
    what starts processes would start this one again.
    """
    join = partial(attached_to, migration, dropped)
    until = time.monotonic() + START_SECONDS_MAX
    while True:
        try:
            return made(kind, options, attempts, join)
        except (CrossfadeError, BotoCoreError, ClientError):
            if time.monotonic() > until:
                raise
            time.sleep(START_PAUSE_SECONDS)


def made(kind: str, options: dict[str, Any], attempts: int, join: Join) -> Speaker:
    if kind == "aiobotocore":
        return OnLoop(options, config_of(attempts), join)
    if kind == "resource":
        return AsResource(options, config_of(attempts), join)
    return Plain(options, config_of(attempts), join)


def attached_to(migration: Migration, dropped: str, client: Any) -> Any:
    """As applications do it; without a rule by the door that the proofs have, which applications have not."""
    lease, poll = scenes.LEASE_SECONDS, scenes.POLL_SECONDS
    if not dropped:
        return attach(client, migration, lease_seconds=lease, poll_seconds=poll)
    found = attached(client)
    settings = AttachSettings(migration, landing_seconds_of(found.client), lease, poll, Rules.without(dropped))
    return (AioRouter if found.asynchronous else SyncRouter)(found, settings, Watch(None, migration.name))


class Plain:
    """A client of botocore's."""

    def __init__(self, options: dict[str, Any], config: dict[str, Any], join: Join) -> None:
        configured: Any = importlib.import_module("botocore.config").Config(**config)
        session: Any = botocore.session.Session()
        self.client = session.create_client("dynamodb", config=configured, **options)
        self._router = join(self.client)

    def detach(self) -> bool:
        return bool(self._router.detach())


class AsResource:
    """A resource of boto3's, which takes and gives values of Python."""

    def __init__(self, options: dict[str, Any], config: dict[str, Any], join: Join) -> None:
        configured: Any = importlib.import_module("botocore.config").Config(**config)
        session: Any = importlib.import_module("boto3.session").Session()
        resource = session.resource("dynamodb", config=configured, **options)
        self.client = Translated(resource.meta.client)
        self._router = join(resource)

    def detach(self) -> bool:
        return bool(self._router.detach())


@dataclass(frozen=True, slots=True)
class Translated:
    """The client of a resource, with requests and answers of the low-level form. Its errors have that form anyway."""

    resources: Any

    def __getattr__(self, method: str) -> Callable[..., Reply]:
        def call(**request: Any) -> Reply:
            return low_level(getattr(self.resources, method)(**python_values(request)))

        return call


def low_level(reply: Reply) -> Reply:
    """Return an answer in DynamoDB's form."""
    found = dict(reply)
    for name in ("Item", "Attributes", "LastEvaluatedKey"):
        if name in found:
            found[name] = item_of(found[name])
    if "Items" in found:
        found["Items"] = [item_of(each) for each in list_of(found["Items"])]
    responses: Any = found.get("Responses")
    if isinstance(responses, list):
        found["Responses"] = [low_level(each) for each in list_of(responses)]
    elif responses is not None:
        found["Responses"] = {table: [item_of(each) for each in items] for table, items in responses.items()}
    keys: dict[str, Any] = found.get("UnprocessedKeys") or {}
    if keys:
        found["UnprocessedKeys"] = {
            table: {"Keys": [item_of(k) for k in asked["Keys"]]} for table, asked in keys.items()
        }
    entries: dict[str, Any] = found.get("UnprocessedItems") or {}
    if entries:
        found["UnprocessedItems"] = {table: [entry_of(each) for each in left] for table, left in entries.items()}
    return found


def entry_of(entry: Any) -> Any:
    return {kind: {member: item_of(item) for member, item in request.items()} for kind, request in dict(entry).items()}


def item_of(values: Any) -> Item:
    serializer: Any = TypeSerializer()
    return {name: serializer.serialize(value) for name, value in dict(values).items()}


class OnLoop:
    """A client of aiobotocore's, on an event loop in a thread of its own, called by the others."""

    def __init__(self, options: dict[str, Any], config: dict[str, Any], join: Join) -> None:
        self._loop = asyncio.new_event_loop()
        threading.Thread(target=self._loop.run_forever, name="event-loop", daemon=True).start()
        self._wait(self._begin(options, config, join))
        self.client = Waited(self._client, self._wait)

    async def _begin(self, options: dict[str, Any], config: dict[str, Any], join: Join) -> None:
        configured: Any = importlib.import_module("aiobotocore.config").AioConfig(**config)
        session: Any = importlib.import_module("aiobotocore.session").get_session()
        self._client: Any = await session.create_client("dynamodb", config=configured, **options).__aenter__()
        self._router = join(self._client)
        await self._router.ready()

    def detach(self) -> bool:
        return bool(self._wait(self._router.aclose()))

    def _wait(self, work: Coroutine[Any, Any, Any]) -> Any:
        return asyncio.run_coroutine_threadsafe(work, self._loop).result()


@dataclass(frozen=True, slots=True)
class Waited:
    """The methods of a client on a loop, as those of one that blocks."""

    client: Any
    wait: Callable[[Coroutine[Any, Any, Any]], Any]

    def __getattr__(self, method: str) -> Callable[..., Reply]:
        def call(**request: Any) -> Reply:
            reply: Reply = self.wait(getattr(self.client, method)(**request))
            return reply

        return call
