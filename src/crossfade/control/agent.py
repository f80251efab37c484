"""A client's side of the control plane: its lease, the stage that new operations obey, its acknowledgement.

Two promises make the barrier. A client sends nothing once its lease may have been counted as gone: the deadline is
`lease_seconds` after the moment *before* the last renewal that was answered was sent, while others count from when they
saw that renewal, which is later. The clock is one that no suspension stops (drivers/lease_clock.py). Each renewal
carries a token and is refused where the record holds one that this process has not sent: of two that were restored from
one snapshot, the second finds itself fenced. And it acknowledges an epoch only when all that it began under older ones
has ended, mirrors in the background included, with what was lost reported in the same transaction.

One process has one agent a migration. A single thread or task runs `join`, `poll` and `leave`; what the agent is to
operations, on any thread, is in tickets.py.
"""

from __future__ import annotations

import math
from collections import deque
from collections.abc import Callable
from typing import Final

from crossfade.control.fleet import LEASE_BEATS, count_now_and_then, told_seconds
from crossfade.control.freezing import check_shared
from crossfade.control.leasing import give_back, put_lease, renew_lease
from crossfade.control.losing import AT_REST, cancelled_state, fenced
from crossfade.control.records import STATE, Lease, Role, State, UncleanMark
from crossfade.control.store import TABLE_DEFAULT, Control
from crossfade.control.tickets import Tickets
from crossfade.core.effects import Note, Routine, Sleep, Stamp
from crossfade.core.rules import Rules
from crossfade.core.stages import ALL_LADDERS
from crossfade.errors import ConfigurationError, DatabaseError, NotStarted, ServiceRejected

LEASE_SECONDS: Final = 10.0  # ten polls: a client outlives a short loss of the network, the fleet waits no longer
POLL_SECONDS: Final = 1.0  # how soon a move is noticed; two small requests a poll
ENDING_LOOK_SECONDS: Final = 0.1  # between two looks whether what was begun before a move has ended,
ENDING_LOOKS: Final = 20  # and so many of them: else the next poll is to come soon
TOKENS_MAX: Final = 50  # renewals in a row without an answer; who meets more of them has lost its lease long since


class Agent(Tickets):
    """One client. `clock` is that of its lease, in seconds; `new_id` gives the id of its next lease once this one was
    counted as gone; `place` is that of the control table, for messages. One that `reads_only` has no operations:
    nothing of it can be left undone. One that `rests` is polled by its operations alone, and says in its lease when
    nothing is open, so that its silence means nothing: its process may be frozen at any time, and for ever."""

    def __init__(
        self,
        name: str,
        client_id: str,
        *,
        landing_seconds: float,
        host: str,
        pid: int,
        fingerprint: str,
        clock: Callable[[], float],
        new_id: Callable[[], str],
        lease_seconds: float = LEASE_SECONDS,
        role: Role | str = Role.APP,
        rules: Rules = Rules(),  # noqa: B008 - frozen
        control_table: str = TABLE_DEFAULT,
        place: str = "",
        mapping: str = "",
        reads_only: bool = False,
        rests: bool = False,
    ) -> None:
        super().__init__(
            Control(name, control_table, place, mapping),
            client_id,
            lease_seconds=lease_seconds,
            landing_seconds=landing_seconds,
            clock=clock,
            reads_only=reads_only,
        )
        self.role = Role(role)
        self.host = host
        self.pid = pid
        self.fingerprint = fingerprint
        self.rules = rules
        self.denied = ""  # what the process may do on one table and not on the other: told with the lease
        self.compared: dict[str, int] = {}  # comparisons by outcome, and that they fail: likewise
        self.failing = ""
        self.rests = rests
        self._new_id = new_id
        self._rested = False  # the record surely says that nothing is open
        self._member = False
        self._beat = 0
        self._marks = 0  # the state's `unclean`, as it was seen last
        self._lease_seconds_least = lease_seconds
        self._told_seconds = 0.0  # how long the state wants the pause between two beats to be
        self._tokens: deque[str] = deque(maxlen=TOKENS_MAX)  # one of them is in the record, unless it is not ours
        self._acknowledged = 0

    @property
    def holds_lease(self) -> bool:
        """Whether something strict may begin now."""
        return self._member and self._clock() < self._deadline

    @property
    def beat_seconds(self) -> float:
        """The pause between two polls that the fleet asks for; 0 where it asks for none, or is waiting for this one."""
        state = self._state
        return self._told_seconds if state is not None and self._acknowledged == state.epoch else 0.0

    def must_poll(self, *, writes: bool) -> bool:
        """Whether a client that rests has to poll before an operation, which may write: where half of its lease is
        over, or says that nothing is open."""
        if self._resting and (writes or self._open):
            return True
        return not (self._member and self._clock() < self._deadline - self.lease_seconds / 2)

    @property
    def may_rest(self) -> bool:
        """Whether the record should say that nothing is open, and does not yet."""
        return self._member and not self._rested and self._is_at_rest()

    @property
    def joined(self) -> bool:
        return self._member

    @property
    def acknowledged(self) -> int:
        """The epoch that the lease record says."""
        return self._acknowledged

    @property
    def beat(self) -> int:
        """How often the lease has been renewed, or begun."""
        return self._beat

    # --- joining, polling, leaving

    def join(self) -> Routine[None]:
        """Take a lease and adopt the state. Raises NotStarted, ConfigurationError (another mapping), DatabaseError."""
        found, self._heard_at = yield from self.control.state_at()
        check_shared(self.control.migration, found.fingerprint, self.fingerprint)  # before anything is written
        yield from self._enter()
        yield from Note("joined", {"client": self.client_id, "stage": self.stage.value})

    def poll(self, *, writes: bool = False) -> Routine[None]:
        """Follow, and renew, which acknowledges: one write, also while the fleet moves. Every POLL_SECONDS or so, or as
        `beat_seconds` says. A database error is noted: the deadline does the rest. `writes`: something is about to be
        written.

        Raises ConfigurationError when the migration was started anew with another mapping; this client stays where it
        is, and everybody who waits for it is told why.
        """
        try:
            if not self._member:
                yield from self._enter(writes)
            else:
                failure = yield from self._catch_up()
                if not (yield from self._renew(writes)):
                    yield from self._rejoin(writes)
                if failure is not None:
                    raise failure
                if self._state is not None and self.role is Role.APP:
                    yield from count_now_and_then(self.control, self._state, self._beat, self._tokens[-1])
        except DatabaseError as error:
            yield from self._not_renewed(error)

    def rest(self) -> Routine[None]:
        """Say in the lease that nothing is open, where that is so. A database error is noted: until it is said, the end
        of this client would count as unclean."""
        try:
            if not (yield from self._renew()):
                yield from self._rejoin()
        except DatabaseError as error:
            yield from self._not_renewed(error)

    def _not_renewed(self, error: DatabaseError) -> Routine[None]:
        facts = {"client": self.client_id, "error": str(error), "seconds_left": self._deadline - self._clock()}
        yield from Note("lease_not_renewed", facts)

    def leave(self) -> Routine[None]:
        """Give the lease back. What has not ended by now counts as left undone: drain first."""
        with self._lock:
            member, self._member, self._deadline = self._member, False, -math.inf
            unclean = bool(self._owed.count or self._open)
            mark = self._mark("left before all that it had begun had ended") if unclean else None
            self._incarnation, self._tickets = self._incarnation + 1, None
            self._says(at_rest=False)
        if not member:
            return
        yield from give_back(self.control, self.client_id, mark)
        yield from Note("left", {"client": self.client_id, "clean": not unclean})

    # --- the lease

    def _enter(self, writes: bool = False) -> Routine[None]:
        """The lease first, the state after it: whoever moves the migration either sees the one or shows the other."""
        token = yield from Stamp()
        with self._lock:
            self._beat, self._acknowledged = 1, 0
            self._tokens.append(token)
        if not (yield from put_lease(self.control, self._lease(0, token), self._tokens)):
            yield from self._rejoin(writes)
            return
        with self._lock:
            self._member = True  # without a deadline yet: an earlier sending of the put may have begun the lease
        try:
            yield from self._follow()
        except ConfigurationError:
            yield from self.leave()
            raise
        if not (yield from self._renew(writes)):
            yield from self._rejoin(writes)

    def _rejoin(self, writes: bool = False) -> Routine[None]:
        """We were counted as gone. What was begun before is not ours to finish; start again under another id."""
        former, again_as = self.client_id, self._new_id()
        with self._lock:
            self._member, self._deadline = False, -math.inf
            self._incarnation, self._tickets = self._incarnation + 1, None
            # What was on its way when we stopped may have landed after we were counted.
            if not (self.reads_only or self._rested):
                self._owed.add(self._open.oldest(self._heard_at))
            self._says(at_rest=False)
            self.client_id = again_as
            self._tokens.clear()
        yield from Note("fenced", {"client": former, "again_as": again_as})
        yield from self._enter(writes)

    def _renew(self, writes: bool = False) -> Routine[bool]:
        """Whether the lease is still ours. An unknown outcome is raised, and extends nothing."""
        token = yield from Stamp()
        sent = self._clock()
        with self._lock:
            self._beat += 1
            self._tokens.append(token)
            epoch, owed = self._reachable(), self._owed.count
            at_rest = not writes and self._is_at_rest()
            if at_rest and self.rules.says_open:  # from the moment on at which it may be there
                self._resting, self._grace = True, 0.0
            lease = self._lease(epoch, token, at_rest=at_rest)
            update = self.control.renewal(lease, self._tokens)
            mark = self._mark("went on without its lease, or lost a mirror") if owed else None
            # A lease that becomes shorter is so from now on, whether this is answered or not.
            self._deadline = min(self._deadline, sent + lease.lease_seconds)
        try:
            if not (yield from renew_lease(self.control, update, mark)):
                return False
        except DatabaseError as error:
            self._rested = self._rested and at_rest
            if isinstance(error, ServiceRejected):
                self._tokens.remove(token)  # it is in no record, and would push out the one that is
            raise
        with self._lock:
            self._says(at_rest=at_rest)
            if self._lost is None:
                self._deadline = max(self._deadline, sent + lease.lease_seconds)
            self._acknowledged = epoch
            self._tokens.clear()
            self._tokens.append(token)
            self._owed.told(owed)
        return True

    def _mark(self, why: str) -> UncleanMark:
        """What is reported of what may have been left undone; under the lock."""
        oldest, owed_since = self._open.oldest(self._heard_at), self._owed.since
        since = oldest if owed_since is None else min(oldest, owed_since)
        who, started_at = (self.client_id, self.host, self.pid), self._state.started_at if self._state else ""
        return UncleanMark(self._marks + 1, *who, since, self.landing_seconds, started_at, why)

    def _says(self, *, at_rest: bool) -> None:
        """The record says so for certain; under the lock."""
        self._rested = at_rest
        self._resting = at_rest and self.rules.says_open
        self._grace = 0.0 if at_rest else self.landing_seconds

    def _is_at_rest(self) -> bool:
        """Whether nothing is open. Where one table is used alone, nothing is left undone at all, and what is sent is
        left to land."""
        state = self._state
        if not self.rests or state is None or self._open:
            return False
        return not ALL_LADDERS[state.strategy][state.stage].is_single

    def _lease(self, epoch: int, token: str, *, at_rest: bool = False) -> Lease:
        state = self._state
        return Lease(
            client=self.client_id,
            role=self.role,
            host=self.host,
            pid=self.pid,
            fingerprint=self.fingerprint,
            beat=self._beat,
            epoch=epoch,
            lease_seconds=self.lease_seconds,
            landing_seconds=self.landing_seconds,
            lost_mirrors=self.lost_mirrors,
            lost_example=self._lost_example,
            mapping=self.control.mapping,
            reads_only=self.reads_only,
            token=token,
            adopted=0 if state is None else state.epoch,
            stage="" if state is None else state.stage,
            ramp_percent=0 if state is None else state.ramp_percent,
            denied=self.denied,
            compared=self.compared,
            failing=self.failing,
            open_since=self._open.oldest(self._heard_at),
            at_rest=at_rest,
        )

    # --- the state

    def _catch_up(self) -> Routine[DatabaseError | ConfigurationError | None]:
        """Follow, and where the next poll is far off wait a moment for what was begun before. Return what failed: the
        lease is kept all the same."""
        try:
            yield from self._follow()
            for _ in range(ENDING_LOOKS if self._told_seconds else 0):
                with self._lock:
                    if self._state is None or self._reachable() == self._state.epoch:
                        break
                yield from Sleep(ENDING_LOOK_SECONDS)
        except (DatabaseError, ConfigurationError) as error:
            return error
        return None

    def _follow(self) -> Routine[None]:
        """Adopt a newer epoch for all that begins from now on; where the table knows less than we do, send nothing."""
        former = self._state
        found: State | None
        heard_at = 0
        try:
            found, heard_at = yield from self.control.state_at()
        except NotStarted:
            if former is None:
                raise
            if former.stage in AT_REST:
                yield from Note("migration_gone", {"client": self.client_id, "record": STATE})  # we stay where we are
                return
            found = yield from cancelled_state(self.control, former)
        if found is not None:
            check_shared(self.control.migration, found.fingerprint, self.fingerprint)
        if former is not None and (found is None or found.epoch < former.epoch):
            with self._lock:
                self._lost, self._deadline = fenced(self.control, former, found), -math.inf
            yield from Note("record_lost", {"client": self.client_id, "error": self._lost.message})
            return
        assert found is not None  # noqa: S101 - by the lines above
        with self._lock:
            self._lost = None
            self._heard_at, self._marks = heard_at, found.unclean
            self._told_seconds = told_seconds(found, self.role)
            self.lease_seconds = max(self._lease_seconds_least, LEASE_BEATS * self._told_seconds)
            is_new = former is None or found.epoch != former.epoch
            if is_new:
                self._state = found
            self._tickets = None if self.reads_only else self._new_tickets()  # here, and not while a caller waits
        if not is_new:
            return
        facts = {"client": self.client_id, "stage": found.stage.value, "epoch": found.epoch}
        yield from Note("stage_entered", facts | {"ramp_percent": found.ramp_percent})

    def _reachable(self) -> int:
        """The epoch that may be acknowledged; under the lock."""
        if self._state is None:
            return 0
        if self.rules.barrier and self._open.any_before(self._state.epoch):
            return self._acknowledged
        return self._state.epoch
