"""The rules of the protocol as switches, so that a test can drop one and see that it is needed.

Nothing but the simulator and the demo's proof ever switches one off.
"""

from __future__ import annotations

from dataclasses import dataclass, fields, replace


@dataclass(frozen=True, slots=True)
class Rules:
    check_read: bool = True  # a mirror reads the authority again after its write, until nothing has changed
    stamp: bool = True  # what is decided upon a read is conditional on the stamp of what was read
    barrier: bool = True  # a stage is entered only after every client has entered, and drained, the one before
    lockstep: bool = True  # the authority moves only through the two lockstep stages
    prepare: bool = True  # nobody copies an item while somebody knows the source alone
    delete_both: bool = True  # a delete takes both sides in one transaction
    source_check: bool = True  # the backfill copies an item only while the source still is what was read
    fence: bool = True  # a repair is carried out only while nobody may have entered complete

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
    "dual-write": ("check-read", "stamp", "barrier", "lockstep"),
    "copy-on-write": ("stamp", "barrier", "prepare", "delete-both", "source-check", "fence"),
}
RULE_NAMES = tuple(field.name.replace("_", "-") for field in fields(Rules))
ALL_RULES = Rules()
