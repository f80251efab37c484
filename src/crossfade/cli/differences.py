"""What a verify tells, whether of two tables or of rows."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final, TypeAlias

from rich.text import Text

from crossfade.cli.screen import Screen, counted

if TYPE_CHECKING:
    from crossfade.cdc.verifying.result import RowVerifyResult
    from crossfade.verify.result import DifferenceSample, VerifyResult

    AnyVerifyResult: TypeAlias = VerifyResult | RowVerifyResult

LINE_STYLES: Final = {"-": "red", "+": "green", "!": "bold red"}
STYLES: Final = {"clean": "bold green", "repaired": "bold green", "stopped": "bold yellow"}


def show_samples(screen: Screen, result: AnyVerifyResult, source: str) -> None:
    """`source`: what the lines of a sample that begin with a minus are."""
    for sample in result.samples:
        _show_sample(screen, sample)
    if result.samples:
        more = result.differences - len(result.samples)
        screen.say(f"- {source}   + what the target holds", "dim")
        screen.say(f"and {counted(more, 'difference')} more\n" if more > 0 else "")


def _show_sample(screen: Screen, sample: DifferenceSample) -> None:
    head, *lines = sample.text().splitlines()
    screen.say(head, "bold")
    for line in lines:
        screen.show(Text(line, style=LINE_STYLES.get(line.strip()[:1], ""), no_wrap=False))


def show_verdict(screen: Screen, result: AnyVerifyResult, clean: str) -> None:
    """`clean`: what is true where nothing differs."""
    said = counted(result.differences, "difference")
    if result.status == "clean":
        said = clean
    elif result.status == "stopped":
        said = f"stopped, {result.segments_done} of {result.segments} segments were compared; no verdict"
    elif result.status == "repaired":
        said += ", all repaired and now equal"
    screen.say(f"Verify: {said}", STYLES.get(result.status, "bold red"))


def differences_text(result: AnyVerifyResult) -> str:
    return (
        f"matching {result.matching:,}, missing {result.missing:,}, extra {result.extra:,},"
        f" mismatched {result.mismatched:,}"
    )


def show_repairs(screen: Screen, result: AnyVerifyResult) -> bool:
    """Say what came of the repairs. False where there was none."""
    if not (result.repaired or result.not_repaired or result.left_alone):
        return False
    screen.say(
        f"  repaired {result.repaired:,}, could not be repaired {result.not_repaired:,},"
        f" left alone {result.left_alone:,}"
    )
    return True
