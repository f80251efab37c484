"""What can go wrong, how often, and the dice that decide it.

A call's fault is drawn once, when it is sent. Every chance comes from the world's generator, so a seed is a history.
`Faults.healed` ends them: what is under way still happens, nothing new is broken.
"""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, field
from enum import StrEnum
from random import Random
from typing import Final

from crossfade.core.effects import Place


class Fault(StrEnum):
    THROTTLE = "throttle"  # refused before any effect
    CONFLICT = "conflict"  # refused because of a transaction on the same item
    TIMEOUT = "timeout"  # no answer; carried out now, later, or never
    LOST_REPLY = "lost reply"  # no answer; carried out at once
    CLIENT_RETRY = "client retry"  # the SDK sent it twice: the first attempt, given up on, lands late or never
    SLOW = "slow answer"
    CRASH = "crash"
    PAUSE = "pause"
    SLOW_CLIENT = "slow client"
    SUSPEND = "suspend"  # it stands still with its machine, and its monotonic clock too
    LEASE_LOSS = "lease loss"  # every control call of a process fails for a while
    REBALANCE = "rebalance"  # partitions go to other members of the group
    OFFSETS_BACK = "offsets back"  # the group reads some messages once more
    REPLAY = "replay"  # the group reads everything once more
    SENT_AGAIN = "sent again"  # a capture goes on from what was kept, beside one that only stood still


OF_A_LOG: Final = frozenset({Fault.REBALANCE, Fault.OFFSETS_BACK, Fault.REPLAY, Fault.SENT_AGAIN})
OF_AN_SDK: Final = frozenset({Fault.CLIENT_RETRY})
FAULTS_OF: Final = {
    "dual-write": frozenset(Fault) - OF_A_LOG,
    "copy-on-write": frozenset(Fault) - OF_A_LOG,
    "freeze": frozenset(Fault) - OF_AN_SDK,
}
"""What can happen in the worlds of each strategy."""


@dataclass(frozen=True, slots=True)
class Rates:
    """Probabilities: of the first group for each call, of the second for each process and second."""

    throttle: float = 0.0
    conflict: float = 0.0
    timeout: float = 0.0
    lost_reply: float = 0.0
    client_retry: float = 0.0
    slow: float = 0.0
    crash: float = 0.0
    pause: float = 0.0
    slow_client: float = 0.0
    lease_loss: float = 0.0


SUSPENDED: Final = 0.5  # of the worlds, more or less often
SUSPENSIONS: Final = 0.04  # at most so often, of a process in one second
SUSPENSION_LEASES: Final = (0.5, 8.0)  # how long, in leases
NEVER_LANDS: Final = 0.4  # of requests that timed out
BATCHES: Final = frozenset({"BatchGetItem", "BatchWriteItem"})
CONFLICTING: Final = frozenset({"PutItem", "UpdateItem", "DeleteItem", "TransactWriteItems", "TransactGetItems"})


def draw_rates(random: Random) -> Rates:
    """Every kind of fault is absent from a third of the worlds, so that each is also seen alone."""

    def rate(highest: float) -> float:
        return 0.0 if random.random() < 1 / 3 else highest * random.random()

    if random.random() < 0.1:
        return Rates()
    return Rates(
        throttle=rate(0.06),
        conflict=rate(0.08),
        timeout=rate(0.04),
        lost_reply=rate(0.03),
        client_retry=rate(0.05),
        slow=rate(0.15),
        crash=rate(0.02),
        pause=rate(0.03),
        slow_client=rate(0.02),
        lease_loss=rate(0.03),
    )


@dataclass(slots=True)
class Faults:
    """The dice. `random` is the world's; `suspensions` are dice of their own, so that worlds without one stay what they
    are; `injected` counts what was drawn."""

    rates: Rates
    random: Random
    suspensions: Random
    healed: bool = False
    injected: Counter[Fault] = field(default_factory=Counter[Fault])
    _suspension_rate: float = field(default=0.0, init=False)

    def __post_init__(self) -> None:
        if self.suspensions.random() < SUSPENDED:
            self._suspension_rate = SUSPENSIONS * self.suspensions.random()

    def of_call(self, place: Place, operation: str, *, retried_by_sdk: bool) -> Fault | None:
        """What befalls one call. `retried_by_sdk`: whether an SDK stands between, with retries of its own."""
        if self.healed:
            return None
        rates, dice = self.rates, self.random.random()
        ours = place != "control"
        for fault, rate in (
            # A batch meets no conflicts, but of its entries any may be throttled.
            (Fault.THROTTLE, rates.throttle + (2 * rates.conflict if operation in BATCHES and ours else 0.0)),
            (Fault.TIMEOUT, rates.timeout),
            (Fault.LOST_REPLY, rates.lost_reply),
            (Fault.CONFLICT, rates.conflict if operation in CONFLICTING and ours else 0.0),
            (Fault.CLIENT_RETRY, rates.client_retry if retried_by_sdk else 0.0),
            (Fault.SLOW, rates.slow),
        ):
            if dice < rate:
                return self.count(fault)
            dice -= rate
        return None

    def of_process(self) -> Fault | None:
        """What befalls one process in one second of its life."""
        if self.healed:
            return None
        rates, dice = self.rates, self.random.random()
        for fault, rate in (
            (Fault.CRASH, rates.crash),
            (Fault.PAUSE, rates.pause),
            (Fault.SLOW_CLIENT, rates.slow_client),
            (Fault.LEASE_LOSS, rates.lease_loss),
        ):
            if dice < rate:
                return self.count(fault)
            dice -= rate
        return None

    def suspended_leases(self) -> float:
        """For how many leases a process is suspended, drawn once a second; 0.0 for not at all."""
        if self.healed or self.suspensions.random() >= self._suspension_rate:
            return 0.0
        _ = self.count(Fault.SUSPEND)
        return self.suspensions.uniform(*SUSPENSION_LEASES)

    def count(self, fault: Fault) -> Fault:
        self.injected[fault] += 1
        return fault
