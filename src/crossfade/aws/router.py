"""What `attach` returns: one client of a migration. What threads and asyncio share."""

from __future__ import annotations

import os
import socket
from dataclasses import dataclass, field
from enum import Enum
from types import TracebackType
from typing import Any, Final, Literal, Self, TypeAlias

from botocore.exceptions import ClientError

from crossfade.aws import own_calls
from crossfade.aws.answers import client_error
from crossfade.aws.chain import chain_of
from crossfade.aws.clients import Attached, same_place
from crossfade.control.agent import LEASE_SECONDS, POLL_SECONDS, Agent
from crossfade.core.rules import Rules
from crossfade.core.stages import Side, Stage
from crossfade.core.tables.pair import Ledger, Pair
from crossfade.drivers.lease_clock import lease_clock
from crossfade.drivers.unique import unique
from crossfade.errors import ConfigurationError, StageUncertain
from crossfade.migration import Migration
from crossfade.observe import Watch

Background: TypeAlias = Literal["beside", "inline"]
"""Where mirrors are made and the lease is kept: beside the application, or within its calls."""

DETACH_SECONDS: Final = 30.0  # what an orchestrator usually grants a process that it ends


@dataclass(frozen=True, slots=True)
class AttachSettings:
    """What `attach` was told."""

    migration: Migration
    landing_seconds: float
    lease_seconds: float = LEASE_SECONDS
    poll_seconds: float = POLL_SECONDS
    rules: Rules = field(default_factory=Rules)
    view: Side = "source"
    fast_signing: bool = False
    compare_percent: float = 100
    background: Background = "beside"

    def pair(self) -> Pair:
        migration = self.migration
        return Pair(
            migration.source,
            migration.target,
            migration.compiled,
            self.rules,
            self.landing_seconds,
            self.view,
            Ledger(migration.control_table, migration.name),
            migration.indexes,
        )

    def agent(self, place: str) -> Agent:
        return Agent(
            self.migration.name,
            new_client_id(),
            landing_seconds=self.landing_seconds,
            host=socket.gethostname(),
            pid=os.getpid(),
            fingerprint=self.migration.compiled.fingerprint,
            new_id=new_client_id,
            lease_seconds=self.lease_seconds,
            rules=self.rules,
            clock=lease_clock(self.rules),
            control_table=self.migration.control_table,
            place=place,
            rests=self.background == "inline",
        )


def new_client_id() -> str:
    return f"{socket.gethostname()}-{os.getpid()}-{unique(8)}"


class Doors(Enum):
    """Whether new calls of the application go on."""

    OPEN = "open"
    HOLDING = "holding"  # they wait: the process has been told to end, and would have ended by now
    REFUSING = "refusing"  # Python is ending


def refused_at_end(name: str) -> ClientError:
    """What a call is told that comes when this process has left the migration as its last act."""
    uncertain = StageUncertain(
        f"migration {name}: this process is ending and has given its lease back: nothing was sent",
        next_step="call earlier; what atexit runs has its turn before this if it was registered after attach()",
    )
    return client_error(uncertain, "call")


class Router:
    """What `attach` returns. `detach()` (or `await aclose()`, or leaving a `with`) puts everything back."""

    def __init__(self, attached: Attached, settings: AttachSettings, watch: Watch) -> None:
        self.migration = settings.migration
        self._attached = attached
        self._settings = settings
        self._watch = watch
        self._line = chain_of(attached.events, asynchronous=attached.asynchronous)
        self._doors = Doors.OPEN

    @property
    def agent(self) -> Agent:
        """This process's side of the control plane."""
        raise NotImplementedError

    @property
    def stage(self) -> Stage:
        """The stage that new operations obey. Raises StageUncertain before the first answer of the control table."""
        return self.agent.stage

    @property
    def client_id(self) -> str:
        """The name of this client's lease, as `crossfade status` shows it."""
        return self.agent.client_id

    @property
    def pending(self) -> int:
        """Operations and mirrors that have not ended."""
        return self.agent.pending

    def counts(self) -> dict[str, int]:
        """How often each event has happened: `compare.matching`, `mirror_lost`, `observer_error`, ..."""
        return self._watch.counts()

    def invocation(self) -> Any:
        """Return a context, for `with` or `async with` as the client is, within which calls belong together: with
        `background="inline"` it is said at its end alone that nothing is open, instead of after each write."""
        raise NotImplementedError

    async def ready(self) -> None:
        """Wait until the migration has been joined. Raises NotStarted, ConfigurationError."""

    def detach(self, timeout_seconds: float = DETACH_SECONDS) -> bool:
        """Stop routing, wait for what is under way and in the background, give the lease back, restore the client.

        Whether everything ended in time; if not, the migration is marked "verify needed". Twice is fine.
        """
        raise NotImplementedError

    async def aclose(self, timeout_seconds: float = DETACH_SECONDS) -> bool:
        """`detach`, to be awaited."""
        raise NotImplementedError

    # --- the end of the process, see drivers/process_end.py

    @property
    def unfinished(self) -> int:
        """How many operations and mirrors of this process have not ended."""
        return self.agent.pending

    def hold(self) -> None:
        """Let no further call of the application go on: it waits until the process has ended."""
        if self._doors is Doors.OPEN:
            self._doors = Doors.HOLDING

    def refuse(self) -> None:
        """Refuse the application's further calls."""
        if self._doors is Doors.OPEN:
            self._doors = Doors.REFUSING

    def end(self) -> None:
        """Detach, as the process's last act."""
        _ = self.end_within(DETACH_SECONDS)

    def end_within(self, timeout_seconds: float) -> bool:
        """`detach`, but what the application still asks for is refused, or held, in place of being let past."""
        raise NotImplementedError

    # --- what both kinds do

    def _is_here(self, url: str, region: str | None) -> bool:
        """Whether a client of the session talks to the tables that we mean. Another Region has tables of its own."""
        client = self._attached.client
        if region != client.meta.region_name:
            return False
        if not same_place(client, url):
            raise ConfigurationError(
                f"a client of the attached session talks to {url}, crossfade itself to {client.meta.endpoint_url}",
                next_step="attach(session, migration, own_client=client) with a client of that endpoint",
            )
        return True

    def _begin(self) -> None:
        """Claim the client for this migration, and let it, or another one, carry our own calls. Raises
        ConfigurationError."""
        self._line.claim(self.migration, is_session=self._attached.is_session)
        if not self._is_own_carrier:
            own_calls.register_own(self._attached.client.meta.events)

    def _end(self) -> None:
        """What `_begin` has done is undone."""
        self._line.release(self.migration)
        if not self._is_own_carrier:
            own_calls.unregister_own(self._attached.client.meta.events)

    @property
    def _is_own_carrier(self) -> bool:
        """Whether our own calls go through the attached client itself, where the chain serves them."""
        return self._attached.client.meta.events is self._attached.events

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        _ = self.detach()

    async def __aenter__(self) -> Self:
        await self.ready()
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        _ = await self.aclose()
