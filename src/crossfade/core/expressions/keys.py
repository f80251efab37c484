"""Key conditions: which partition a query reads, and which part of it.

The service first checks the expression as it would a filter, and then that it has the form
`partition = value [AND condition on the sort key]`, in either order. Of an index of several attributes each partition
attribute is given by `=`, and sort attributes from the first on: by `=` all but the last that is given.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

from crossfade.core.expressions import comparing
from crossfade.core.expressions.bindings import Bindings
from crossfade.core.expressions.conditions import Resolver, parsed_condition
from crossfade.core.expressions.errors import ExpressionError
from crossfade.core.expressions.syntax import (
    BetweenNode,
    ComparisonNode,
    ConditionNode,
    FunctionNode,
    InNode,
    LogicNode,
    NotNode,
    Operand,
    PathNode,
    ValueNode,
)
from crossfade.core.items import AttributeValue, same
from crossfade.core.key_names import KeyNames

KEY_CONDITION_KIND = "KeyConditionExpression"
MISSED = "Query condition missed key schema element"
_TURNED = {"=": "=", "<": ">", "<=": ">=", ">": "<", ">=": "<="}


@dataclass(frozen=True, slots=True)
class SortCondition:
    """`operator` is one of `=`, `<`, `<=`, `>`, `>=`, `BETWEEN` (two operands), `begins_with`."""

    name: str
    operator: str
    operands: tuple[AttributeValue, ...]

    def holds(self, value: AttributeValue | None) -> bool:
        """Whether a sort key value fulfils it."""
        match self.operator:
            case "=":
                return value is not None and same(value, self.operands[0])
            case "BETWEEN":
                return comparing.between(value, *self.operands)
            case "begins_with":
                return comparing.begins_with(value, self.operands[0])
            case comparator:
                return comparing.in_order(value, comparator, self.operands[0])


def names_of_key(names: Sequence[str]) -> KeyNames:
    """Return a table's key names: the partition key, and the sort key where there is one."""
    return KeyNames(tuple(names[:1]), tuple(names[1:]))


@dataclass(frozen=True, slots=True)
class KeyCondition:
    """`partition` is the name and value of the (first) partition attribute, `sort` the condition on the last sort
    attribute that is given. `equal`: of an index of several attributes, the other partition attributes, and the sort
    attributes before that."""

    partition: tuple[str, AttributeValue]
    sort: SortCondition | None
    equal: Mapping[str, AttributeValue] = field(default_factory=dict[str, AttributeValue])

    def holds(self, item: Mapping[str, AttributeValue]) -> bool:
        """Whether an item of the table lies in the part that the query reads."""
        for name, value in (self.partition, *self.equal.items()):
            held = item.get(name)
            if held is None or not same(held, value):
                return False
        return self.sort is None or self.sort.holds(item.get(self.sort.name))


def key_condition(text: str, bindings: Bindings, *, key_names: KeyNames | None = None) -> KeyCondition:
    """A key condition; ExpressionError if it is not valid. `key_names`: of the key that is queried; without them
    conditions with `=` are taken for the partition's (of two, the first)."""
    tree, _ = parsed_condition(KEY_CONDITION_KIND, text)
    _ = Resolver(KEY_CONDITION_KIND, bindings).test(tree)
    try:
        return _structured(tree, bindings, key_names)
    except ExpressionError:
        bindings.finish()  # the service complains of the form last: this is the last expression of a query
        raise


def _structured(tree: ConditionNode, bindings: Bindings, key_names: KeyNames | None) -> KeyCondition:
    parts: dict[str, SortCondition] = {}
    _collect(tree, bindings, parts)
    names = key_names or guessed_names({name: part.operator == "=" for name, part in parts.items()})
    check_given({name: part.operator == "=" for name, part in parts.items()}, names)
    sorts = [name for name in names.sort if name in parts]
    equal = {name: parts[name].operands[0] for name in (*names.partition[1:], *sorts[:-1])}
    first = names.partition[0]
    return KeyCondition((first, parts[first].operands[0]), parts[sorts[-1]] if sorts else None, equal)


def guessed_names(given: Mapping[str, bool]) -> KeyNames:
    """What the key may be, by the attributes that are given: whether each is given by equality."""
    names = sorted(given, key=lambda name: not given[name])
    if len(names) <= 2:
        return names_of_key(names)
    return KeyNames(tuple(name for name in names if given[name]), tuple(name for name in names if not given[name]))


def check_given(given: Mapping[str, bool], names: KeyNames) -> None:
    """ExpressionError where these attributes are not a condition on such a key: whether each is given by equality."""
    if names.is_several:
        _check_several(given, names)
        return
    (partition,) = names.partition
    if len(given) > 2:
        raise ExpressionError("Conditions can be of length 1 or 2 only")
    if partition not in given:
        raise ExpressionError(f"{MISSED}: {partition}")
    if not given[partition]:
        raise ExpressionError("Query key condition not supported")
    if len(given) == 2 and not {*names.sort} & given.keys():
        raise ExpressionError(": ".join((MISSED, *names.sort)))


def _check_several(given: Mapping[str, bool], names: KeyNames) -> None:
    if len(given) > len(names.every):
        raise ExpressionError(
            f"The number of query conditions ({len(given)}) exceeds the number of key attributes defined in the schema"
            f" ({len(names.every)})"
        )
    if lacking := [name for name in names.partition if not given.get(name)]:
        raise ExpressionError(
            f"HASH key attributes {', '.join(lacking)} must have equality conditions specified in the query"
        )
    asked = [name for name in names.sort if name in given]
    if len(names.partition) + len(asked) < len(given):
        raise ExpressionError(": ".join((MISSED, *[name for name in names.sort if name not in given][:1])))
    before = names.sort[: names.sort.index(asked[-1])] if asked else ()
    if lacking := [name for name in before if not given.get(name)]:
        raise ExpressionError(
            f"RANGE key attributes {', '.join(lacking)} must have equality conditions specified in the query because a"
            f" condition is present on key attribute {asked[-1]}"
        )


def _collect(node: ConditionNode, bindings: Bindings, parts: dict[str, SortCondition]) -> None:
    match node:
        case LogicNode(word="AND"):
            for part in node.parts:
                _collect(part, bindings, parts)
            return
        case ComparisonNode() if node.operator != "<>":
            found = _single(node.operator, (node.left, node.right), bindings)
        case BetweenNode():
            found = _single("BETWEEN", (node.operand, node.lower, node.upper), bindings)
        case FunctionNode(name="begins_with"):
            found = _single("begins_with", node.operands, bindings)
        case _:
            raise ExpressionError(f"Invalid operator used in {KEY_CONDITION_KIND}: {_operator(node)}")
    if found.name in parts:
        raise ExpressionError("KeyConditionExpressions must only contain one condition per key")
    parts[found.name] = found


def _operator(node: ConditionNode) -> str:
    match node:
        case LogicNode():
            return node.word
        case NotNode():
            return "NOT"
        case ComparisonNode():
            return node.operator
        case FunctionNode():
            return node.name
        case BetweenNode():
            return "BETWEEN"
        case InNode():
            return "IN"


def _single(operator: str, operands: tuple[Operand, ...], bindings: Bindings) -> SortCondition:
    """One condition on one attribute, which must come first unless the comparison can be turned round."""
    names: list[str] = []
    values: list[AttributeValue] = []
    for operand in operands:
        match operand:
            case PathNode():
                names.append(_key_name(operand, bindings))
            case ValueNode():
                values.append(bindings.value(KEY_CONDITION_KIND, operand))
            case FunctionNode():
                raise ExpressionError("KeyConditionExpressions cannot contain nested operations")
    if len(names) != 1:
        why = "Multiple attribute names used in one condition" if names else "No key attribute specified"
        raise ExpressionError(f"Invalid condition in {KEY_CONDITION_KIND}: {why}")
    if not isinstance(operands[0], PathNode):
        if operator not in _TURNED:
            raise ExpressionError(
                f"Invalid condition in {KEY_CONDITION_KIND}: {operator} operator must have the key attribute as its"
                " first operand"
            )
        operator = _TURNED[operator]
    return SortCondition(names[0], operator, tuple(values))


def _key_name(node: PathNode, bindings: Bindings) -> str:
    path = bindings.path(KEY_CONDITION_KIND, node)
    if path[1:]:
        raise ExpressionError(
            "Key attributes must be scalars; list random access '[]' and map lookup '.' are not allowed: "
            f"Key: {path[0]}"
        )
    return str(path[0])
