"""What a command has printed, looked at as by somebody who pastes it: every command in it is one, with all it needs."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from contextlib import suppress
from typing import Any, Final, cast

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
    output = "\n".join(texts_in(output))
    found = [f"{typed}: {typed.fault}" for typed in in_text(output, "output") if typed.fault]
    return found + list(placeholders(output))


def texts_in(output: str) -> Iterator[str]:
    """The lines of an output; where it is JSON, on a line or on many, the texts in it."""
    at = 0
    while at < len(output):
        end = output.find("\n", at) % (len(output) + 1)
        line = output[at:end]
        if line.startswith("{"):
            with suppress(ValueError):
                document, end = json.JSONDecoder().raw_decode(output, at)
                yield from strings_in(document)
                line = ""
        yield line
        at = end + 1


def strings_in(value: Any) -> Iterator[str]:
    if isinstance(value, str):
        yield value
    elif isinstance(value, dict):
        for inner in cast("dict[str, Any]", value).values():
            yield from strings_in(inner)
    elif hasattr(value, "__iter__"):
        for inner in value:
            yield from strings_in(inner)


def placeholders(output: str) -> Iterator[str]:
    for match in ADVISED.finditer(output):
        for typed in in_text(match[1] or match[2] or "", "output"):
            for word in typed.words:
                if PLACEHOLDER.fullmatch(word) and word not in UNKNOWN:
                    yield f"{typed}: {word} stands for what crossfade knows"
