"""The service's names for what the engine names otherwise: its region and account, and the labels of streams."""

from __future__ import annotations

import re
from datetime import UTC, datetime
from typing import Final

from tests.service.answers import Body
from tests.service.rights import ACCOUNT, REGION

SHOWN: Final = f"arn:aws:dynamodb:{REGION}:{ACCOUNT}:"
ENGINES: Final = re.compile(r"arn:aws:dynamodb:dynoxide:\d{12}:")
ENGINES_PREFIX: Final = "arn:aws:dynamodb:dynoxide:000000000000:"
ENGINES_LABEL: Final = re.compile(r"\b(\d{10})\.(\d{9})\b(?=\"|$)")


class Names:
    """Texts in both directions. A label is the time when the stream was enabled, as
    https://docs.aws.amazon.com/amazondynamodb/latest/APIReference/API_streams_Stream.html has it."""

    def __init__(self) -> None:
        self._labels: dict[str, str] = {}  # the engine's by ours
        self._ours: dict[str, str] = {}

    def shown(self, text: str) -> str:
        """Return an answer's text as the service would have it."""
        if "arn:aws:dynamodb:dynoxide" not in text:
            return text
        return ENGINES_LABEL.sub(self._label, ENGINES.sub(SHOWN, text))

    def engines(self, text: str) -> str:
        """Return a request's text as the engine has it."""
        if SHOWN not in text:
            return text
        text = text.replace(SHOWN, ENGINES_PREFIX)
        for ours, engines in self._labels.items():
            text = text.replace(f"/stream/{ours}", f"/stream/{engines}")
        return text

    def shown_record(self, record: Body) -> Body:
        return {**record, "awsRegion": REGION}

    def _label(self, found: re.Match[str]) -> str:
        engines = found[0]
        if engines not in self._ours:
            at = datetime.fromtimestamp(int(found[1]), UTC).replace(microsecond=int(found[2][:6]))
            ours = at.isoformat(timespec="milliseconds").removesuffix("+00:00")
            while ours in self._labels:  # enabled in the same millisecond
                ours += "0"
            self._ours[engines], self._labels[ours] = ours, engines
        return self._ours[engines]
