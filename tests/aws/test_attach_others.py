"""Sessions and PynamoDB: other ways in to the same hooks."""

from __future__ import annotations

from typing import Any

import botocore.session
import pytest
from pynamodb.attributes import NumberAttribute, UnicodeAttribute
from pynamodb.models import Model

from crossfade import ConfigurationError
from crossfade.core.stages import DUAL_WRITE, Stage
from tests.aws.conftest import World, new_session, wait_for


def test_clients_and_resources_of_a_boto3_session_are_hooked_when_they_are_made(world: World) -> None:
    """A client made before stays as it was; a client and a resource made after the attach are routed."""
    session = new_session()
    before = session.client("dynamodb", **world.database.client_options())
    router = world.attach(session, own_client=world.boto3_client())
    after = session.client("dynamodb", **world.database.client_options())
    table = session.resource("dynamodb", **world.database.client_options()).Table(world.migration.source.name)
    world.set_stage(Stage.DUALWRITE)
    after.put_item(TableName=world.migration.source.name, Item=world.key("c", "client"))
    table.put_item(Item={"customer": "c", "order": "resource"})
    wait_for(lambda: world.target_item("c", "client") is not None, "the mirror of the client's write")
    wait_for(lambda: world.target_item("c", "resource") is not None, "the mirror of the resource's write")
    before.put_item(TableName=world.migration.source.name, Item=world.key("c", "before"))
    assert router.detach()
    assert world.target_item("c", "before") is None
    after.put_item(TableName=world.migration.source.name, Item=world.key("c", "detached"))
    assert world.source_item("c", "detached") is not None
    assert world.target_item("c", "detached") is None


def test_a_botocore_session_tells_regions_and_endpoints_apart(world: World) -> None:
    """Another Region's table of the same name passes; an unknown endpoint of this Region is an error, not a guess."""
    session: Any = botocore.session.Session()
    _ = world.attach(session, own_client=world.boto3_client())
    options = dict(world.database.client_options())
    here = session.create_client("dynamodb", **options)
    elsewhere = session.create_client("dynamodb", **{**options, "region_name": "eu-west-1"})
    unknown = session.create_client("dynamodb", **{**options, "endpoint_url": "http://localhost:1"})
    world.set_stage(Stage.DUALWRITE)
    name = world.migration.source.name
    here.put_item(TableName=name, Item=world.key("c", "here"))
    wait_for(lambda: world.target_item("c", "here") is not None, "the mirror")
    elsewhere.put_item(TableName=name, Item=world.key("c", "elsewhere"))
    assert world.target_item("c", "elsewhere") is None
    with pytest.raises(ConfigurationError, match="localhost:1"):
        unknown.put_item(TableName=name, Item=world.key("c", "unknown"))


def test_a_pynamodb_model_works_in_every_stage(world: World) -> None:
    """Save, conditional save, update, query, delete through a model written for the old table."""
    options = world.database.client_options()

    class Order(Model):
        class Meta:  # pyright: ignore[reportIncompatibleVariableOverride]
            table_name = world.migration.source.name
            host = options["endpoint_url"]
            region = options["region_name"]
            aws_access_key_id = options["aws_access_key_id"]
            aws_secret_access_key = options["aws_secret_access_key"]

        customer = UnicodeAttribute(hash_key=True)
        order = UnicodeAttribute(range_key=True)
        amount = NumberAttribute(default=0)

    _ = world.attach(Order)
    for n, stage in enumerate(DUAL_WRITE):
        if n:
            world.set_stage(stage)
        customer = f"c{n}"
        for m in range(3):
            _ = Order(customer, f"o{m}", amount=m).save()
        with pytest.raises(Exception, match="conditional request failed"):
            _ = Order(customer, "o1").save(condition=Order.customer.does_not_exist())
        order = Order.get(customer, "o1", consistent_read=True)
        _ = order.update(actions=[Order.amount.add(5)])
        assert order.amount == 6
        _ = Order.get(customer, "o2").delete()
        assert [found.amount for found in Order.query(customer, consistent_read=True)] == [0, 6]
