"""The ends and the beginnings of processes: exit without a word, and fork."""

from __future__ import annotations

import os
import subprocess
import sys
import traceback
from pathlib import Path

import pytest

from crossfade.core.stages import Stage
from tests.aws.conftest import World, wait_for

PROGRAM = """
import sys
import botocore.session
from crossfade import Migration, Table, attach
from crossfade.mapping import rename, suffix

name, endpoint = sys.argv[1:]
migration = Migration(
    name=f"orders-{name}",
    source=Table(f"orders-{name}", key={"customer": "S", "order": "S"}),
    target=Table(f"orders-v2-{name}", key={"customer": "S", "order": "S"}),
    mapping=[suffix("customer", count=4, by="order"), rename("amount", "total")],
    control_table=f"control-{name}",
)
client = botocore.session.Session().create_client(
    "dynamodb", endpoint_url=endpoint, region_name="us-east-1", aws_access_key_id="x", aws_secret_access_key="x"
)
attach(client, migration, landing_seconds=2.0)
for n in range(50):
    item = {"customer": {"S": "c"}, "order": {"S": f"o{n}"}, "amount": {"N": str(n)}}
    client.put_item(TableName=migration.source.name, Item=item)
"""


def leases(world: World) -> int:
    found = world.plain.query(
        TableName=world.migration.control_table,
        KeyConditionExpression="migration = :m AND begins_with(#r, :client)",
        ExpressionAttributeNames={"#r": "record"},
        ExpressionAttributeValues={":m": {"S": world.migration.name}, ":client": {"S": "client#"}},
    )
    return int(found["Count"])


def test_a_program_that_just_ends_has_drained_and_given_its_lease_back(world: World, tmp_path: Path) -> None:
    """A script without a `detach`: after it, every write is on both sides and nothing asks for a verify."""
    world.set_stage(Stage.DUALWRITE)
    program = tmp_path / "program.py"
    _ = program.write_text(PROGRAM)
    unique = world.migration.name.removeprefix("orders-")
    command = [sys.executable, str(program), unique, world.database.endpoint_url]
    done = subprocess.run(command, capture_output=True, text=True, timeout=60, check=False)
    assert (done.returncode, done.stderr) == (0, "")
    assert world.agree()
    assert len(world.plain.scan(TableName=world.migration.target.name)["Items"]) == 50
    assert leases(world) == 0
    assert world.state().unclean == 0


@pytest.mark.skipif(not hasattr(os, "fork"), reason="needs fork")
def test_a_forked_child_is_a_client_of_its_own(world: World) -> None:
    """It takes a lease at its first call, mirrors what it writes and leaves; the parent's lease and writes go on."""
    client = world.boto3_client()
    router = world.attach(client)
    world.set_stage(Stage.DUALWRITE)
    name, parent = world.migration.source.name, router.client_id
    client.put_item(TableName=name, Item=world.key("c", "before"))
    child = os.fork()
    if child == 0:  # nothing but os._exit must end it: it is still inside the test runner
        status = 1
        try:
            client.put_item(TableName=name, Item=world.key("c", "child"))
            both = leases(world) == 2 and router.client_id != parent
            status = 0 if both and router.detach(10.0) else 2
        except BaseException:  # noqa: BLE001 - the child must not go on as a second test runner
            traceback.print_exc()
        finally:
            os._exit(status)
    client.put_item(TableName=name, Item=world.key("c", "parent"))
    _, code = os.waitpid(child, 0)
    assert os.waitstatus_to_exitcode(code) == 0
    assert router.client_id == parent
    wait_for(lambda: router.pending == 0, "the parent's mirrors")
    for order in ("before", "child", "parent"):
        assert world.target_item("c", order) is not None
    assert leases(world) == 1
    assert world.state().unclean == 0
