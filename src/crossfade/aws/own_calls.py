"""One call of our own, through a client that may be the very one the hooks are on.

So credentials, endpoint, TLS, timeouts and user agent are the caller's. `OWN` marks the call: the hooks leave it
alone, and three handlers serve it. A boto3 resource would take our attribute values for Python values, so the request
is put back as we made it, and the reply is taken before it is converted. And botocore does not send a write a second
time after an unknown outcome, because the first might land after the second; what DynamoDB refused it tries again as
the caller configured it.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Generator
from contextlib import contextmanager
from contextvars import ContextVar
from dataclasses import dataclass
from typing import Any, Final, cast

from botocore import xform_name  # pyright: ignore[reportUnknownVariableType]
from botocore.exceptions import ClientError, ParamValidationError

from crossfade.aws.clients import SERVICE
from crossfade.core.effects import Reply, Request
from crossfade.core.request.error_codes import BUSY_REASONS, RACED_REASONS
from crossfade.core.request.names import WRITES
from crossfade.errors import CrossfadeError, ServiceRejected, UnknownOutcome, invalid_request

ERROR_FROM: Final = 300
SERVER_ERROR: Final = 500
NEEDS_RETRY: Final = f"needs-retry.{SERVICE}"
TRY_ONCE: Final = "crossfade:own:once"
CANCELLED: Final = "TransactionCanceledException"


@dataclass(frozen=True, slots=True)
class Carried:
    """Another migration's part of a call that is under way: in what we send for the caller, its request may be."""

    name: str
    sending: Callable[[], None]  # to be called before each sending of a write; raises what forbids it


@dataclass(slots=True)
class OwnCall:
    """`names`: the migrations on whose behalf it is made, or which had their part before; to the others it is a
    caller's. `is_tried_once`: whoever makes it tries again himself."""

    operation: str
    request: Request
    names: frozenset[str]
    carried: tuple[Carried, ...] = ()
    reply: Reply | None = None
    is_tried_once: bool = False


OWN: ContextVar[OwnCall | None] = ContextVar("crossfade_own_call", default=None)
# What the migrations before the one whose turn it is have made of a call, which they wait for.
CARRIED: ContextVar[tuple[Carried, ...]] = ContextVar("crossfade_carried", default=())


@contextmanager
def own_call(
    operation: str, request: Request, name: str, *, is_tried_once: bool = False
) -> Generator[OwnCall, None, None]:
    """Mark the calls made within it as our own; errors come out as ServiceRejected or UnknownOutcome."""
    outer, carried = OWN.get(), CARRIED.get()
    names = frozenset({name, *(each.name for each in carried)})
    if outer is not None:
        names, carried = names | outer.names, outer.carried + carried
    own = OwnCall(operation, request, names, carried, is_tried_once=is_tried_once)
    token = OWN.set(own)
    try:
        yield own
    except CrossfadeError:
        raise
    except Exception as error:
        raise as_outcome(error) from error
    finally:
        OWN.reset(token)


def call(client: Any, operation: str, request: Request, name: str = "", *, is_tried_once: bool = False) -> Reply:
    """Carry out one request on behalf of the migration `name`, blocking. Raises ServiceRejected or UnknownOutcome.
    `is_tried_once`: for a client of `register_once`."""
    with own_call(operation, request, name, is_tried_once=is_tried_once) as own:
        method = cast("Callable[..., Reply]", getattr(client, method_name(operation)))
        reply = method(**request)
        return reply if own.reply is None else own.reply


async def call_async(
    client: Any, operation: str, request: Request, name: str = "", *, is_tried_once: bool = False
) -> Reply:
    """Carry out one of our own calls with a client of aiobotocore."""
    with own_call(operation, request, name, is_tried_once=is_tried_once) as own:
        method = cast("Callable[..., Awaitable[Reply]]", getattr(client, method_name(operation)))
        reply = await method(**request)
        return reply if own.reply is None else own.reply


# --- the handlers, for the emitter of a client that our own calls go through and that has no hooks


def own_events() -> list[tuple[str, str, Callable[..., None]]]:
    """How to register, for which event, and what."""
    return [
        ("register_last", "before-parameter-build", restore_parameters),
        ("register_first", "needs-retry", send_once),
        ("register_first", "needs-retry", call_it_throttled),
        ("register_first", "after-call", take_reply),
    ]


def register_own(events: Any) -> None:
    """Let a client carry calls of ours. Several may share one, so registrations are counted."""
    for how, event, handler in own_events():
        name, unique = f"{event}.{SERVICE}", f"crossfade:own:{handler.__name__}"
        getattr(events, how)(name, handler, unique_id=unique, unique_id_uses_count=True)


def unregister_own(events: Any) -> None:
    """Take one registration back."""
    for _, event, handler in own_events():
        unique = f"crossfade:own:{handler.__name__}"
        events.unregister(f"{event}.{SERVICE}", unique_id=unique, unique_id_uses_count=True)


def register_once(events: Any) -> None:
    """Let a client make one attempt of those calls of ours that ask for it. Registrations are counted."""
    events.register_first(NEEDS_RETRY, try_once, unique_id=TRY_ONCE, unique_id_uses_count=True)


def unregister_once(events: Any) -> None:
    events.unregister(NEEDS_RETRY, unique_id=TRY_ONCE, unique_id_uses_count=True)


def try_once(response: tuple[Any, Reply] | None, caught_exception: Exception | None, **_: Any) -> None:
    own = OWN.get()
    if own is None or not own.is_tried_once:
        return
    if caught_exception is not None:
        raise UnknownOutcome(f"{type(caught_exception).__name__}: {caught_exception}") from caught_exception
    if response is not None and response[0].status_code >= ERROR_FROM:
        raise outcome_of(response[0].status_code, response[1])


def restore_parameters(params: Request, **_: Any) -> None:
    own = OWN.get()
    if own is not None:
        params.clear()
        params.update(own.request)


def send_once(response: tuple[Any, Reply] | None, caught_exception: Exception | None, operation: Any, **_: Any) -> None:
    own = OWN.get()
    if own is None or own.operation not in WRITES:
        return
    if caught_exception is not None:
        raise UnknownOutcome(f"{type(caught_exception).__name__}: {caught_exception}") from caught_exception
    if response is not None and response[0].status_code >= SERVER_ERROR:
        raise outcome_of(response[0].status_code, response[1]) from ClientError(response[1], operation.name)


def call_it_throttled(response: tuple[Any, Reply] | None, **_: Any) -> None:
    """Give a transaction of ours that was cancelled by throttling the code of a throttled single operation, which is
    what the caller asked for: so botocore sends it again as the client is configured. `outcome_of` gives its own code
    back."""
    if response is None or OWN.get() is None:
        return
    error: Reply = response[1].get("Error") or {}
    if error.get("Code") != CANCELLED:
        return
    reasons: list[Reply] = response[1].get("CancellationReasons") or []
    codes = {reason.get("Code", "None") for reason in reasons} - {"None"}
    if codes <= BUSY_REASONS and codes - RACED_REASONS:
        error["Code"] = "ProvisionedThroughputExceededException"


def take_reply(http_response: Any, parsed: Reply, **_: Any) -> None:
    own = OWN.get()
    if own is not None and own.reply is None and http_response.status_code < ERROR_FROM:
        own.reply = dict(parsed)
        metadata = parsed.get("ResponseMetadata")
        parsed.clear()
        if metadata is not None:
            parsed["ResponseMetadata"] = metadata


# --- what an exception or an answer means


def method_name(operation: str) -> str:
    name: str = cast("Any", xform_name)(operation)
    return name


def as_outcome(error: Exception) -> CrossfadeError:
    """What an exception out of botocore says about the request."""
    if isinstance(error, CrossfadeError):
        return error
    if isinstance(error, ClientError):
        response: Reply = cast("Any", error).response
        return outcome_of(status_of(response), response)
    if isinstance(error, ParamValidationError):
        return invalid_request(str(error))
    return UnknownOutcome(f"{type(error).__name__}: {error}")


def outcome_of(status_code: int, parsed: Reply) -> CrossfadeError:
    """A parsed error answer."""
    error = parsed.get("Error", {})
    if "CancellationReasons" in parsed:  # of a cancelled transaction alone, which may be called throttled
        error["Code"] = CANCELLED
    code, text = str(error.get("Code", status_code)), str(error.get("Message", ""))
    if status_code >= SERVER_ERROR:
        return UnknownOutcome(f"{code}: {text}")
    return ServiceRejected(code, text, parsed)


def status_of(response: Reply) -> int:
    metadata = response.get("ResponseMetadata", {})
    return int(metadata.get("HTTPStatusCode", 400))
