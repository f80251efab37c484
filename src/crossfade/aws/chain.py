"""The migrations attached to one emitter, in a row: a request goes down the row, its answer comes back up.

So one request may be about tables of several migrations, and a table may be the target of one that is complete and the
source of the next: what the first makes of a request is what the second gets to see.

    crossfade-serving        an event of ours: which chains an emitter's handlers are of
    provide-client-params    note whether the caller chose the token of its transaction: botocore makes one up later
    before-parameter-build   last: the parameters are attribute values by now; keep them in the call's context, and
                             serialise them ourselves where another request will be sent (see `serializing`)
    choose-signer            where a caller wants it, requests are signed in less time (see `signer`)
    before-call              each in turn may take the operation over, or let it go on with another request
    request-created          once an attempt
    before-parse             of reads: what we take part in is parsed by us, in a tenth of the time that botocore takes
    needs-retry              of writes: our own are not sent again; which attempts of a caller's had no answer is noted
    after-call               first, before a resource converts the answer; each in turn, the last one first
    after-call-error         likewise; what goes wrong in one on the way comes to those before it as such an error

A call of our own (see `calls`) is served by the same handlers: what the hooks of other migrations make of it is what
it is answered with. Those that had their turn before leave it alone: their part of the caller's request may be in it.
"""

from __future__ import annotations

import inspect
import threading
import weakref
from collections.abc import Callable
from contextvars import ContextVar
from typing import Any, Final, cast

from crossfade.aws import turns
from crossfade.aws.clients import SERVICE
from crossfade.aws.hooks import CHOSEN, PARAMETERS, Hooks, Short
from crossfade.aws.lean.decoding import decoded
from crossfade.aws.lean.operations import LeanOperation, operation_of
from crossfade.aws.own_calls import (
    ERROR_FROM,
    OWN,
    SERVER_ERROR,
    call_it_throttled,
    restore_parameters,
    send_once,
    take_reply,
)
from crossfade.aws.serializing import ASIDE, SetAside
from crossfade.aws.unknown import KNOWN, refuse_unknown
from crossfade.core.effects import Reply, Request
from crossfade.core.request.names import READS, WRITES
from crossfade.errors import ConfigurationError
from crossfade.migration import Migration

TRANSACT: Final = "TransactWriteItems"
ASKED_AGAIN: Final = WRITES | {"TransactGetItems"}  # whose attempts are looked at one by one
WORTHWHILE_BYTES: Final = 200  # of an answer; what is shorter holds no item to speak of
BEFORE_CALL: Final = f"before-call.{SERVICE}"
CHOOSE_SIGNER: Final = f"choose-signer.{SERVICE}"
SERVING: Final = "crossfade-serving"  # an event of our own, which botocore does not emit
# Whether the request sent last, in this thread or task, is one that we take part in. To be wrong costs time only.
TAKES_PART: Final[ContextVar[bool]] = ContextVar("crossfade_ours", default=False)


class HookChain:
    def __init__(self, emitter: Any) -> None:
        self._emitter = emitter
        self._lock = threading.Lock()
        self._claimed: dict[str, Migration] = {}
        self._hooks: tuple[Hooks, ...] = ()
        self._signing: frozenset[Hooks] = frozenset()  # those that want the quick signer
        self._backwards: tuple[Hooks, ...] = ()
        self._operations: dict[str, LeanOperation] = {}
        self._aside = SetAside()

    def claim(self, migration: Migration, *, is_session: bool) -> None:
        """Reserve the migration's place before anything is joined.

        Raises ConfigurationError where a request would pass the hooks of this migration twice, or where what one
        migration writes would bypass those of another.
        """
        for chain in chains_of(self._emitter):
            if chain is not self and chain.hooks:
                names = ", ".join(hooks.name for hooks in chain.hooks)
                raise ConfigurationError(
                    f"migration {migration.name}: the session that this client was made from is attached to {names},"
                    " and so the client is",
                    next_step="attach the session, before the client is made; or make the client from another session",
                )
        with self._lock:
            if migration.name in self._claimed:
                raise ConfigurationError(
                    f"migration {migration.name} is attached to this {'session' if is_session else 'client'} already",
                    next_step="attach once, where the client is made, and keep the Router; detach() it to attach anew",
                )
            ours = {migration.source.name, migration.target.name}
            for other in self._claimed.values():
                shared = ours & {other.source.name, other.target.name}
                if is_session and shared:
                    raise ConfigurationError(
                        f"migrations {other.name} and {migration.name} share the table {shared.pop()}, and what one of"
                        " them mirrors through a session, the other would not see",
                        next_step="attach each client to both, instead of the session that makes them",
                    )
            self._claimed[migration.name] = migration

    def release(self, migration: Migration) -> None:
        """After which it may be attached anew."""
        with self._lock:
            _ = self._claimed.pop(migration.name, None)

    def add(self, hooks: Hooks, *, fast_signing: bool) -> None:
        """The first one registers the events. A migration comes before the one that its target is the source of.

        `fast_signing`: have the client's requests signed by the quick signer; for all of them, if one asks for it.
        """
        if not self._hooks:
            _CHAINS[self._emitter] = self
            for how, event, handler in self._events():
                getattr(self._emitter, how)(event, handler, unique_id=self._unique_id(event))
        if fast_signing:
            self._sign_for(self._signing | {hooks})
        target = hooks.engine.pair.target.name
        behind = [n for n, other in enumerate(self._hooks) if other.engine.pair.source.name == target]
        place = min(behind, default=len(self._hooks))
        self._set((*self._hooks[:place], hooks, *self._hooks[place:]))

    def remove(self, hooks: Hooks) -> None:
        self._set(tuple(other for other in self._hooks if other is not hooks))
        self._sign_for(self._signing - {hooks})
        if not self._hooks:
            _ = _CHAINS.pop(self._emitter, None)
            for _, event, _ in self._events():
                if event != BEFORE_CALL:
                    self._emitter.unregister(event, unique_id=self._unique_id(event))
            self._leave_calls()

    def _put_back(self, params: dict[str, Any], context: dict[str, Any]) -> None:
        self._aside.put_back(params, context)
        if not self._hooks:
            self._leave_calls()

    def _leave_calls(self) -> None:
        """Unregister the event that gives calls their own request back, once no call lacks it."""
        if not self._aside:
            self._emitter.unregister(BEFORE_CALL, unique_id=self._unique_id(BEFORE_CALL))

    def _unique_id(self, event: str) -> str:
        """A client has the handlers of the session that it was made from, under their ids, for ever: so a chain's own
        handlers say whose they are."""
        return f"crossfade:{event}:{id(self)}"

    def _sign_for(self, signing: frozenset[Hooks]) -> None:
        if signing and not self._signing:
            from crossfade.aws.signer import choose_signer

            self._emitter.register_last(CHOOSE_SIGNER, choose_signer, unique_id=self._unique_id(CHOOSE_SIGNER))
        elif self._signing and not signing:
            self._emitter.unregister(CHOOSE_SIGNER, unique_id=self._unique_id(CHOOSE_SIGNER))
        self._signing = signing

    def _set(self, hooks: tuple[Hooks, ...]) -> None:
        self._hooks, self._backwards = hooks, hooks[::-1]
        for each in hooks:
            each.only = len(hooks) == 1
            target = each.engine.pair.target.name
            each.is_followed = any(
                other.engine.pair.view == "source" and other.engine.pair.source.name == target for other in hooks
            )

    @property
    def hooks(self) -> tuple[Hooks, ...]:
        return self._hooks

    def _events(self) -> list[tuple[str, str, Callable[..., Any]]]:
        """How to register, for which event, and what."""
        return [
            ("register", SERVING, self.serves),
            ("register_first", f"provide-client-params.{SERVICE}.{TRANSACT}", self.provide_client_params),
            ("register_last", f"before-parameter-build.{SERVICE}", self.before_parameter_build),
            ("register", BEFORE_CALL, self.before_call),
            ("register_last", f"request-created.{SERVICE}", self.request_created),
            *(("register", f"before-parse.{SERVICE}.{read}", self.before_parse) for read in sorted(READS)),
            *(("register_first", f"needs-retry.{SERVICE}.{name}", self.needs_retry) for name in sorted(ASKED_AGAIN)),
            ("register_first", f"after-call.{SERVICE}", self.after_call),
            ("register_first", f"after-call-error.{SERVICE}", self.after_call_error),
        ]

    def serves(self, **_: Any) -> HookChain:
        return self

    def provide_client_params(self, params: Request, context: dict[str, Any], **_: Any) -> None:
        context[CHOSEN] = "ClientRequestToken" in params

    def before_parameter_build(self, params: Request, model: Any, context: dict[str, Any], **_: Any) -> None:
        context[PARAMETERS] = params
        if OWN.get() is not None:
            restore_parameters(params)
        elif len(self._hooks) == 1:
            hooks, operation = self._hooks[0], model.name
            if operation in hooks.plain and hooks.is_ours(params):
                context[PARAMETERS] = self._aside.take(operation, params, context)

    def request_created(self, request: Any, operation_name: str, **_: Any) -> None:
        own = OWN.get()
        if own is not None and own.carried and own.operation in WRITES:
            for each in own.carried:
                each.sending()
        ours = False
        for hooks in self._hooks:
            if hooks.request_created(request):
                ours = True
        if operation_name in READS:
            _token = TAKES_PART.set(ours)

    def needs_retry(
        self,
        response: tuple[Any, Reply] | None,
        caught_exception: Exception | None,
        request_dict: dict[str, Any],
        **more: Any,
    ) -> None:
        """After each attempt of a write. What DynamoDB refuses it has not done, so only the others count."""
        if response is not None and response[0].status_code < SERVER_ERROR:
            if OWN.get() is not None:
                call_it_throttled(response)
            return
        for hooks in self._hooks:
            hooks.had_no_answer(request_dict["context"])
        send_once(response=response, caught_exception=caught_exception, **more)

    def before_parse(
        self,
        operation_model: Any,
        response_dict: dict[str, Any],
        customized_response_dict: dict[str, Any] | None = None,
        **_: Any,
    ) -> None:
        """Parse the body ourselves and hand botocore an empty one. Older botocore has no hook for this."""
        if not TAKES_PART.get():
            return
        _token = TAKES_PART.set(False)
        body: bytes = response_dict["body"]
        if (
            len(body) < WORTHWHILE_BYTES
            or customized_response_dict is None
            or response_dict["status_code"] >= ERROR_FROM
        ):
            return
        name: str = operation_model.name
        operation = self._operations.get(name)
        if operation is None:
            operation = self._operations[name] = operation_of(operation_model.service_model, name)
        if operation.timestamps:
            return
        try:
            reply = decoded(operation, body)
        except ValueError:
            return  # botocore knows what to say
        customized_response_dict.update(reply)
        response_dict["body"] = b""

    def refuse_unknown(self, model: Any, context: dict[str, Any]) -> None:
        """Raise NotPossibleInStage for an operation that is not KNOWN and that no migration can look after."""
        parameters: Request | None = context.get(PARAMETERS)
        if parameters is not None:
            for hooks in self._hooks:
                refuse_unknown(hooks, model, parameters)

    # --- events that run routines: what they return is for botocore, and may be a coroutine

    def before_call(self, model: Any, params: dict[str, Any], context: dict[str, Any], **_: Any) -> Any:
        raise NotImplementedError

    def after_call(self, http_response: Any, parsed: Reply, context: dict[str, Any], **_: Any) -> Any:
        raise NotImplementedError

    def after_call_error(self, exception: Exception, context: dict[str, Any], **_: Any) -> Any:
        raise NotImplementedError


class SyncChain(HookChain):
    def before_call(self, model: Any, params: dict[str, Any], context: dict[str, Any], **_: Any) -> Short | None:
        if ASIDE in context:
            self._put_back(params, context)
        if model.name not in KNOWN:
            self.refuse_unknown(model, context)
        row = self._hooks
        if len(row) == 1:
            alone: Short | None = row[0].before_call(model, params, context)
            return alone
        return turns.make(turns.down(row, model, params, context))

    def after_call(self, http_response: Any, parsed: Reply, context: dict[str, Any], **_: Any) -> None:
        row = self._backwards
        if len(row) == 1:
            row[0].after_call(http_response, parsed, context)
        else:
            turns.make(turns.up(row, http_response, parsed, context))
        if OWN.get() is not None:
            take_reply(http_response, parsed)

    def after_call_error(self, exception: Exception, context: dict[str, Any], **_: Any) -> None:
        error = turns.make(turns.error_up(self._backwards, exception, context))
        if error is not exception:
            raise error


class AioChain(HookChain):
    async def before_call(self, model: Any, params: dict[str, Any], context: dict[str, Any], **_: Any) -> Short | None:
        if ASIDE in context:
            self._put_back(params, context)
        if model.name not in KNOWN:
            self.refuse_unknown(model, context)
        row = self._hooks
        if len(row) == 1:
            alone: Short | None = await row[0].before_call(model, params, context)
            return alone
        return await turns.make_async(turns.down(row, model, params, context))

    async def after_call(self, http_response: Any, parsed: Reply, context: dict[str, Any], **_: Any) -> None:
        row = self._backwards
        if len(row) == 1:
            await row[0].after_call(http_response, parsed, context)
        else:
            await turns.make_async(turns.up(row, http_response, parsed, context))
        if OWN.get() is not None:
            take_reply(http_response, parsed)

    async def after_call_error(self, exception: Exception, context: dict[str, Any], **_: Any) -> None:
        error = await turns.make_async(turns.error_up(self._backwards, exception, context))
        if error is not exception:
            raise error


def chains_of(emitter: Any) -> list[HookChain]:
    """Every chain whose handlers this emitter has: its own, and that of the session whose emitter it is a copy of."""
    answer: Any = emitter.emit(SERVING)
    if inspect.iscoroutine(answer):  # aiobotocore's; nothing that handles this event waits
        try:
            answer.send(None)
        except StopIteration as stop:
            answer = stop.value
    told = cast("list[tuple[object, HookChain]]", answer)
    return [chain for _, chain in told]


def chain_of(emitter: Any, *, asynchronous: bool) -> HookChain:
    """Return the chain of an emitter; one for each."""
    found = _CHAINS.get(emitter)
    if found is None:
        found = _CHAINS[emitter] = AioChain(emitter) if asynchronous else SyncChain(emitter)
    return found


_CHAINS: Final[weakref.WeakKeyDictionary[Any, HookChain]] = weakref.WeakKeyDictionary()
