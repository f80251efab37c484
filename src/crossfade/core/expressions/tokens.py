"""Words and signs of DynamoDB's expressions, and the error for a sequence of them that means nothing.

All expressions share one vocabulary: `SET` is a keyword even where only a condition may stand. A syntax error names the
token that could not follow and shows it between its neighbours, exactly as the text has them.
"""

from __future__ import annotations

import re
from typing import NamedTuple

from crossfade.core.expressions.errors import ExpressionError, invalid_expression
from crossfade.core.expressions.translated import is_translated

CHARACTERS_MAX = 4096  # "the maximum length of any expression string is 4 KB"
KEYWORDS = frozenset({"SET", "REMOVE", "ADD", "DELETE", "AND", "OR", "NOT", "BETWEEN", "IN"})

_SIZE_UNTOLD = frozenset({"UpdateExpression", "ProjectionExpression"})  # the service tells the size of conditions only
_TOKEN = re.compile(
    r"(?P<word>[A-Za-z][A-Za-z0-9_]*)"
    r"|(?P<placeholder>\#[A-Za-z0-9_]+)"
    r"|(?P<value>:[A-Za-z0-9_]+)"
    r"|(?P<index>0|[1-9][0-9]*)"
    r"|(?P<sign><>|<=|>=|[^ \t\r\n\f])"
)


class Lexeme(NamedTuple):
    """`sort` is word, placeholder, value, index, end, or the keyword (in capitals) or sign itself."""

    sort: str
    text: str
    start: int
    end: int


def lexemes(kind: str, text: str) -> list[Lexeme]:
    """The tokens of `text`, ended by one of sort `end`; ExpressionError if it is empty or too long."""
    if not text:
        raise invalid_expression(kind, "The expression can not be empty;")
    if len(text) > CHARACTERS_MAX and not is_translated(text):
        size = "" if kind in _SIZE_UNTOLD else f" expression size: {len(text)}"
        raise invalid_expression(kind, f"Expression size has exceeded the maximum allowed size;{size}")
    tokens: list[Lexeme] = []
    for found in _TOKEN.finditer(text):
        sort, word = found.lastgroup or "", found.group()
        if sort == "sign":
            sort = word
        elif sort == "word" and word.upper() in KEYWORDS:
            sort = word.upper()
        tokens.append(Lexeme(sort, word, found.start(), found.end()))
    tokens.append(Lexeme("end", "<EOF>", len(text), len(text)))
    return tokens


def syntax_error(kind: str, text: str, tokens: list[Lexeme], at: int) -> ExpressionError:
    """The error for a token, the one at index `at`, that cannot follow those before it."""
    start = tokens[at - 1].start if at else 0
    near = text[start : tokens[min(at + 1, len(tokens) - 1)].end]
    return invalid_expression(kind, f'Syntax error; token: "{tokens[at].text}", near: "{near}"')
