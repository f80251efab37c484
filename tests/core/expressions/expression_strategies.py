"""Random items and expressions for the comparison with the embedded engine.

Names and values come from small pools, so that paths are often there, types often agree and limits are often met. An
expression is drawn part by part and may then be spoiled, so that what is not valid is compared as well. All chance
comes from one seeded generator: hypothesis draws its seed, and the seed alone brings a case back.
"""

from __future__ import annotations

import random
import re
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import TypeVar

from crossfade.core.expressions.comparing import in_order
from crossfade.core.items import AttributeValue, Item

T = TypeVar("T")
Draw = random.Random

NAMES = ("a", "b", "c", "d", "e")
MEMBERS = ("x", "y", "z")
SIMPLE_NUMBERS = ("0", "1", "2", "-1", "1.5", "10", "3")
_NUMBERS = """
    0 1 1.0 -1 2 1.5 -0 10 100 1E+2 3 0.1 1E-7 1E-130 1E38 7E-39 99999999999999999999999999999999999999
    9.9999999999999999999999999999999999999E+125
"""
NUMBERS = tuple(_NUMBERS.split())
TEXTS = ("", "a", "ab", "b", "abc", "é", "e\u0301", "😀", "\uff61", "N", "S", "L")
BINARIES = (b"", b"a", b"ab", b"\x00", b"\xff", b"\x7f", b"ab\xff")
_ODD_TOKENS = """
    ( ) , = < > . [ ] + - * ! 0 01 $ a name Status AND or not BETWEEN In SET remove size foo contains list_append
    if_not_exists :v0 #a ((a)) [99999999999] size(a) foo(a) é
"""
ODD_TOKENS = tuple(_ODD_TOKENS.split())


def pick(draw: Draw, choices: Sequence[T]) -> T:
    """One of `choices`."""
    return draw.choice(choices)


def chance(draw: Draw, one_in: int) -> bool:
    """True about once in `one_in` times."""
    return draw.random() * one_in < 1


def a_few(draw: Draw, choices: Sequence[T], most: int) -> list[T]:
    """One to `most` different ones of `choices`."""
    return draw.sample(choices, draw.randint(1, min(most, len(choices))))


def value(draw: Draw, depth: int = 0) -> AttributeValue:
    """An attribute value, nested at most three levels."""
    kinds = ["N", "S", "N", "B", "SS", "NS", "BS", "BOOL", "NULL"] + (["L", "M", "L", "M"] if depth < 3 else [])
    match pick(draw, kinds):
        case "BOOL":
            return {"BOOL": pick(draw, (True, False))}
        case "NULL":
            return {"NULL": True}
        case "NS":
            return {"NS": a_few(draw, SIMPLE_NUMBERS, 3)}
        case "SS":
            return {"SS": a_few(draw, TEXTS, 3)}
        case "BS":
            return {"BS": a_few(draw, BINARIES, 3)}
        case "L":
            return {"L": [value(draw, depth + 1) for _ in range(draw.randrange(4))]}
        case "M":
            return {"M": {name: value(draw, depth + 1) for name in a_few(draw, MEMBERS, 3)}}
        case _:
            return ordered_value(draw)


def ordered_value(draw: Draw) -> AttributeValue:
    """Text, a number or binary."""
    match pick(draw, ("N", "S", "B", "N")):
        case "N":
            return {"N": pick(draw, NUMBERS)}
        case "S":
            return {"S": pick(draw, TEXTS)}
        case _:
            return {"B": pick(draw, BINARIES)}


def item(draw: Draw) -> Item:
    """An item without its key."""
    return {name: value(draw) for name in a_few(draw, NAMES, 5)}


def steps_of(path: str, names: dict[str, str]) -> list[str]:
    """The steps of a path: names looked up, indices with their opening bracket."""
    found: list[str] = re.findall(r"#?\w+|\[\d+", path)
    return [names.get(step, step) for step in found]


def clash(one: list[str], two: list[str]) -> bool:
    """Whether two paths overlap, or take the same place for a map and for a list."""
    for mine, theirs in zip(one, two, strict=False):
        if mine != theirs:
            return mine.startswith("[") != theirs.startswith("[")
    return True


@dataclass(slots=True)
class Writer:
    """Draws one request's expressions and collects its placeholders; `held` is the item they are about."""

    draw: Draw
    held: Item
    keys: tuple[str, ...] = ()  # key attributes that may be named too
    names: dict[str, str] = field(default_factory=dict[str, str])
    values: dict[str, AttributeValue] = field(default_factory=dict[str, AttributeValue])
    targets: list[list[str]] = field(default_factory=list[list[str]])  # what the update's actions so far write to

    def pick(self, *choices: str) -> str:
        return self.draw.choice(choices)

    def chance(self, one_in: int) -> bool:
        return chance(self.draw, one_in)

    # operands

    def name(self, name: str) -> str:
        if not self.chance(5):
            return name
        if self.chance(60):
            return f"#un{name}"
        self.names[f"#{name}"] = name
        return f"#{name}"

    def path(self) -> str:
        """A path, three times in four one that leads somewhere or ends just where the item does."""
        if self.keys and self.chance(12):
            return self.name(self.pick(*self.keys))
        if self.chance(4):
            return self.name(self.pick(*NAMES)) + self.pick("", "", ".x", "[0]", ".y[1]", "[2].z", "[0][1]", ".x.y")
        name = self.pick(*(tuple(self.held) or NAMES))
        path, held = self.name(name), self.held.get(name)
        while held is not None and ("M" in held or "L" in held) and not self.chance(3):
            if "M" in held:
                name = self.pick(*MEMBERS)
                path, held = f"{path}.{self.name(name)}", held["M"].get(name)
            else:
                index = self.draw.randrange(4)
                path, held = f"{path}[{index}]", held["L"][index] if index < len(held["L"]) else None
        return path

    def value(self, drawn: AttributeValue | None = None) -> str:
        if self.chance(200):
            return ":undefined"
        key = f":v{len(self.values)}"
        self.values[key] = drawn or self.any_value()
        return key

    def any_value(self) -> AttributeValue:
        """A value, often one that the item holds somewhere."""
        if not self.held or not self.chance(3):
            return value(self.draw, 2)
        found = self.held[self.pick(*self.held)]
        while ("L" in found or "M" in found) and not self.chance(3):
            inside: list[AttributeValue] = found["L"] if "L" in found else list(found["M"].values())
            if not inside:
                break
            found = pick(self.draw, inside)
        return found

    def operand(self) -> str:
        match self.pick("path", "value", "path", "value", "size"):
            case "path":
                return self.path()
            case "value":
                return self.value()
            case _:
                return f"size({self.path()})"

    def ordered_operand(self) -> str:
        """An operand that has an order, as far as the text tells and most often."""
        if self.chance(12):
            return self.operand()
        return self.path() if self.chance(2) else self.value(ordered_value(self.draw))

    # conditions

    def condition(self, depth: int = 0) -> str:
        choices = ["compare", "compare", "between", "in", "function", "function"]
        match self.pick(*choices, *(["and", "or", "not", "group"] if depth < 3 else ())):
            case "compare":
                operator = self.pick("=", "<>", "<", "<=", ">", ">=")
                operand = self.operand if operator in {"=", "<>"} else self.ordered_operand
                return f"{operand()} {operator} {operand()}"
            case "between":
                return f"{self.ordered_operand()} BETWEEN {self.bounds()}"
            case "in":
                value = self.operand()
                return f"{value} IN ({', '.join(self.operand() for _ in range(self.draw.randint(1, 3)))})"
            case "function":
                return self.predicate()
            case "not":
                return f"NOT {self.condition(depth + 1)}"
            case "group":
                inner = self.condition(depth + 1)
                return f"({inner})" if self.chance(10) or not inner.startswith("(") else f"(NOT {inner})"
            case word:
                return f"{self.condition(depth + 1)} {word.upper()} {self.condition(depth + 1)}"

    def bounds(self) -> str:
        if self.chance(2):
            return f"{self.ordered_operand()} AND {self.ordered_operand()}"
        lower, upper = ordered_value(self.draw), ordered_value(self.draw)
        if not self.chance(6) and lower.keys() != upper.keys():
            upper = lower
        if not self.chance(6) and in_order(lower, ">", upper):
            lower, upper = upper, lower
        return f"{self.value(lower)} AND {self.value(upper)}"

    def predicate(self) -> str:
        match self.pick("attribute_exists", "attribute_not_exists", "attribute_type", "begins_with", "contains"):
            case "attribute_exists" | "attribute_not_exists" as name:
                return f"{name}({self.operand() if self.chance(10) else self.path()})"
            case "attribute_type":
                kind = self.pick("S", "N", "B", "L", "M", "SS", "NS", "BS", "BOOL", "NULL", "X")
                wanted = self.operand() if self.chance(8) else self.value({"S": kind})
                return f"attribute_type({self.operand()}, {wanted})"
            case "begins_with":
                prefix: AttributeValue = {"B": pick(self.draw, BINARIES)}
                if self.chance(2):
                    prefix = {"S": pick(self.draw, TEXTS)}
                text = self.operand() if self.chance(8) else self.path()
                return f"begins_with({text}, {self.operand() if self.chance(8) else self.value(prefix)})"
            case name:
                return f"{name}({self.operand()}, {self.operand()})"

    # updates

    def update(self) -> str:
        sections: list[str] = []
        for keyword in a_few(self.draw, ("SET", "REMOVE", "ADD", "DELETE"), 3):
            written = [self.action(keyword) for _ in range(pick(self.draw, (1, 1, 2, 3)))]
            sections.append(f"{keyword} {', '.join(written)}")
        return " ".join(sections)

    def action(self, keyword: str) -> str:
        match keyword:
            case "SET":
                return f"{self.target()} = {self.source()}"
            case "REMOVE":
                return self.target()
            case "ADD":
                path = self.target("N", "SS", "NS", "BS")
                return f"{path} {self.value(self.addend(path, {'N': pick(self.draw, NUMBERS)}))}"
            case _:
                path = self.target("SS", "NS", "BS")
                return f"{path} {self.value(self.addend(path, {'SS': ['a']}))}"

    def target(self, *kinds: str) -> str:
        """A path to write to: most often it goes with those before it and leads to one of `kinds` or to nothing."""
        known = dict(self.names)
        for _ in range(8):
            path = self.path()
            steps = steps_of(path, self.names)
            held = self.look(steps)
            fits = not kinds or held is None or bool(held.keys() & set(kinds))
            reachable = len(steps) == 1 or self.look(steps[:-1]) is not None
            if (fits and reachable and not any(clash(steps, other) for other in self.targets)) or self.chance(80):
                break
            self.names = dict(known)
        else:
            path = f"new{len(self.targets)}"
        self.targets.append(steps_of(path, self.names))
        return path

    def look(self, steps: list[str]) -> AttributeValue | None:
        """What the item has at `steps`."""
        found = self.held.get(steps[0])
        for step in steps[1:]:
            if found is None:
                return None
            if step.startswith("["):
                elements: list[AttributeValue] = found.get("L", [])
                found = elements[int(step[1:])] if int(step[1:]) < len(elements) else None
            else:
                found = found.get("M", {}).get(step)
        return found

    def addend(self, path: str, default: AttributeValue) -> AttributeValue:
        """What may be added to or deleted from what is at `path`, most often."""
        if self.chance(12):
            return value(self.draw, 2)
        held = self.look(steps_of(path, self.names)) or {}
        if held.keys() & {"SS", "NS", "BS"} and self.chance(4):
            return held
        if "SS" in held:
            return {"SS": a_few(self.draw, TEXTS, 3)}
        if "BS" in held:
            return {"BS": a_few(self.draw, BINARIES, 3)}
        if "NS" in held or self.chance(3):
            return {"NS": a_few(self.draw, SIMPLE_NUMBERS, 3)}
        return default

    def source(self) -> str:
        match self.pick("operand", "sum", "sum", "list_append", "if_not_exists", "operand"):
            case "operand":
                return self.value() if self.chance(2) else self.path_to()
            case "sum":
                written = f"{self.summand()} {self.pick('+', '-')} {self.summand()}"
                return f"({written})" if self.chance(5) else written
            case "list_append":
                return f"list_append({self.list_operand()}, {self.list_operand()})"
            case _:
                return f"if_not_exists({self.path()}, {self.value() if self.chance(2) else self.path_to()})"

    def summand(self) -> str:
        match self.pick("number", "path", "default", "number"):
            case "number":
                return self.value({"N": pick(self.draw, NUMBERS)})
            case "path":
                return self.path_to("N")
            case _:
                return f"if_not_exists({self.path_to('N')}, {self.value({'N': '1'})})"

    def list_operand(self) -> str:
        match self.pick("value", "path", "default"):
            case "value":
                return self.value() if self.chance(8) else self.value({"L": [value(self.draw, 2)]})
            case "path":
                return self.path_to("L")
            case _:
                return f"if_not_exists({self.path_to('L')}, {self.value({'L': []})})"

    def path_to(self, kind: str = "") -> str:
        """Most often a path to a value of that type, or to any."""
        names = [name for name, held in self.held.items() if not kind or kind in held]
        return self.path() if not names or self.chance(8) else self.name(pick(self.draw, names))

    # projections and faults

    def projection(self) -> str:
        return ", ".join(self.target() for _ in range(self.draw.randint(1, 4)))

    def spoiled(self, text: str) -> str:
        """`text`, once in eight times with a token lost, doubled, changed or moved."""
        if not self.chance(8):
            return text
        tokens = re.findall(r"\s+|[#:]?\w+|<>|<=|>=|.", text)
        at, other = self.draw.randrange(len(tokens)), self.draw.randrange(len(tokens))
        match self.pick("lose", "double", "change", "swap", "insert"):
            case "lose":
                del tokens[at]
            case "double":
                tokens.insert(at, tokens[at])
            case "change":
                tokens[at] = self.pick(*ODD_TOKENS)
            case "insert":
                tokens.insert(at, f" {self.pick(*ODD_TOKENS)} ")
            case _:
                tokens[at], tokens[other] = tokens[other], tokens[at]
        return "".join(tokens)
