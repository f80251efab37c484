"""The stage from a feature flag: an OpenFeature client, and a string flag with LaunchDarkly's names of the stages.

An evaluation takes longer than a call of the switch, so the flag is polled and never asked in a call. What it says is a
wish: the process that sees it change gives the steps to a coordinator, which waits for everybody and judges the gates
as ever. So processes that see the flag at different times, or see something else, are never in stages that do not go
together; and while the provider is down, the stage is the one that it was.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Final, Protocol

from crossfade.core.stages import FREEZE_STRATEGY, Stage, resting
from crossfade.core.sync.retry import Backoff
from crossfade.errors import ConfigurationError

FLAG_SECONDS: Final = 5.0
RETRY_SECONDS_MAX: Final = 900.0  # a gate that stays closed is for people to open
HELD_RETRY_SECONDS: Final = 60.0  # each try that was turned back has held writes for some seconds
NOTHING: Final = ""  # the default: no stage, so it changes nothing

# https://docs.launchdarkly.com/home/flag-types/migration-flags
STAGES: Final = {stage.value: stage for stage in resting(FREEZE_STRATEGY)}


class Details(Protocol):
    """What an evaluation gives."""

    @property
    def value(self) -> Any: ...

    @property
    def error_code(self) -> Any: ...


class FlagClient(Protocol):
    """What is asked of a client of OpenFeature's SDK."""

    def get_string_details(self, flag_key: str, default_value: str, evaluation_context: Any = None, /) -> Details: ...


@dataclass(frozen=True, slots=True)
class Flag:
    """`client`: of OpenFeature, `api.get_client()`. `key`: a string flag, the same for every process: a stage is of the
    whole fleet. `completes`: its value `complete` is your word that there is no way back; without that it leads to
    rampdown and no further."""

    client: FlagClient
    key: str
    context: Any = None
    poll_seconds: float = FLAG_SECONDS
    completes: bool = False

    def __post_init__(self) -> None:
        if not callable(getattr(self.client, "get_string_details", None)):
            raise ConfigurationError(
                f"a {type(self.client).__name__} is no client of OpenFeature",
                next_step="from openfeature import api; Flag(api.get_client(), key=...)",
            )

    def ask(self) -> Said:
        """Ask the provider; this blocks. Whatever is wrong counts as if it had said nothing."""
        try:
            details = self.client.get_string_details(self.key, NOTHING, self.context)
        except Exception as error:  # noqa: BLE001 - a provider that raises is one that is down
            return Said(None, f"{type(error).__name__}: {error}")
        if details.error_code is not None:
            return Said(None, f"{details.error_code}: {getattr(details, 'error_message', None) or 'no message'}")
        stage = STAGES.get(details.value)
        if stage is None:
            return Said(None, f"{details.value!r} is no stage; the stages are {', '.join(STAGES)}")
        return Said(stage, "")


@dataclass(frozen=True, slots=True)
class Said:
    stage: Stage | None
    problem: str


@dataclass(slots=True)
class Wish:
    """What one process makes of the flag: a change of its value is wished for until it is fulfilled, or until the value
    changes again. What was fulfilled is not wished for again, so whoever rolls back by hand is not overruled."""

    goal: Stage | None = None
    pending: bool = False
    failures: int = 0
    try_at: float = 0.0

    def hear(self, stage: Stage) -> None:
        if stage is not self.goal:
            self.goal, self.pending, self.failures, self.try_at = stage, True, 0, 0.0

    def is_due(self, now: float) -> bool:
        return self.pending and now >= self.try_at

    def fulfilled(self) -> None:
        self.pending = False

    def failed(self, now: float, poll_seconds: float, *, held: bool) -> None:
        pause = Backoff(poll_seconds, RETRY_SECONDS_MAX).seconds(self.failures)
        self.try_at = now + (max(pause, HELD_RETRY_SECONDS) if held else pause)
        self.failures += 1
