"""A caller's condition or filter that names the attribute of the stamps speaks of one that no item has."""

from __future__ import annotations

from typing import Any, Final

import pytest

from crossfade import Migration, Table
from crossfade.core.effects import Request
from crossfade.core.request.stamp_names import NO_ATTRIBUTE, hide_stamp_name
from crossfade.core.stages import COPY_ON_WRITE, DUAL_WRITE, Stage
from crossfade.core.tables.pair import Pair
from crossfade.mapping import identity

KEY: Final[dict[str, Any]] = {"pk": "S"}
SOURCE, TARGET = Table("orders", key=KEY), Table("orders-v2", key=KEY)
MAPPING: Final = Migration("t", SOURCE, TARGET, [identity()]).compiled
OF_SOURCE: Final = Pair(SOURCE, TARGET, MAPPING)
OFF: Final = COPY_ON_WRITE[Stage.OFF]
NAMES: Final = {"#s": "_crossfade", "#n": "n"}


def meant(**request: Any) -> Request:
    return hide_stamp_name(OF_SOURCE, OFF, {"TableName": "orders", **request})


@pytest.mark.parametrize(
    ("expression", "condition", "left"),
    [
        ("attribute_exists(#s)", "attribute_exists(#hidden)", {"#n": "n"}),
        ("#n = #s OR NOT #s > #n", "#n = #hidden OR NOT #hidden > #n", {"#n": "n"}),
        ("#n.#s = #n.#n", "#n.#s = #n.#n", None),
        ("#n . #s = #s", "#n . #s = #hidden", NAMES),
        ("#s[0].#s = #n", "#hidden[0].#s = #n", NAMES),
    ],
)
def test_a_condition_and_a_filter(expression: str, condition: str, left: dict[str, str] | None) -> None:
    """What lies within another attribute is the caller's own, and so is a name that nothing uses."""
    for kind in ("ConditionExpression", "FilterExpression"):
        found = meant(**{kind: expression}, ExpressionAttributeNames=NAMES)
        assert found[kind] == condition
        names = NAMES if left is None else {**left, "#hidden": NO_ATTRIBUTE}
        assert found["ExpressionAttributeNames"] == names
        assert hide_stamp_name(OF_SOURCE, OFF, found) is found


def test_an_update_reads_nothing_there_and_writes_what_it_says() -> None:
    """Also the locks of an earlier migration, which set stamps of its own."""
    text = "SET #s = :s, #n = #s, a = if_not_exists(#s, #s) + :one, b = list_append(c, #s) REMOVE #s"
    wanted = (
        "SET #s = :s, #n = #hidden, a = if_not_exists(#hidden, #hidden) + :one, b = list_append(c, #hidden) REMOVE #s"
    )
    found = meant(UpdateExpression=text, ExpressionAttributeNames=NAMES)
    assert found["UpdateExpression"] == wanted
    assert found["ExpressionAttributeNames"] == {**NAMES, "#hidden": NO_ATTRIBUTE}


def test_legacy_parameters_and_transactions() -> None:
    """Each action has names of its own; one of another table is that migration's affair, which looks at its stamps."""
    assert meant(Expected={"_crossfade": {"Exists": False}})["Expected"] == {NO_ATTRIBUTE: {"Exists": False}}
    condition = "attribute_exists(#s)"
    check = {"TableName": "orders", "ConditionExpression": condition, "ExpressionAttributeNames": {"#s": "_crossfade"}}
    own = check | {"ExpressionAttributeNames": {"#s": "s"}}
    other = check | {"TableName": "customers"}
    found = meant(TransactItems=[{"Delete": check}, {"Put": own}, {"Update": other}])
    assert found["TransactItems"][0]["Delete"]["ConditionExpression"] == "attribute_exists(#hidden)"
    assert found["TransactItems"][1:] == [{"Put": own}, {"Update": other}]


def test_where_nothing_is_hidden_the_request_is_as_it_was_given() -> None:
    """A source without stamps of ours may have an attribute of that name, from an earlier migration."""
    request: Request = {"ConditionExpression": "attribute_exists(#s)", "ExpressionAttributeNames": {"#s": "_crossfade"}}
    assert hide_stamp_name(OF_SOURCE, DUAL_WRITE[Stage.OFF], request) is request
    other: Request = {"ConditionExpression": "attribute_exists(#s)", "ExpressionAttributeNames": {"#s": "other"}}
    assert hide_stamp_name(OF_SOURCE, OFF, other) is other
