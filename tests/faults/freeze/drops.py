"""Rules of the switch and of the ETL that can be taken out, so that it can be seen that their absence is found."""

from __future__ import annotations

import asyncio
import inspect
from collections.abc import Callable
from concurrent.futures import Executor
from contextlib import AbstractContextManager
from typing import Any, Final
from unittest.mock import patch

from crossfade.cdc import applying
from crossfade.cdc.etl import applier
from crossfade.cdc.etl.applier import Applier
from crossfade.cdc.etl.membership import Membership
from crossfade.control.records import RepairRecord
from crossfade.control.repairs import forget_repair
from crossfade.core.effects import Call as EffectCall
from crossfade.core.effects import Note, Request, Routine, Sleep
from crossfade.core.mapping import STAMP
from crossfade.core.stages import Row, Side
from crossfade.errors import CrossfadeError, MappingError, ServiceRejected, UnknownOutcome
from crossfade.switch import repairing
from crossfade.switch.intents import Intent, Intents
from crossfade.switch.invoking import Invoke, Raised, Repositories
from crossfade.switch.keys import key_of
from crossfade.switch.mirror import Mirror
from crossfade.switch.switchboard import Call, Switchboard, SwitchScope

ended, write_ended, put_if, put = Switchboard.ended, Intents.write_ended, applying.put_if, Applier.put
settled = Intents.settled
sync = Mirror.sync


def write_first(self: Switchboard, call: Call) -> Routine[Any]:
    """The record comes behind the write."""
    answer = yield from call.invoke.on(call.row.authority)
    if self.mirrors(call.row):
        for key, text in call.keys:
            yield from self._intend(call, key, text)  # pyright: ignore[reportPrivateUsage]
    return answer


def tried_once(mirror: Mirror, authority: Side, key: Any, is_followed: Callable[[], bool]) -> Routine[None]:
    """A mirror that fails counts as one that has seen both sides equal."""
    try:
        yield from sync(mirror, authority, key, is_followed)
    except CrossfadeError:
        return


def all_is_known(self: Switchboard, call: Call, scope: SwitchScope, _error: object, now: float) -> None:
    """What has raised has an outcome like everything else."""
    ended(self, call, scope, None, now)


def lands_never(self: Intents, intent: Intent, now: float, _lands_until: float) -> None:
    """A record may go though the write may still land."""
    write_ended(self, intent, now, float("-inf"))


def settled_at_its_end(self: Intents, text: str, ended: int, _began: float, now: float) -> RepairRecord | None:
    """A mirror counts that has ended when nothing could land any more, whenever it began."""
    return settled(self, text, ended, now, now)


def nothing_late(_self: Switchboard, _error: CrossfadeError) -> float:
    """A save without an answer lands no more."""
    return float("-inf")


def nobodys(*_: object) -> Routine[list[Any]]:
    """What others have left is left alone."""
    yield from ()
    return []


def repaired_once(self: Switchboard, left: RepairRecord, row: Row) -> Routine[None]:
    """What others have left is repaired without being recorded under our name."""
    try:
        yield from self.mirror.sync(row.authority, key_of(left.key), lambda: False)
    except CrossfadeError as error:
        yield from Note("repair_failed", {"key": left.key, "error": error.message})
        yield from Sleep(self.landing_seconds)
        return
    yield from forget_repair(self.agent.control, left)


def nothing_due(*_: object) -> list[Intent]:
    """A mirror that has failed is not tried again."""
    return []


def everything_known(_self: Intents, _text: str) -> bool:
    """No record is one that this process has forgotten."""
    return True


async def as_it_comes(self: Repositories, effect: Invoke, executor: Executor) -> Any:
    """A method that is cancelled by whatever it waits for ends what called it, like an end of the process."""
    method = self.bound(effect)
    try:
        if inspect.iscoroutinefunction(method):
            return await method()
        return await asyncio.get_running_loop().run_in_executor(executor, method)
    except Exception as error:
        raise Raised(error) from error


# --- of the ETL


def unlocked(request: Request, **lock: Any) -> Routine[bool]:
    """An item of several rows is written over whatever is there."""
    kept = ("TableName", "Item") if lock else request
    return (yield from put_if({name: request[name] for name in kept}, **lock))


def removed(request: Request, **lock: Any) -> Routine[bool]:
    """Nothing is left of an item that is gone."""
    done = yield from put_if(request, **lock)
    if done and "deleted" in request["Item"].get(STAMP, {"M": {}})["M"]:
        key = {name: request["Item"][name] for name in ("pk", "sk")}
        _ = yield from EffectCall("target", "DeleteItem", {"TableName": request["TableName"], "Key": key})
    return done


def sent_once(request: Request, **_lock: Any) -> Routine[bool]:
    """A write without an answer counts as done."""
    try:
        _ = yield from EffectCall("target", "PutItem", request)
    except UnknownOutcome:
        return True
    except ServiceRejected as error:
        if error.code != "ConditionalCheckFailedException":
            raise
        return False
    return True


def done_first(self: Applier, lane: Any, changes: Any, *, done: Callable[[], None], put_aside: Any) -> None:
    """An offset counts as soon as what it tells has been read."""
    done()
    put(self, lane, changes, done=lambda: None, put_aside=put_aside)


def any_refusal(error: CrossfadeError) -> bool:
    """Whatever DynamoDB refuses is a dead letter."""
    return isinstance(error, (ServiceRejected, MappingError))


def with_errors(self: Membership) -> list[Any]:
    """What tells that a broker is away is handed on like a message."""
    self._gathered = []  # pyright: ignore[reportPrivateUsage]
    message = self._consumer.poll(0.1)  # pyright: ignore[reportPrivateUsage]
    while message is not None:
        if message.error() is not None:
            self._raise(message)  # pyright: ignore[reportPrivateUsage]
        self._gathered.append(message)  # pyright: ignore[reportPrivateUsage]
        message = self._consumer.poll(0)  # pyright: ignore[reportPrivateUsage]
    return self._gathered  # pyright: ignore[reportPrivateUsage]


def always(condition: str, name: str) -> str:
    """Whatever is there."""
    return f"{condition} OR attribute_exists({name})"


FREEZE_DROPS: Final[dict[str, Callable[[], AbstractContextManager[Any]]]] = {
    "record_first": lambda: patch.object(Switchboard, "_write", write_first),
    "both_equal": lambda: patch.object(Mirror, "sync", tried_once),
    "unknown_outcome": lambda: patch.object(Switchboard, "ended", all_is_known),
    "record_until_landed": lambda: patch.object(Intents, "write_ended", lands_never),
    "began_behind_landing": lambda: patch.object(Intents, "settled", settled_at_its_end),
    "save_may_land": lambda: patch.object(Switchboard, "_lands_until", nothing_late),
    "records_of_others": lambda: patch.object(repairing, "orphans", nobodys),
    "taken_over": lambda: patch.object(Switchboard, "take_over", repaired_once),
    "mirror_again": lambda: patch.object(Intents, "due", nothing_due),
    "records_forgotten": lambda: patch.object(Intents, "knows", everything_known),
    "cancelled_within": lambda: patch.object(Repositories, "call_async", as_it_comes),
    "version": lambda: patch.object(applying, "NOT_NEWER", always(applying.NOT_NEWER, "#stamp")),
    "part_version": lambda: patch.object(applying, "PART_NOT_NEWER", always(applying.PART_NOT_NEWER, "#version")),
    "tombstone": lambda: patch.object(applying, "put_if", removed),
    "rebuild_lock": lambda: patch.object(applying, "put_if", unlocked),
    "write_again": lambda: patch.object(applying, "put_if", sent_once),
    "offset_behind": lambda: patch.object(Applier, "put", done_first),
    "dead_letters": lambda: patch.object(applier, "cannot_be_applied", any_refusal),
    "errors_of_kafka": lambda: patch.object(Membership, "_gather", with_errors),
}
