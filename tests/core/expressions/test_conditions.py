"""Conditions and filters over one item; the expected messages are the service's."""

from __future__ import annotations

import pytest

from crossfade.core.expressions import ExpressionError, bind, condition
from crossfade.core.items import AttributeValue, Item

ITEM: Item = {
    "pk": {"S": "p"},
    "a": {"N": "5"},
    "s": {"S": "hello"},
    "accent": {"S": "é😀"},
    "b": {"B": b"abc"},
    "l": {"L": [{"N": "1"}, {"M": {"k": {"S": "v"}}}]},
    "m": {"M": {"x": {"N": "1"}, "y": {"M": {"z": {"S": "q"}}}}},
    "ss": {"SS": ["a", "b"]},
    "ns": {"NS": ["1", "2"]},
    "bs": {"BS": [b"a"]},
    "nothing": {"NULL": True},
    "yes": {"BOOL": True},
}
VALUES: dict[str, AttributeValue] = {
    ":one": {"N": "1.0"},
    ":five": {"N": "5.00"},
    ":ten": {"N": "1E1"},
    ":h": {"S": "h"},
    ":ell": {"S": "ell"},
    ":bin": {"B": b"ab"},
    ":type": {"S": "N"},
    ":set": {"SS": ["b", "a"]},
    ":numbers": {"NS": ["2.0", "1"]},
    ":list": {"L": [{"N": "1.0"}, {"M": {"k": {"S": "v"}}}]},
    ":element": {"M": {"k": {"S": "v"}}},
    ":null": {"NULL": True},
    ":yes": {"BOOL": True},
}


def used(text: str) -> dict[str, AttributeValue] | None:
    """The values of VALUES that `text` names."""
    words = text.replace(")", " ").replace("(", " ").replace(",", " ").split()
    return {name: value for name, value in VALUES.items() if name in words} or None


def holds(text: str, item: Item | None = ITEM) -> bool:
    bindings = bind(None, used(text))
    found = condition(text, bindings)
    bindings.finish()
    return found.holds(item)


@pytest.mark.parametrize(
    "text",
    [
        "a = :five",
        "a <> :one",
        "a <> s",
        "gone <> a",
        "gone <> away",
        "a > :one and a < :ten",
        "a >= :five AND a <= :five",
        "s > :h",
        "b > :bin",
        "ss = :set",
        "ns = :numbers",
        "l = :list",
        "m.y.z <> :h",
        "l[1].k <> :h",
        "a BETWEEN :one AND :ten",
        "a between :five and :five",
        "a IN (:one, :five)",
        "s in (a, :one, s[0], s.x, :h, m.x) OR a = :five",
        "attribute_exists(m.y.z)",
        "attribute_exists(l[1])",
        "attribute_not_exists(l[2])",
        "attribute_not_exists(m[0])",
        "attribute_not_exists(a.b)",
        "attribute_type(a, :type)",
        "begins_with(s, :h)",
        "begins_with(b, :bin)",
        "contains(s, :ell)",
        "contains(b, :bin)",
        "contains(ns, :one)",
        "contains(l, :one)",
        "contains(l, :element)",
        "size(s) = :five",
        "size(accent) < :five AND size(accent) > :one",
        "size(m) > :one AND size(l) > :one AND size(ss) > :one AND size(ns) > :one AND size(b) > :one",
        "size(a) <> :one",
        "NOT a = :one",
        "NOT NOT a = :five",
        "not a < s",
        "a = :one AND a = :one OR a = :five",
        "a = :five OR a = :one AND a = :one",
        "NOT (a = :one OR a = :ten)",
        "NOT a = :one AND a = :five",
        "(a) = (:five)",
        "(NOT (a = :one))",
        "nothing = :null AND yes = :yes",
        ":one < :five",
        "a=:five",
    ],
)
def test_what_holds(text: str) -> None:
    """Each of these holds for the item; `:five` is written 5.00 and the item has 5."""
    assert holds(text.replace("=:five", "= :five"))


@pytest.mark.parametrize(
    "text",
    [
        "a = s",
        "a < s",
        "a = gone",
        "gone = away",
        "gone < :ten",
        "a BETWEEN gone AND :ten",
        "gone IN (away)",
        "contains(ss, :set)",
        "contains(a, :five)",
        "contains(m, :h)",
        "begins_with(a, :h)",
        "begins_with(s, gone)",
        "begins_with(s, a)",
        "size(a) = :one",
        "size(gone) < :one",
        "attribute_exists(gone)",
        "attribute_type(gone, :type)",
        "nothing < yes",
        "NOT a = :five",
        "a = :five AND a = :one",
    ],
)
def test_what_does_not_hold(text: str) -> None:
    """Each of these is valid and does not hold for the item."""
    assert not holds(text)


def test_an_absent_item_has_no_attributes() -> None:
    """On an absent item only what asks for absence holds."""
    assert holds("attribute_not_exists(pk)", None)
    assert not holds("attribute_exists(pk)", None)
    assert holds("a <> :one", None)
    assert not holds("a = :one", None)


def test_text_is_ordered_by_its_utf8_bytes() -> None:
    """U+FF61 comes before U+1F600 in UTF-8, though not in UTF-16."""
    values: dict[str, AttributeValue] = {":low": {"S": "\uff61"}, ":high": {"S": "😀"}}
    assert condition(":low < :high", bind(None, values)).holds(None)


def test_binary_is_ordered_by_unsigned_bytes() -> None:
    """0xff comes after 0x7f."""
    values: dict[str, AttributeValue] = {":low": {"B": b"\x7f"}, ":high": {"B": b"\xff"}}
    assert condition(":low < :high", bind(None, values)).holds(None)


def test_placeholders_stand_for_single_steps() -> None:
    """A name with dots is one attribute, and a placeholder may stand anywhere in a path."""
    item: Item = {"a.b": {"M": {"name": {"L": [{"S": "x"}]}}}}
    bindings = bind({"#dotted": "a.b", "#n": "name"}, {":x": {"S": "x"}})
    found = condition("#dotted.#n[0] = :x", bindings)
    bindings.finish()
    assert found.holds(item)
    assert found.paths == {"a.b"}


def test_paths_are_the_top_level_attributes_read() -> None:
    """Every attribute read is told, also inside functions."""
    text = "a.x = b[0] OR size(c) IN (d, e) AND NOT begins_with(f, g) OR h BETWEEN i AND j"
    assert condition(text, bind(None, None)).paths == frozenset("abcdefghij")


def refusal(text: str, kind: str = "ConditionExpression") -> str:
    with pytest.raises(ExpressionError) as caught:
        _ = condition(text, bind(None, used(text)), kind=kind)
    assert caught.value.code == "ValidationException"
    return caught.value.message.removeprefix(f"Invalid {kind}: ")


@pytest.mark.parametrize(
    ("text", "token", "near"),
    [
        ("   ", "<EOF>", "   "),
        ("a", "<EOF>", "a"),
        ("a =", "<EOF>", "="),
        ("a = :five AND ", "<EOF>", "AND "),
        (" = a", "=", " = a"),
        ("a == :five", "=", "== :five"),
        ("a = :five = :five", "=", ":five = :five"),
        ("a = :five  b ", "b", ":five  b "),
        ("a NOT BETWEEN :one AND :ten", "NOT", "a NOT BETWEEN"),
        ("a IN :one", ":one", "IN :one"),
        ("a IN ()", ")", "()"),
        ("(a) AND (a)", "AND", ") AND ("),
        ("(a OR b)", "OR", "a OR b"),
        ("(NOT a)", ")", "a)"),
        ("a = (b = c)", "=", "b = c"),
        ("a = 5", "5", "= 5"),
        ("a[01] = :one", "1", "01]"),
        ("a..b = :one", ".", "..b"),
        ("_a = :one", "_", "_a"),
        ("set = :one", "set", "set ="),
        ("a = :", ":", "= :"),
        (":one.a = :one", ".", ":one.a"),
        ("contains(a b)", "b", "a b)"),
    ],
)
def test_syntax_errors_show_the_token_between_its_neighbours(text: str, token: str, near: str) -> None:
    """The token that cannot follow, with one before and one after it as written."""
    assert refusal(text) == f'Syntax error; token: "{token}", near: "{near}"'


REFUSALS: list[tuple[str, str]] = [
    ("", "The expression can not be empty;"),
    ("((a = :one))", "The expression has redundant parentheses;"),
    ("a = ((:one))", "The expression has redundant parentheses;"),
    (f"{'(' * 150}a = :one{')' * 150}", "The expression has redundant parentheses;"),
    ("foo(a)", "Invalid function name; function: foo"),
    ("Size(a) = :one", "Invalid function name; function: Size"),
    ("if_not_exists(a, :one)", "The function is not allowed in a condition expression; function: if_not_exists"),
    ("size(a)", "The function is not allowed to be used this way in an expression; function: size"),
    (
        "a = contains(a, b)",
        "The function is not allowed to be used this way in an expression; function: contains",
    ),
    ("Name = :one", "Attribute name is a reserved keyword; reserved keyword: Name"),
    ("a.status = :one", "Attribute name is a reserved keyword; reserved keyword: status"),
    (
        "a = :undefined",
        "An expression attribute value used in expression is not defined; attribute value: :undefined",
    ),
    (
        "a.#n = :one",
        "An expression attribute name used in the document path is not defined; attribute name: #n",
    ),
    (
        "attribute_exists(:one)",
        "Operator or function requires a document path; operator or function: attribute_exists",
    ),
    (
        "contains(a)",
        (
            "Incorrect number of operands for operator or function; "
            "operator or function: contains, number of operands: 1"
        ),
    ),
    (
        "begins_with(a, :one)",
        "Incorrect operand type for operator or function; operator or function: begins_with, operand type: N",
    ),
    (
        "a < :yes",
        "Incorrect operand type for operator or function; operator or function: <, operand type: BOOL",
    ),
    (
        "size(:null) = :one",
        "Incorrect operand type for operator or function; operator or function: size, operand type: NULL",
    ),
    (
        "attribute_type(a, :h)",
        "Invalid attribute type name found; type: h, valid types: {N,BS,L,B,NULL,M,S,SS,NS,BOOL}",
    ),
    (
        "attribute_type(a, :one)",
        "Incorrect operand type for operator or function; operator or function: attribute_type, operand type: N",
    ),
    (
        "l[0].a = l[0].a",
        (
            "The first operand must be distinct from the remaining operands for this operator or function; "
            "operator: =, first operand: [l, [0], a]"
        ),
    ),
    (
        "a BETWEEN :ten AND :one",
        (
            "The BETWEEN operator requires upper bound to be greater than or equal to lower bound; "
            "lower bound operand: AttributeValue: {N:10}, upper bound operand: AttributeValue: {N:1}"
        ),
    ),
    (
        "a BETWEEN :one AND :h",
        (
            "The BETWEEN operator requires same data type for lower and upper bounds; "
            "lower bound operand: AttributeValue: {N:1}, upper bound operand: AttributeValue: {S:h}"
        ),
    ),
    ("a[99999999999] = :one", "List index is not within the allowable range; index: [99999999999]"),
    (
        "a" + ".a" * 32 + " = :one",
        "The document path has too many nesting levels; nesting levels: 33",
    ),
    (
        "a = :one" + " " * 4089,
        "Expression size has exceeded the maximum allowed size; expression size: 4097",
    ),
    (
        f"a IN ({', '.join([':one'] * 101)})",
        "The IN operator is provided with too many operands; number of operands: 101",
    ),
    (
        " OR ".join(["a = :one"] * 151),
        "The expression contains too many operators; operator count: 301",
    ),
    ("NOT (" * 500, "The expression contains too many operators; operator count: 301"),
]


@pytest.mark.parametrize(("text", "message"), REFUSALS)
def test_refusals(text: str, message: str) -> None:
    """What is well formed and still not valid is refused in the service's words."""
    assert refusal(text) == message


def test_a_filter_is_named_in_its_refusal() -> None:
    """The message names the request's parameter."""
    assert refusal("a", "FilterExpression") == 'Syntax error; token: "<EOF>", near: "a"'
