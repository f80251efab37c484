"""Keys of entities as text that leads back to them: a repair may be made by another process, a day later."""

from __future__ import annotations

import base64
import datetime
import json
import uuid
from decimal import Decimal
from hashlib import blake2b
from typing import Any, Final, cast

from crossfade.errors import NotPossibleInStage

KEY_TEXT_MAX: Final = 2_000  # characters: as long as a key of DynamoDB may be; what is longer is no key
WAY_OUT: Final = "make a text of it: key=lambda ...: str(...); load and save get that text then"


def key_text(key: object) -> str:
    """Raises NotPossibleInStage for what does not come back from text as it was."""
    text = json.dumps(_encoded(key), separators=(",", ":"), ensure_ascii=False)
    try:
        _ = text.encode()
    except UnicodeEncodeError:
        raise NotPossibleInStage(
            f"the key {key!r} has half a character in it, which no store keeps", next_step=WAY_OUT
        ) from None
    if len(text) > KEY_TEXT_MAX:
        raise NotPossibleInStage(
            f"a key of {len(text):,} characters: up to {KEY_TEXT_MAX:,} are kept", next_step=WAY_OUT
        )
    return text


def key_of(text: str) -> Any:
    """The key that a text was made of."""
    return _decoded(json.loads(text))


def digest_of(text: str) -> str:
    """What names the key's record, whatever is in the text."""
    return blake2b(text.encode(), digest_size=16).hexdigest()


def _encoded(key: object) -> Any:
    match key:
        case bool():
            return {"bool": key}
        case None | str() | int():
            return key
        case bytes():
            return {"bytes": base64.b64encode(key).decode()}
        case uuid.UUID():
            return {"uuid": str(key)}
        case Decimal():
            return {"decimal": str(key)}
        case datetime.datetime():
            return {"datetime": key.isoformat()}
        case datetime.date():
            return {"date": key.isoformat()}
        case tuple():
            return [_encoded(part) for part in cast("tuple[object, ...]", key)]
        case _:
            raise NotPossibleInStage(
                f"a key of type {type(key).__name__} does not come back from text", next_step=WAY_OUT
            )


_DECODERS: Final[dict[str, Any]] = {
    "bool": bool,
    "bytes": base64.b64decode,
    "uuid": uuid.UUID,
    "decimal": Decimal,
    "datetime": datetime.datetime.fromisoformat,
    "date": datetime.date.fromisoformat,
}


def _decoded(value: Any) -> Any:
    match value:
        case [*parts]:
            return tuple(_decoded(part) for part in parts)
        case {**entries}:
            ((kind, given),) = entries.items()
            return _DECODERS[str(kind)](given)
        case _:
            return value
