"""Operations that crossfade does not know are refused where they name a table that is being migrated."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any

import botocore.session
import pytest
from botocore.config import Config

from crossfade import NotPossibleInStage
from crossfade.aws.unknown import KNOWN, ON_TABLES, tables_named
from crossfade.core.request.names import READS, WRITES
from crossfade.core.stages import DUAL_WRITE, Stage
from tests.aws.conftest import World
from tests.aws.faults import Faults, refusal

UP = list(DUAL_WRITE)
UNCHECKED = Config(parameter_validation=False)
TABLE = "arn:aws:dynamodb:us-east-1:000000000000:table/orders"


def service_model() -> Any:
    session: Any = botocore.session.Session()
    return session.get_service_model("dynamodb")


def search(client: Any, table: str) -> Any:
    """The newest operation that botocore has, on the wire: parameters are not checked."""
    return client._make_api_call("SearchVectors", {"TableName": table, "IndexName": "by_meaning"})


@pytest.mark.parametrize("stage", [Stage.DUALWRITE, Stage.LIVE, Stage.COMPLETE])
@pytest.mark.parametrize("side", ["source", "target"])
def test_an_operation_that_is_not_known_is_refused(world: World, stage: Stage, side: str) -> None:
    """Before anything is sent, with a way out; another table's goes on."""
    client = world.boto3_client(config=UNCHECKED)
    faults = Faults(client)
    _ = world.attach(client)
    world.walk(*UP[1 : UP.index(stage) + 1])
    table = world.migration.source.name if side == "source" else world.migration.target.name
    with pytest.raises(NotPossibleInStage, match="SearchVectors names") as refused:
        search(client, table)
    assert refused.value.next_step
    assert not [sent for sent in faults.sent if sent.operation == "SearchVectors"]
    faults.plan = lambda sent: refusal(sent, 400, "ResourceNotFoundException")
    with pytest.raises(client.exceptions.ResourceNotFoundException):
        search(client, "another-table")


def test_it_passes_where_the_table_is_a_plain_one(world: World) -> None:
    """In `off`, and for callers of the target in `complete`."""
    client = world.boto3_client(config=UNCHECKED)
    faults = Faults(client)
    _ = world.attach(client)
    faults.plan = lambda sent: refusal(sent, 400, "ResourceNotFoundException")
    with pytest.raises(client.exceptions.ResourceNotFoundException):
        search(client, world.migration.source.name)


REQUESTS: dict[str, dict[str, Any]] = {
    "GetItem": {"TableName": "orders", "Key": {"pk": {"S": "a"}}},
    "BatchWriteItem": {"RequestItems": {TABLE: [{"PutRequest": {"Item": {"pk": {"S": "a"}}}}]}},
    "TransactWriteItems": {"TransactItems": [{"Delete": {"TableName": "orders", "Key": {}}}]},
    "TagResource": {"ResourceArn": f"{TABLE}/index/by_day", "Tags": []},
    "RestoreTableToPointInTime": {"SourceTableArn": TABLE, "TargetTableName": "orders"},
}


@pytest.mark.parametrize("operation", REQUESTS)
def test_tables_are_found_by_the_shapes_of_the_model(operation: str) -> None:
    """Wherever they stand, by name and by ARN; what an item says is not one."""
    shape = service_model().operation_model(operation).input_shape
    assert set(tables_named(shape, REQUESTS[operation])) == {"orders"}


def test_every_operation_of_a_made_up_model_is_looked_through() -> None:
    """A map from tables to lists of structures, as a new bulk operation may have it."""
    name = SimpleNamespace(type_name="string", name="TableArn")
    other = SimpleNamespace(type_name="string", name="ClientToken")
    entry = SimpleNamespace(type_name="structure", name="Entry", members={"Into": name, "Token": other})
    listed = SimpleNamespace(type_name="list", name="Entries", member=entry)
    shape = SimpleNamespace(type_name="map", name="ByTable", key=name, value=listed)
    assert set(tables_named(shape, {"a": [{"Into": TABLE, "Token": "b"}]})) == {"a", "orders"}


def test_what_is_known_is_what_botocore_had() -> None:
    """One that is new in botocore is to be looked at: routed, or let pass. Until then it is refused."""
    names = set(service_model().operation_names)
    assert names - KNOWN == {"SearchVectors"}
    assert not ON_TABLES & (READS | WRITES)
