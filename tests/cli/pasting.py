"""What a command has printed, looked at as by somebody who pastes it: every command in it is one, with all it needs."""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Final

from tests.docs.commands import in_text

HELP: Final = re.compile(r"^(Usage:|Try '|  Examples?:)", re.MULTILINE)
ADVISED: Final = re.compile(r"(?:^|\s)(?:Next|next|Way back|To go on):? (.*crossfade .*)$|^\s*-> (.*)$", re.MULTILINE)
# What only who types it can know: a reason, a file that is not there yet.
UNKNOWN: Final = frozenset({"TEXT", "FILE"})
PLACEHOLDER: Final = re.compile(r"(?<![\w-])[A-Z]{3,}(?![\w-])")


def faults(output: str) -> list[str]:
    """What the parser has to say against the commands in an output, and what stands where a value should."""
    if HELP.search(output):
        return []
    found = [f"{typed}: {typed.fault}" for typed in in_text(output, "output") if typed.fault]
    return found + list(placeholders(output))


def placeholders(output: str) -> Iterator[str]:
    for match in ADVISED.finditer(output):
        for typed in in_text(match[1] or match[2] or "", "output"):
            for word in typed.words:
                if PLACEHOLDER.fullmatch(word) and word not in UNKNOWN:
                    yield f"{typed}: {word} stands for what crossfade knows"
