"""A failure for its reader: the case, the operation, both answers side by side, and how to see only that again."""

from __future__ import annotations

import difflib
import json
import shlex
from typing import Any, Final, cast

from tests.contract.answers import list_of
from tests.contract.running import Failure

LINE_LENGTH_MAX: Final = 420
LINES_MAX: Final = 60
ABSENT: Final = "(absent)"


def command(failure: Failure) -> str:
    """What plays this case in this combination alone."""
    combination = failure.combination
    case = "" if failure.case.startswith("(") else f"CASES={shlex.quote(failure.case)} "
    where = f"STRATEGY={combination.strategy} MAPPING={combination.mapping} VIEW={combination.view}"
    where += f" STAGE={combination.stage}"
    return f"make contract {case}{where} CLIENT={combination.client}"


def first_difference(plain: Any, ours: Any, path: str = "") -> str:
    """Where two answers first go apart, in a line."""
    if isinstance(plain, dict) and isinstance(ours, dict):
        left, right = cast("dict[str, Any]", plain), cast("dict[str, Any]", ours)
        for name in sorted(left.keys() | right.keys(), key=str):
            if left.get(name) != right.get(name) or (name in left) != (name in right):
                return first_difference(left.get(name, ABSENT), right.get(name, ABSENT), f"{path}.{name}")
    if isinstance(plain, list) and isinstance(ours, list):
        for n, (one, other) in enumerate(zip(list_of(plain), list_of(ours), strict=False)):
            if one != other:
                return first_difference(one, other, f"{path}[{n}]")
    shown: list[Any] = [plain, ours]
    left_text, right_text = (str(each)[:LINE_LENGTH_MAX] for each in shown)
    return f"{path}: {left_text!r} on a plain table, {right_text!r} here"


def brief(failure: Failure) -> str:
    where = failure.why or f"operation {failure.number}, {failure.op.name if failure.op else ''}"
    apart = first_difference(failure.plain, failure.ours) if failure.plain is not None else ""
    return f"  {failure.case}\n      {where[:LINE_LENGTH_MAX]} {apart}"


def show(failure: Failure) -> str:
    lines = ["", f"--- {failure.case}", f"    {failure.combination.name}"]
    if failure.op is not None:
        lines.append(f"    operation {failure.number}: {failure.op.name} {shortened(failure.op.request)}")
    if failure.why:
        lines.append(f"    {failure.why}")
    if failure.plain is not None or failure.ours is not None:
        lines += beside(failure.plain, failure.ours)
    lines.append(f"    again: {command(failure)}")
    return "\n".join(lines)


def beside(plain: Any, ours: Any) -> list[str]:
    """Both answers as one text: lines of the plain table's alone with '-', of ours alone with '+'."""
    texts = [json.dumps(answer, indent=1, sort_keys=True, default=repr).splitlines() for answer in (plain, ours)]
    compared = [line for line in difflib.ndiff(texts[0], texts[1]) if not line.startswith("?")]
    shown = [f"    {line[:LINE_LENGTH_MAX]}" for line in compared[:LINES_MAX]]
    rest = len(compared) - len(shown)
    head = "    (- one plain table, + the migrating one)"
    return [head, *shown] + ([f"    ... {rest} lines more"] if rest else [])


def shortened(value: Any) -> str:
    text = repr(value)
    return text if len(text) <= 4 * LINE_LENGTH_MAX else f"{text[: 4 * LINE_LENGTH_MAX]}... ({len(text)} characters)"
