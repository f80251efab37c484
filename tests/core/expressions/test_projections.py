"""Projections of one item."""

from __future__ import annotations

import pytest

from crossfade.core.expressions import ExpressionError, bind, projection
from crossfade.core.items import Item

ITEM: Item = {
    "pk": {"S": "p"},
    "a": {"N": "5"},
    "l": {"L": [{"N": "1"}, {"N": "2"}, {"M": {"j": {"N": "3"}, "k": {"N": "4"}}}]},
    "m": {"M": {"x": {"N": "1"}, "y": {"M": {"z": {"S": "q"}}}}},
}


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("a, pk", {"a": ITEM["a"], "pk": ITEM["pk"]}),
        ("m.x, m.y.z", {"m": ITEM["m"]}),
        ("m.x", {"m": {"M": {"x": {"N": "1"}}}}),
        ("l[1], l[0]", {"l": {"L": [{"N": "1"}, {"N": "2"}]}}),
        ("l[2].k, l[0]", {"l": {"L": [{"N": "1"}, {"M": {"k": {"N": "4"}}}]}}),
        ("l[9], m.gone, m.y.gone, gone, a.b, l.a, m[0]", {}),
    ],
)
def test_parts_in_their_places(text: str, expected: Item) -> None:
    """Maps keep the names that lead to a part, lists only the elements asked for, and nothing is empty."""
    if text.startswith("l[9]"):
        for path in text.split(", "):
            assert projection(path, bind(None, None)).apply(ITEM) == expected
    else:
        assert projection(text, bind(None, None)).apply(ITEM) == expected


def test_names_and_attributes() -> None:
    """A placeholder is one step, and the top-level attributes are told."""
    found = projection("#d, m.#x", bind({"#d": "a.b", "#x": "x"}, None))
    assert found.attributes == {"a.b", "m"}
    assert found.apply({"a.b": {"N": "1"}, "m": ITEM["m"]}) == {"a.b": {"N": "1"}, "m": {"M": {"x": {"N": "1"}}}}


REFUSALS: list[tuple[str, str]] = [
    ("", "The expression can not be empty;"),
    ("a,", 'Syntax error; token: "<EOF>", near: ","'),
    ("size(a)", 'Syntax error; token: "(", near: "size(a"'),
    (":v", 'Syntax error; token: ":v", near: ":v"'),
    ("a, Name", "Attribute name is a reserved keyword; reserved keyword: Name"),
    ("#n", "An expression attribute name used in the document path is not defined; attribute name: #n"),
    (
        "m.x, m",
        (
            "Two document paths overlap with each other; must remove or rewrite one of these paths; "
            "path one: [m, x], path two: [m]"
        ),
    ),
    (
        "l[0], l.a",
        (
            "Two document paths conflict with each other; must remove or rewrite one of these paths; "
            "path one: [l, [0]], path two: [l, a]"
        ),
    ),
]


@pytest.mark.parametrize(("text", "message"), REFUSALS)
def test_refusals(text: str, message: str) -> None:
    """A projection that is not valid is refused in the service's words."""
    with pytest.raises(ExpressionError) as caught:
        _ = projection(text, bind(None, None))
    assert caught.value.message == f"Invalid ProjectionExpression: {message}"
