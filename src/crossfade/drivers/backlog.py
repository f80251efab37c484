"""Which piece of background work is next. No threads, no clock: the same for every driver.

Mirrors of one key are coalesced: one that waits is replaced by a newer one, and one that runs is followed by one more,
because a write after its last look has still to be seen. A mirror that must wait (for a request that may yet land)
waits apart; of those a key has at most two, the first and the last. Every mirror holds a ticket of each epoch it works
for, so that no stage is acknowledged as entered before the mirrors of the one before have ended.

Comparisons are worth less: they hold nothing, go after the mirrors, and are dropped when too many wait. Looks into the
source are treated like them, but are right in any stage, and a process that ends in order does them first.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from heapq import heappop, heappush
from typing import Final

from crossfade.control.agent import Agent
from crossfade.control.open_tickets import Ticket
from crossfade.control.telling import told_error
from crossfade.core.effects import Later, Routine

# A key waits in about 1 KB (its image, mostly) to 400 KB; an application so far behind has lost its target for minutes.
MIRROR_KEYS_MAX: Final = 10_000
COMPARES_MAX: Final = 1_000  # some seconds of work; what is older says little

Note = Callable[[str, dict[str, object]], None]


@dataclass(slots=True)
class Job:
    """One piece of work, with every ticket it holds; the newest is the one that it obeys."""

    kind: str
    key: str
    routine: Routine[None]
    tickets: list[Ticket] = field(default_factory=list[Ticket])
    due: float = 0.0
    put_at: float = 0.0  # of several in one, the first

    @property
    def ticket(self) -> Ticket:
        return self.tickets[-1]


class Backlog:
    """The work that waits. Not thread-safe: its owner has a lock, or a single thread."""

    def __init__(
        self,
        agent: Agent,
        note: Note,
        *,
        workers: int,
        mirror_keys_max: int = MIRROR_KEYS_MAX,
        compares_max: int = COMPARES_MAX,
    ) -> None:
        self._agent = agent
        self._note = note
        self._compares_at_once = max(1, workers // 2)  # a slow target must not keep the mirrors waiting
        self._mirror_keys_max = mirror_keys_max
        self._compares_max = compares_max
        self._mirrors: dict[str, Job] = {}  # in the order in which they came
        self._compares: list[Job] = []
        self._running: dict[str, Job] = {}
        self._comparing = 0
        self._looking = 0  # of these
        self._delayed: dict[str, list[Job]] = {}  # at most two a key
        self._delayed_count = 0
        self._moments: list[tuple[float, int, Job]] = []
        self._order = 0

    @property
    def mirrors_pending(self) -> int:
        """Mirrors that have not ended: waiting, running and delayed."""
        return len(self._mirrors) + len(self._running) + self._delayed_count

    def oldest_seconds(self, now: float) -> float:
        """Return for how long the oldest mirror has not ended, without those that have to wait before they begin."""
        began = min((job.put_at for jobs in (self._mirrors, self._running) for job in jobs.values()), default=now)
        return now - began

    @property
    def looks_pending(self) -> int:
        """Looks into the source that have not ended."""
        return self._looking + sum(job.kind == "look" for job in self._compares)

    @property
    def idle(self) -> bool:
        """Whether no mirror is left; comparisons do not count."""
        return not (self._mirrors or self._running or self._delayed)

    def put(self, later: Later, ticket: Ticket, now: float) -> None:
        if later.kind != "mirror":
            self._put_compare(Job(later.kind, later.key, later.routine, [ticket]))
            return
        if self._full(later):
            later.routine.close()
            self.lose(later.key, "too many mirrors are waiting")
            return
        self._agent.hold(ticket)
        job = Job("mirror", later.key, later.routine, [ticket], put_at=now)
        if later.delay_seconds > 0:
            job.due = now + later.delay_seconds
            self._put_delayed(job)
        else:
            self._put_mirror(job)

    def take(self, now: float) -> Job | float | None:
        """The next job to run; or the seconds until there is one; or None when nothing waits."""
        while self._moments and self._moments[0][0] <= now:
            _, _, delayed = heappop(self._moments)
            if delayed.due <= now:
                self._now_due(delayed)
            else:
                self._remember(delayed)
        for key, job in self._mirrors.items():
            if key not in self._running:
                del self._mirrors[key]
                self._running[key] = job
                return job
        while self._compares and self._comparing < self._compares_at_once:
            job = self._compares.pop(0)
            if job.kind == "look" or job.ticket.epoch == self._agent.epoch:
                self._comparing += 1
                self._looking += job.kind == "look"
                return job
            self._drop_compare(job, "the stage has changed")
        return self._moments[0][0] - now if self._moments else None

    def finished(self, job: Job, error: BaseException | None) -> None:
        """The job has ended, with an error or without. A mirror that failed is said to be lost before its release."""
        if job.kind != "mirror":
            self._comparing -= 1
            self._looking -= job.kind == "look"
            if isinstance(error, Exception):
                self._note(job.kind, {"outcome": "error", "key": job.key, "error": str(error)})
            elif error is not None:  # cancelled, at the end of the process
                self._note(job.kind, {"outcome": "dropped", "key": job.key, "why": "cancelled"})
            return
        del self._running[job.key]
        if error is not None:
            self.lose(job.key, error)
        self._release(job)

    def give_up(self) -> int:
        """Drop all that waits, counting every mirror as lost. How many there were; those that run end by themselves."""
        left = [*self._mirrors.values(), *(job for jobs in self._delayed.values() for job in jobs)]
        for job in left:
            job.routine.close()
            self.lose(job.key, "the process ended before it could be done")
            self._release(job)
        for job in self._compares:
            job.routine.close()
        self._mirrors.clear()
        self._delayed.clear()
        self._delayed_count = 0
        self._compares.clear()
        self._moments.clear()
        return len(left)

    # --- mirrors

    def _full(self, later: Later) -> bool:
        if later.key in self._mirrors and not later.delay_seconds:
            return False
        return self.mirrors_pending >= self._mirror_keys_max

    def _put_mirror(self, job: Job) -> None:
        former = self._mirrors.get(job.key)
        if former is not None:
            former.routine.close()
            job.tickets = self._joined(former.tickets, job.tickets)
            job.put_at = min(former.put_at, job.put_at)
        self._mirrors[job.key] = job

    def _put_delayed(self, job: Job) -> None:
        waiting = self._delayed.setdefault(job.key, [])
        if len(waiting) < 2:
            waiting.append(job)
            self._delayed_count += 1
            self._remember(job)
            return
        last = waiting[1]  # its moment serves both when it is put off; the first one's is not
        last.routine.close()
        last.routine, last.due = job.routine, max(last.due, job.due)
        last.tickets = self._joined(last.tickets, job.tickets)

    def _remember(self, job: Job) -> None:
        self._order += 1
        heappush(self._moments, (job.due, self._order, job))

    def _now_due(self, job: Job) -> None:
        waiting = self._delayed[job.key]
        self._delayed_count -= 1
        job.put_at = job.due
        waiting[:] = [other for other in waiting if other is not job]
        if not waiting:
            del self._delayed[job.key]
        self._put_mirror(job)

    def _joined(self, former: list[Ticket], newer: list[Ticket]) -> list[Ticket]:
        """One ticket of each epoch is enough; the newer ones come last."""
        kept = [old for old in former if old not in newer]
        for old in former:
            if old in newer:
                self._agent.release(old)
        return [*kept, *newer]

    def lose(self, key: str, error: BaseException | str) -> None:
        """Count a mirror that will not be made, and tell it."""
        self._agent.lost(key, error)
        self._note("mirror_lost", {"key": key, "error": str(error), "reason": told_error(error)})

    def _release(self, job: Job) -> None:
        for ticket in job.tickets:
            self._agent.release(ticket)

    # --- comparisons

    def _put_compare(self, job: Job) -> None:
        if len(self._compares) >= self._compares_max:
            self._drop_compare(job, "too many comparisons are waiting")
        else:
            self._compares.append(job)

    def _drop_compare(self, job: Job, why: str) -> None:
        job.routine.close()
        self._note(job.kind, {"outcome": "dropped", "key": job.key, "why": why})
