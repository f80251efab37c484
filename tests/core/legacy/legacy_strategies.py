"""Random requests with legacy parameters, most of them good, some with a fault or two."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from crossfade.core.effects import Request
from crossfade.core.expressions.comparing import in_order
from crossfade.core.items import AttributeValue, Item
from tests.core.expressions.expression_strategies import (
    NAMES,
    TEXTS,
    Draw,
    a_few,
    chance,
    item,
    ordered_value,
    pick,
    value,
)

_OPERATORS = "EQ NE LE LT GE GT IN BETWEEN NULL NOT_NULL CONTAINS NOT_CONTAINS BEGINS_WITH"
OPERATORS = tuple(_OPERATORS.split())
WRITES = ("PutItem", "UpdateItem", "UpdateItem", "DeleteItem")
BAD_VALUES: tuple[AttributeValue, ...] = (
    {"N": "x"},
    {"SS": ["a", "a"]},
    {"NS": ["1", "1.0"]},
    {"SS": []},
    {"NULL": False},
    {},
    {"L": [{"N": "1E+200"}]},
)
MODES = {
    "PutItem": ("NONE", "ALL_OLD"),
    "DeleteItem": ("NONE", "ALL_OLD"),
    "UpdateItem": ("NONE", "ALL_OLD", "UPDATED_OLD", "ALL_NEW", "UPDATED_NEW"),
}


@dataclass(frozen=True, slots=True)
class LegacyWriter:
    """Draws requests about an item; `held` is what it has besides its key."""

    draw: Draw
    held: Item

    def name(self) -> str:
        """Most often an attribute that the item has."""
        return pick(self.draw, NAMES if not self.held or chance(self.draw, 4) else tuple(self.held))

    def any_value(self, name: str) -> AttributeValue:
        """What the attribute holds, an element of it, or something else."""
        if chance(self.draw, 40):
            return pick(self.draw, BAD_VALUES)
        found = self.held.get(name)
        if found is None or chance(self.draw, 3):
            return value(self.draw, 2)
        ((kind, content),) = found.items()
        if kind in ("SS", "NS", "BS") and chance(self.draw, 2):
            return {kind[0]: pick(self.draw, content)}
        if kind == "L" and content and chance(self.draw, 2):
            element: AttributeValue = pick(self.draw, content)
            return element
        return found

    def values(self, operator: str, name: str) -> list[AttributeValue]:
        """Most often as many as the operator takes, and of types that it takes."""
        draw = self.draw
        count = {"NULL": 0, "NOT_NULL": 0, "BETWEEN": 2, "IN": draw.randint(1, 3)}.get(operator, 1)
        if chance(draw, 25):
            count = draw.randrange(4)
        if operator in ("EQ", "NE", "CONTAINS", "NOT_CONTAINS") or chance(draw, 8):
            return [self.any_value(name) for _ in range(count)]
        first = self.held.get(name)
        if operator == "BEGINS_WITH":
            first = {"S": pick(draw, TEXTS)}
        elif first is None or not first.keys() & {"S", "N", "B"} or chance(draw, 3):
            first = ordered_value(draw)
        drawn = [first] + [ordered_value(draw) for _ in range(20)]
        alike = [each for each in drawn if each.keys() == first.keys()][:count]
        if operator == "BETWEEN" and len(alike) == 2 and in_order(alike[0], ">", alike[1]) and not chance(draw, 8):
            alike.reverse()
        draw.shuffle(alike if operator == "IN" else [])
        return alike

    def comparison(self, name: str) -> dict[str, Any]:
        """An entry of QueryFilter or ScanFilter."""
        operator = pick(self.draw, OPERATORS)
        values = self.values(operator, name)
        if not values and chance(self.draw, 2):
            return {"ComparisonOperator": operator}
        return {"ComparisonOperator": operator, "AttributeValueList": values}

    def expectation(self, name: str) -> dict[str, Any]:
        """An entry of Expected, in one of its three forms or in a mixture of them."""
        draw = self.draw
        form: str = pick(
            draw, ("value", "exists", "comparison", "comparison", "mixture" if chance(draw, 4) else "value")
        )
        match form:
            case "value":
                return {"Value": self.any_value(name), **({"Exists": True} if chance(draw, 3) else {})}
            case "exists":
                return {"Exists": False}
            case "comparison":
                entry = self.comparison(name)
                values = entry.get("AttributeValueList", [])
                if len(values) == 1 and chance(draw, 3):
                    del entry["AttributeValueList"]
                    entry["Value"] = values[0]
                return entry
            case _:
                parts: dict[str, Any] = {
                    "Exists": pick(draw, (True, False)),
                    "Value": self.any_value(name),
                    "ComparisonOperator": pick(draw, OPERATORS),
                    "AttributeValueList": [self.any_value(name)],
                }
                return {part: parts[part] for part in a_few(draw, tuple(parts), 4)}

    def update(self, name: str) -> dict[str, Any]:
        """An entry of AttributeUpdates."""
        draw = self.draw
        action = pick(draw, ("PUT", "ADD", "DELETE", "ADD"))
        if action == "PUT" and chance(draw, 3):
            return {"Value": self.any_value(name)}
        if chance(draw, 25 if action != "DELETE" else 2):
            return {"Action": action}
        if action == "PUT" or chance(draw, 10):
            return {"Action": action, "Value": self.any_value(name)}
        return {"Action": action, "Value": self.addend(self.held.get(name))}

    def addend(self, held: AttributeValue | None) -> AttributeValue:
        """What may be added to or taken from `held`, most often."""
        drawn = [value(self.draw, 2) for _ in range(12)]
        good = [each for each in drawn if each.keys() & {"N", "SS", "NS", "BS", "L"}]
        alike = [each for each in good if held is not None and each.keys() == held.keys()]
        return pick(self.draw, (alike if alike and not chance(self.draw, 6) else good) or drawn)

    def guarded(self, entries: dict[str, Any], parameter: str) -> Request:
        """`entries`, with ConditionalOperator where it may be, and sometimes where not."""
        request: Request = {}
        if entries or chance(self.draw, 20):
            request[parameter] = entries
        if chance(self.draw, 2 if len(entries) > 1 else 30):
            request["ConditionalOperator"] = pick(self.draw, ("AND", "OR"))
        return request

    def write(self, operation: str, key: Item) -> Request:
        """A PutItem, UpdateItem or DeleteItem."""
        draw = self.draw
        names = {self.name() for _ in range(pick(draw, (0, 1, 1, 2, 3)))}
        entries = {name: self.expectation(name) for name in sorted(names)}
        request: Request = {**self.guarded(entries, "Expected"), "ReturnValues": pick(draw, MODES[operation])}
        if operation == "PutItem":
            return {**request, "Item": {**key, **item(draw)}}
        request["Key"] = key
        if operation == "UpdateItem":
            updated = {self.name() for _ in range(pick(draw, (0, 1, 1, 1, 2, 3)))}
            updates = {name: self.update(name) for name in sorted(updated)}
            if chance(draw, 40):
                updates["pk"] = {"Value": {"S": "another"}}
            request["AttributeUpdates"] = updates
        return request

    def filtered(self, parameter: str) -> Request:
        """A filter and what to get."""
        draw = self.draw
        names = {self.name() for _ in range(pick(draw, (0, 1, 1, 2, 3)))}
        if chance(draw, 25):
            names.add("sk")
        request = self.guarded({name: self.comparison(name) for name in sorted(names)}, parameter)
        if chance(draw, 3):
            request["AttributesToGet"] = a_few(draw, (*NAMES, "pk", "sk", "a.x", "a[0]", "status"), 4)
        if chance(draw, 4):
            request["Select"] = pick(
                draw, ("ALL_ATTRIBUTES", "COUNT", "SPECIFIC_ATTRIBUTES", "ALL_PROJECTED_ATTRIBUTES")
            )
        return request

    def key_conditions(self, sorts: tuple[str, ...]) -> Request:
        """KeyConditions about partition `p`; sometimes they are none that a Query could follow."""
        draw = self.draw
        conditions: dict[str, Any] = {"pk": {"ComparisonOperator": "EQ", "AttributeValueList": [{"S": "p"}]}}
        if chance(draw, 30):
            conditions["pk"] = {"ComparisonOperator": pick(draw, OPERATORS[:7]), "AttributeValueList": [{"S": "p"}]}
        if not chance(draw, 3):
            operator = pick(draw, ("EQ", "LE", "LT", "GE", "GT", "BETWEEN", "BEGINS_WITH", pick(draw, OPERATORS)))
            count = {"NULL": 0, "NOT_NULL": 0, "BETWEEN": 2}.get(operator, 1) if not chance(draw, 30) else 1
            values = sorted(pick(draw, sorts) for _ in range(count))
            name = "sk" if not chance(draw, 30) else pick(draw, NAMES)
            conditions[name] = {"ComparisonOperator": operator, "AttributeValueList": [{"S": text} for text in values]}
        if chance(draw, 60):
            conditions[pick(draw, NAMES)] = {"ComparisonOperator": "EQ", "AttributeValueList": [{"S": "a"}]}
        if chance(draw, 60):
            del conditions["pk"]
        return {"KeyConditions": conditions}
