"""Placeholders for the names and values of one translated request."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

from crossfade.core.effects import Request
from crossfade.core.expressions.translated import PREFIX
from crossfade.core.items import AttributeValue


@dataclass(slots=True)
class Placeholders:
    """`name` and `value` give placeholders; `given` gives the parameters that define them."""

    names: dict[str, str] = field(default_factory=dict[str, str])  # attribute -> placeholder
    values: list[AttributeValue] = field(default_factory=list[AttributeValue])

    def name(self, attribute: str) -> str:
        """The placeholder of an attribute, the same however often it is asked for."""
        return self.names.setdefault(attribute, f"#{PREFIX}{len(self.names)}")

    def value(self, value: AttributeValue) -> str:
        self.values.append(value)
        return f":{PREFIX}{len(self.values) - 1}"

    def given(self, request: Request) -> Request:
        """ExpressionAttributeNames and -Values, with those that the request has already; none that is empty."""
        names: dict[str, str] = {placeholder: name for name, placeholder in self.names.items()}
        values: dict[str, Any] = {f":{PREFIX}{number}": value for number, value in enumerate(self.values)}
        parameters: Request = {}
        for parameter, own in (("ExpressionAttributeNames", names), ("ExpressionAttributeValues", values)):
            both = {**request.get(parameter, {}), **own}
            if both:
                parameters[parameter] = both
        return parameters
