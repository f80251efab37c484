"""The four rules of the protocol as switches, so that a test can drop one and see that it is needed.

Nothing but the simulator and the demo's proof ever switches one off.
"""

from __future__ import annotations

from dataclasses import dataclass, fields, replace


@dataclass(frozen=True, slots=True)
class Rules:
    check_read: bool = True  # a mirror reads the authority again after its write, until nothing has changed
    stamp: bool = True  # lockstep writes are conditional on the target's stamp
    barrier: bool = True  # a stage is entered only after every client has entered, and drained, the one before
    lockstep: bool = True  # the authority moves only through the two lockstep stages

    @classmethod
    def without(cls, dropped: str | None) -> Rules:
        """All rules but one, named as on the command line (`check-read`); None keeps them all."""
        if not dropped:
            return cls()
        name = dropped.replace("-", "_")
        if name not in {field.name for field in fields(cls)}:
            raise ValueError(f"no rule is called {dropped!r}; rules: {', '.join(RULE_NAMES)}")
        return replace(cls(), **{name: False})


RULE_NAMES = tuple(field.name.replace("_", "-") for field in fields(Rules))
ALL_RULES = Rules()
