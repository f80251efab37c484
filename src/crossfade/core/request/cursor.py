"""What a page's token says of the place that it stands for, besides its key: one attribute more, in some stages.

Along a chain (v1 -> v2, v2 -> v3) two migrations may each have something to say: the earlier one's mark is put before
the later one's, and taken off again. What goes out is under seal, which tells whose it is (see core/pages/seals.py).
"""

from __future__ import annotations

from typing import Final, NamedTuple

from crossfade.core.effects import Request
from crossfade.core.items import AttributeValue, Item
from crossfade.core.mapping import STAMP

INVALID_CURSOR: Final = "The provided starting key is invalid"  # in the service's words
MARK: Final = STAMP  # the attribute; no attribute of the caller's has this name
ELSEWHERE: Final = "elsewhere"  # the place is that of the cursor within
REST: Final = "rest"  # behind this key in the target's order, of what only the target has
REST_BEGINS: Final = "rest begins"  # at the beginning of that, whatever the key
PLAIN: Final = ("source", "target", REST, REST_BEGINS)
SEALED: Final = 4  # parts of what is under seal: whose it is, and what is said
VIEWS: Final = ("source", "target")


class Seal(NamedTuple):
    """Whose a mark is: that of a migration of this source to this target, for who speaks of one of them."""

    source: str
    target: str
    view: str


def is_mark(said: AttributeValue) -> bool:
    """Whether it is one of ours: a token comes from a caller, who may have it from anybody."""
    if is_sealed(said):
        return is_mark(said["L"][SEALED - 1])
    ((kind, content),) = said.items()
    if kind == "S":
        return content in PLAIN
    if kind == "M":  # the token of a later migration
        return bool(content) and (MARK not in content or is_mark(content[MARK]))
    if kind != "L" or len(content) != 2 or "S" not in content[0]:
        return False
    mark, within = content[0]["S"], content[1]
    return mark in ("", *PLAIN, ELSEWHERE) and (mark != ELSEWHERE or "M" in within) and is_mark(within)


def is_sealed(said: AttributeValue) -> bool:
    content = said.get("L", ())
    return len(content) == SEALED and all("S" in part for part in content[:-1]) and content[2]["S"] in VIEWS


def has_foreign_mark(request: Request) -> bool:
    """Whether its token says something that was not ours to say."""
    if not is_marked(request):
        return False
    said: AttributeValue = request["ExclusiveStartKey"][MARK]
    return not (is_sealed(said) and is_mark(said))


def seal_of(request: Request) -> Seal | None:
    """Under whose seal its token is, if under any."""
    said: AttributeValue = request.get("ExclusiveStartKey", {}).get(MARK, {})
    return Seal(*(part["S"] for part in said["L"][:-1])) if is_sealed(said) else None


def sealed(token: Item, seal: Seal) -> Item:
    return {**token, MARK: {"L": [*({"S": name} for name in seal), token[MARK]]}}


def said_by(request: Request) -> Request:
    """Return the request with its cursor as it was before sealing."""
    token: Item = request["ExclusiveStartKey"]
    return {**request, "ExclusiveStartKey": {**token, MARK: token[MARK]["L"][-1]}}


def is_marked(request: Request) -> bool:
    """Whether its token says something, be it to us or to a later migration."""
    return MARK in request.get("ExclusiveStartKey", ())


def mark_of(request: Request) -> str:
    """What its token says to us; "" for nothing."""
    said: AttributeValue = request.get("ExclusiveStartKey", {}).get(MARK, {})
    if is_sealed(said):
        return ""
    mark: str = said["L"][0]["S"] if "L" in said else said.get("S", "")
    return mark


def without_mark(request: Request) -> Request:
    """Return the request with the cursor that the earlier migration gave us, without our mark."""
    if not is_marked(request) or seal_of(request) is not None:
        return request
    token: Item = request["ExclusiveStartKey"]
    bare = {name: value for name, value in token.items() if name != MARK}
    return {**request, "ExclusiveStartKey": {**bare, MARK: token[MARK]["L"][1]} if "L" in token[MARK] else bare}


def marked(token: Item, mark: str) -> Item:
    """For the caller: `mark`, and behind it what a later migration says."""
    if MARK in token:
        return {**token, MARK: {"L": [{"S": mark}, token[MARK]]}}
    return {**token, MARK: {"S": mark}} if mark else token


def with_cursor(token: Item, given: Item) -> Item:
    """A token of ours that holds, as a later migration's, the one that was given to us."""
    return {**token, MARK: {"M": given}}


def cursor_in(token: Item) -> Item | None:
    """Return the cursor stored within ours, or None."""
    given: Item | None = token.get(MARK, {}).get("M")
    return given


def at_place(known: Item, token: Item) -> Item:
    """A cursor for a place that its key alone would not tell: it has the key of `known`, an earlier place that does,
    and `token` in its mark."""
    return marked(with_cursor({name: value for name, value in known.items() if name != MARK}, token), ELSEWHERE)


def opened(request: Request) -> Request:
    """Return the request with the cursor of the place itself."""
    if mark_of(request) != ELSEWHERE:
        return request
    return {**request, "ExclusiveStartKey": cursor_in(without_mark(request)["ExclusiveStartKey"])}
