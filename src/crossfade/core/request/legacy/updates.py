"""AttributeUpdates: PUT, ADD or DELETE, an attribute each.

https://docs.aws.amazon.com/amazondynamodb/latest/developerguide/LegacyConditionalParameters.AttributeUpdates.html
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final

from crossfade.core.expressions.actions import TYPE_NAMES
from crossfade.core.expressions.arithmetic import SETS
from crossfade.core.items import INVALID_VALUES, AttributeValue, ValidationError, stored_item
from crossfade.core.request.legacy.placeholders import Placeholders

ACTIONS: Final = ("ADD", "DELETE", "PUT")
_ADDED: Final = SETS | {"N", "L"}  # what is added to a list comes at its end, though the guide does not tell


def update_expression(given: Mapping[str, Any], placeholders: Placeholders) -> str:
    """The update as an expression, empty if there is none; ValidationError for an entry that means nothing."""
    sections: dict[str, list[str]] = {"SET": [], "REMOVE": [], "ADD": [], "DELETE": []}
    for attribute, entry in given.items():
        action: str = entry.get("Action", "PUT")
        value = stored_item({attribute: entry["Value"]})[attribute] if "Value" in entry else None
        keyword, written = _written(placeholders.name(attribute), action, value, placeholders)
        sections[keyword].append(written)
    return " ".join(f"{keyword} {', '.join(actions)}" for keyword, actions in sections.items() if actions)


def _written(name: str, action: str, value: AttributeValue | None, placeholders: Placeholders) -> tuple[str, str]:
    if value is None:
        if action != "DELETE":
            raise ValidationError(f"{INVALID_VALUES}Only DELETE action is allowed when no attribute value is specified")
        return "REMOVE", name
    (kind,) = value
    if action == "DELETE" and kind not in SETS:
        raise ValidationError(
            f"{INVALID_VALUES}DELETE action with value is not supported for the type {TYPE_NAMES[kind]}"
        )
    if action == "ADD" and kind not in _ADDED:
        raise ValidationError(f"{INVALID_VALUES}ADD action is not supported for the type {TYPE_NAMES[kind]}")
    if action == "ADD" and kind == "L":
        empty = placeholders.value({"L": []})
        return "SET", f"{name} = list_append(if_not_exists({name}, {empty}), {placeholders.value(value)})"
    if action == "PUT":
        return "SET", f"{name} = {placeholders.value(value)}"
    return action, f"{name} {placeholders.value(value)}"
