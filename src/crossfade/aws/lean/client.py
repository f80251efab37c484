"""One call, from the request to the reply, with as many attempts as the rules allow."""

from __future__ import annotations

import asyncio
import random
import time
import uuid
import warnings
import zlib
from collections.abc import Callable
from typing import Any, Final, Self

from crossfade.aws.botocore_private import credentials_of
from crossfade.aws.lean.connection import Answer
from crossfade.aws.lean.decoding import decoded
from crossfade.aws.lean.encoding import encoded
from crossfade.aws.lean.failures import Failure, FailureKind, failed
from crossfade.aws.lean.identity import SignerIdentity, SigningKeys
from crossfade.aws.lean.operations import LeanOperation
from crossfade.aws.lean.refusals import failure_of
from crossfade.aws.lean.retrying import RetryRules
from crossfade.aws.lean.routes import Routes, names_arn
from crossfade.aws.lean.settings import LeanSettings, settings_of
from crossfade.aws.lean.signing import Signer
from crossfade.core.effects import Reply, Request
from crossfade.drivers.unique import unique
from crossfade.errors import ConfigurationError

CONNECTIONS_MAX: Final = 32  # what one core can keep busy with a service that answers in milliseconds
QUEUE_MAX: Final = 1000  # calls that wait for one; more means that whoever makes them does not look at the answers
LEAN_ERROR_FROM: Final = 300
COUNTER_BITS: Final = 48  # the last group of an invocation id


class BulkClient:
    """Made on any thread, used on one event loop: the one of its first call."""

    def __init__(self, botocore_client: Any, settings: LeanSettings, clock: Callable[[], float] = time.time) -> None:
        self._settings = settings
        self._identity = SignerIdentity(credentials_of(botocore_client))
        self._signer = Signer(clock)
        self._rules = RetryRules(settings.retry_mode, settings.attempts_max)
        self._routes = Routes(botocore_client, settings)
        self._chance = random.Random()  # noqa: S311 - jitter
        self._invocation = str(uuid.uuid4())[:24]
        self._calls = 0
        self._loop: asyncio.AbstractEventLoop | None = None
        self._closed = False

    @classmethod
    def like(
        cls,
        botocore_client: Any,
        *,
        connections_max: int = CONNECTIONS_MAX,
        queue_max: int = QUEUE_MAX,
        attempts_max: int | None = None,
    ) -> Self:
        """Reaches DynamoDB as this client of botocore or aiobotocore does; `attempts_max` None: as it is set there.

        The limits are for each host that is talked to. The client's event handlers are not called, and closing it does
        not matter here. Raises ConfigurationError.
        """
        return cls(botocore_client, settings_of(botocore_client, connections_max, queue_max, attempts_max))

    async def call(self, operation: str, request: Request) -> Reply:
        """Carry out one request. Raises ServiceRejected or UnknownOutcome; of the latter, a NotSent was certainly not.

        Request and reply are in botocore's low-level form. What a batch left unprocessed is in the reply.
        """
        if asyncio.get_running_loop() is not self._loop:
            self._bind()
        known = self._routes.operation(operation)
        if known.token_member and known.token_member not in request:
            request = {**request, known.token_member: unique()}
        body = encoded(request)
        self._calls = self._calls + 1
        invocation = f"amz-sdk-invocation-id: {self._invocation}{self._calls % 2**COUNTER_BITS:012x}\r\n"
        attempt = 1
        while True:
            try:
                reply = await self._attempt(known, request, body, invocation, attempt)
            except Failure as failure:
                delay = self._delay_seconds(failure, known, attempt)
                if delay is None:
                    raise failure.outcome from failure.__cause__
            else:
                self._rules.succeeded(attempt - 1)
                return reply
            attempt += 1
            await asyncio.sleep(delay)

    async def aclose(self) -> None:
        """Ends what is under way: as an unknown outcome what was sent, as NotSent what was waiting."""
        self._closed = True
        await self._identity.aclose()
        await self._routes.aclose()

    def forget(self) -> None:
        """Drop connections and loop in a forked child; they are the parent's, and nothing is done to them."""
        self._closed = True

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(self, *_: object) -> None:
        await self.aclose()

    def __del__(self) -> None:
        loop = getattr(self, "_loop", None)
        if loop is None or self._closed:
            return
        warnings.warn("a BulkClient was not closed: await client.aclose()", ResourceWarning, stacklevel=2)
        self._routes.abandon(loop)

    def _bind(self) -> None:
        if self._loop is not None:
            raise ConfigurationError(
                "a BulkClient is used on one event loop, and this is another", next_step="make one for each loop"
            )
        self._loop = asyncio.get_running_loop()

    async def _attempt(
        self, operation: LeanOperation, request: Request, body: bytes, invocation: str, attempt: int
    ) -> Reply:
        """Raises Failure, or NotSent where trying again is of no use."""
        keys: SigningKeys | None = None
        if self._settings.signed:
            keys = self._identity.at_hand() or await self._identity.keys()
        route = self._routes.known(operation, keys)
        if route is None or names_arn(request):
            route = await self._routes.find(operation, keys, request)
        retries = "" if attempt == 1 else f"; max={self._rules.attempts_max}"
        sdk_headers = f"{invocation}amz-sdk-request: attempt={attempt}{retries}\r\n"
        answer = await route.pool.exchange(self._signer.signed(route.template, body, sdk_headers))
        return _reply(operation, answer, attempt - 1)

    def _delay_seconds(self, failure: Failure, operation: LeanOperation, attempt: int) -> float | None:
        """Before the next attempt; None: there is none. A clock that is wrong is put right first."""
        again = attempt == 1 or attempt < self._rules.attempts_max  # once even for who wants but one attempt
        if failure.kind is FailureKind.REFUSED and again and self._signer.corrected(failure):
            return 0.0
        chance = self._chance.random()
        return self._rules.delay_seconds(failure, attempt, repeatable=operation.repeatable, chance=chance)


def _reply(operation: LeanOperation, answer: Answer, retries: int) -> Reply:
    status_code, headers, body = answer
    checksum = headers.get("x-amz-crc32")
    if checksum is not None and str(zlib.crc32(body)) != checksum:
        raise failed(FailureKind.DAMAGED, f"the answer does not match its checksum ({checksum})")
    metadata: Reply = {"HTTPStatusCode": status_code, "HTTPHeaders": headers, "RetryAttempts": retries}
    request_id = headers.get("x-amzn-requestid")
    if request_id is not None:
        metadata["RequestId"] = request_id
    if status_code >= LEAN_ERROR_FROM:
        raise failure_of(operation, answer, metadata)
    try:
        reply = decoded(operation, body)
    except ValueError as error:
        raise failed(FailureKind.BROKEN, f"the answer is no DynamoDB answer: {error}") from error
    reply["ResponseMetadata"] = metadata
    return reply
