"""What articles look like, and their names: a guid of their own, or one that follows from the old key."""

from __future__ import annotations

import random
import uuid
from typing import Any

from examples.guid.derived import NAMESPACE

PUBLICATIONS = ("times", "post")


def names_of(number: int, *, derived: bool) -> dict[str, Any]:
    """All names of article `number`. Three of four are of one publication."""
    publication = PUBLICATIONS[number % 4 == 0]
    external_id = f"a-{number:06}"
    if derived:
        guid = uuid.uuid5(uuid.UUID(NAMESPACE), f"{publication}#{external_id}")
    else:
        guid = uuid.UUID(int=random.Random(number).getrandbits(128), version=4)
    return {"guid": str(guid), "publication": publication, "external_id": external_id}


def article(number: int, *, derived: bool) -> dict[str, Any]:
    """Article `number` as it comes in."""
    names = names_of(number, derived=derived)
    return names | {"text": f"First of {number}", "proof": f"{number}?", "revision": 1, "tags": {"new"}}
