"""The rules of the protocol as switches, so that a test can drop one and see that it is needed.

Nothing but the simulator and the proofs ever switches one off: `attach` has no argument for it, see demo/dropping.py.
"""

from __future__ import annotations

from dataclasses import dataclass, fields, replace


@dataclass(frozen=True, slots=True)
class Rules:
    check_read: bool = True  # a mirror reads the authority again after its write, until nothing has changed
    stamp: bool = True  # what is decided upon a read is conditional on the stamp of what was read
    barrier: bool = True  # a stage is entered only after every client has entered, and finished, the one before
    lease_clock: bool = True  # a lease ends by the clock that moved most, also while its machine was suspended
    says_open: bool = True  # a client whose lease says that nothing is open takes that back before it writes
    lockstep: bool = True  # the authority moves only through the two lockstep stages
    prepare: bool = True  # nobody copies an item while somebody knows the source alone
    delete_both: bool = True  # a delete takes both sides in one transaction
    source_check: bool = True  # the backfill copies an item only while the source still is what was read
    # Of copy-on-write: a repair is carried out only while nobody may have entered complete. Of freeze: the authority
    # moves only when all that the source's log held is in the target.
    fence: bool = True
    second_freeze: bool = True  # writes go on only when everybody reads from the side that they go to
    repair_queue: bool = True  # a key is recorded before it is written, until both stores hold it alike
    carrier_lease: bool = True  # what carries the log writes under a lease, and only where the source is the authority
    version: bool = True  # a change is applied only where nothing newer is
    tombstone: bool = True  # what is deleted leaves its version
    rebuild_lock: bool = True  # an item of several rows is written only over what was there before they were read
    offsets: bool = True  # an offset is kept after all below it is applied
    term: bool = True  # what a capture sends behind another that has taken over from it is passed over
    low_mark: bool = True  # a snapshot's rows lose against what came since the mark before them

    @classmethod
    def without(cls, dropped: str | None) -> Rules:
        """All rules but one, named as on the command line (`check-read`); None keeps them all."""
        if not dropped:
            return cls()
        name = dropped.replace("-", "_")
        if name not in {field.name for field in fields(cls)}:
            raise ValueError(f"no rule is called {dropped!r}; rules: {', '.join(RULE_NAMES)}")
        return replace(cls(), **{name: False})


RULES_OF = {
    "dual-write": ("check-read", "stamp", "barrier", "lockstep", "lease-clock", "says-open"),
    "copy-on-write": ("stamp", "barrier", "prepare", "delete-both", "source-check", "fence", "lease-clock"),
    "freeze": (
        "check-read", "barrier", "fence", "second-freeze", "repair-queue", "carrier-lease",
        "version", "tombstone", "rebuild-lock", "offsets", "term", "low-mark", "lease-clock",
    ),
}  # fmt: skip
OF_FROZEN = ("says-open",)  # of processes that are frozen between their calls, which the proofs do not have
RULES_OF_TABLES = tuple(
    rule for rule in dict.fromkeys([*RULES_OF["dual-write"], *RULES_OF["copy-on-write"]]) if rule not in OF_FROZEN
)
RULE_NAMES = tuple(field.name.replace("_", "-") for field in fields(Rules))
ALL_RULES = Rules()
