"""The drivers, with one effect more: a method of a repository."""

from __future__ import annotations

from concurrent.futures import Executor
from typing import Any

from crossfade.core.effects import Effect
from crossfade.drivers.aio import AioBackground, AioDriver, AsyncCallFunction
from crossfade.drivers.local import NoteFunction
from crossfade.drivers.scope import Scope, TicketScope
from crossfade.drivers.sync import CallFunction, SyncDriver
from crossfade.switch.invoking import Invoke, Repositories
from crossfade.switch.switchboard import SwitchScope


class SwitchThreadDriver(SyncDriver):
    def __init__(self, repositories: Repositories, call: CallFunction, note: NoteFunction) -> None:
        super().__init__(call, note)
        self._repositories = repositories

    def _perform(self, effect: Effect[Any], scope: Scope) -> Any:
        if isinstance(effect, Invoke):
            assert isinstance(scope, SwitchScope)  # noqa: S101 - nobody else has one
            scope.invoking(effect)
            return self._repositories.call(effect)
        return super()._perform(effect, scope)


class SwitchTaskDriver(AioDriver):
    """`executor`: for the methods that block."""

    def __init__(
        self, repositories: Repositories, executor: Executor, call: AsyncCallFunction, note: NoteFunction
    ) -> None:
        super().__init__(call, note)
        self._repositories = repositories
        self._executor = executor

    async def _perform(self, effect: Effect[Any], scope: Scope) -> Any:
        if isinstance(effect, Invoke):
            assert isinstance(scope, SwitchScope)  # noqa: S101 - nobody else has one
            scope.invoking(effect)
            return await self._repositories.call_async(effect, self._executor)
        return await super()._perform(effect, scope)


class SwitchBackground(AioBackground):
    """Mirrors, comparisons and repairs; each with the scope that asks for the lease before a repository writes."""

    scope_of: type[TicketScope] = SwitchScope
