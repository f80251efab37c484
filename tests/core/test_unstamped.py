"""Items without a stamp in complete: what an application that is attached read of them still locks its writes."""

from __future__ import annotations

from typing import Any

import pytest

from crossfade.aws.own_calls import call
from crossfade.core.effects import Call, Place, Reply, Request
from crossfade.core.items import Item
from crossfade.core.routing import route
from crossfade.core.stages import Stage
from crossfade.drivers.scope import Scope
from crossfade.drivers.sync import SyncDriver
from crossfade.errors import ServiceRejected
from tests.backfill.setting import Setting, no_note, order, order_key
from tests.conftest import Database


def test_a_condition_check_sees_a_change_that_left_no_stamp(dynamodb: Database) -> None:
    """Between its read and its transaction somebody writes the item, without a stamp before or after: it is refused."""
    setting = Setting(dynamodb)
    pair, client = setting.pair, setting.client
    changed: list[Item] = []

    def target_form(number: int, **more: Any) -> Item:
        return pair.mapping.forward(order(number, **more))

    def interposed(place: Place, operation: str, request: Request) -> Reply:
        if operation == "TransactWriteItems" and place != "control" and not changed:
            changed.append(target_form(1, note={"S": "closed"}))
            setting.put_directly("target", changed[0])
        return call(client, operation, request)

    setting.put_directly("target", target_form(1, note={"S": "open"}))
    setting.put_directly("target", target_form(2))
    source = setting.migration.source.name
    check = {
        "TableName": source,
        "Key": order_key(1),
        "ConditionExpression": "note = :open AND #total = :one",  # `total` has another name in the target
        "ExpressionAttributeNames": {"#total": "total"},
        "ExpressionAttributeValues": {":open": {"S": "open"}, ":one": {"N": "1"}},
    }
    put = {"TableName": source, "Item": order(2, note={"S": "written though it is closed"})}
    request: Request = {"TransactItems": [{"ConditionCheck": check}, {"Put": put}]}
    routine = route(pair, Stage.COMPLETE, 0, "TransactWriteItems", request)
    assert routine is not None
    driver = SyncDriver(interposed, no_note)
    with pytest.raises(ServiceRejected, match="TransactionCanceledException"):
        _ = driver.run(routine, Scope(Call("source", "TransactWriteItems", request)))
    assert changed
    found = client.get_item(TableName=setting.migration.target.name, Key=pair.key("target", order_key(2)))["Item"]
    assert found == target_form(2)
