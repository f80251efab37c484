"""What protects an application in the battery, and how each protection is left out to see that it is needed.

A protection is a rule of `crossfade.core.rules.Rules`, the private door that the proofs have, switched by
`Rules.without` in applications and jobs alike; or it has a door in `tests.histories.doors`. Where there is neither,
nothing can be left out, and the battery gives no verdict instead of one that means nothing: it is enough to give
`Rules` a field of that name, and the weather against which it protects is then played in every run.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

from crossfade.core.rules import RULE_NAMES, RULES_OF_TABLES
from tests.battery.weather import Kind
from tests.histories.doors import DOORS


@dataclass(frozen=True, slots=True)
class Protection:
    """`against` what kind of weather, which is then played more; `why`: what would be lost; `of_rule`: the name of its
    rule, where that is another."""

    name: str
    why: str
    against: tuple[Kind, ...] = ()
    of_rule: str = ""

    @property
    def rule(self) -> str:
        return self.of_rule or self.name

    @property
    def exists(self) -> bool:
        return self.rule in RULE_NAMES or self.name in DOORS


OF_THE_SERVICE: Final = (
    Protection(
        "clock", "a lease has ended while a process stood still, and its clock with it", ("clock",), "lease-clock"
    ),
    Protection("rights", "a process goes on to a stage in which it may not do what the stage asks of it", ("rights",)),
    Protection(
        "attempts", "an attempt that was not answered is forgotten for one that was refused", ("lost", "errors")
    ),
    Protection("expiry", "an item that expired on one side is a difference, and is put back", ("expiry",)),
    Protection("tokens", "a transaction that is sent again with its token is carried out again", ("lost", "errors")),
)
PROTECTIONS: Final = {
    **{each.name: each for each in OF_THE_SERVICE},
    **{name: Protection(name, "a rule of the protocol") for name in RULES_OF_TABLES},
}
