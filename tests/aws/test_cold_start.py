"""What a process that starts has to import: counted, not timed. benchmarks/cold_start.py tells what it takes."""

from __future__ import annotations

import json
import subprocess
import sys
from typing import Any

import pytest

from tests.aws.conftest import World
from tests.aws.test_inline import put

IMPORTED_MAX = 125  # modules of crossfade; of more than 500
OF_LATER_STAGES = ("core.routines", "core.pages.query", "core.multi.batch", "core.write.single", "core.evaluate")
OTHERS = ("switch", "check", "cli", "cdc", "sim", "jobs", "streams", "control.coordinator", "core.expressions")
START = """
import json, sys
import boto3
before = set(sys.modules)
import crossfade
told = sorted(set(sys.modules) - before)
print(json.dumps(told))
"""
ATTACHED = """
import json, sys
import boto3
from crossfade import Migration, Table, attach
from crossfade.mapping import rename, suffix
options, name, control, background = json.loads(sys.argv[1])
client = boto3.session.Session().client("dynamodb", **options)
tables = [Table(f"{table}-{name}", {"customer": "S", "order": "S"}) for table in ("orders", "orders-v2")]
mapping = [suffix("customer", count=4, by="order"), rename("amount", "total")]
router = attach(client, Migration(f"orders-{name}", *tables, mapping, control_table=control), background=background)
client.put_item(TableName=tables[0].name, Item={"customer": {"S": "c"}, "order": {"S": "o"}})
assert router.stage == "off"
print(json.dumps(sorted(sys.modules)))
router.detach()
"""


def modules(code: str, *arguments: str) -> list[str]:
    """What such a process has imported."""
    done = subprocess.run([sys.executable, "-c", code, *arguments], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    found: list[str] = json.loads(done.stdout)
    return found


def within(found: list[str], names: tuple[str, ...]) -> list[str]:
    """Those that are one of these modules of crossfade, or lie within."""
    wanted = tuple(f"crossfade.{name}" for name in names)
    return [name for name in found if name in wanted or name.startswith(tuple(f"{each}." for each in wanted))]


def test_importing_crossfade_imports_neither_asyncio_nor_what_later_stages_need() -> None:
    """Whoever needs a part imports it then."""
    found = modules(START)
    assert within(found, (*OF_LATER_STAGES, *OTHERS)) == []
    assert "asyncio" not in found
    assert len([name for name in found if name.startswith("crossfade")]) <= IMPORTED_MAX


@pytest.mark.parametrize("background", ["inline", "beside"])
def test_a_client_in_off_needs_little_more(world: World, background: str) -> None:
    """One that does all within its calls has no event loop; none has aiobotocore, or the routines of later stages."""
    put(world.boto3_client(), world, "o1")
    name = world.migration.name.removeprefix("orders-")
    options: dict[str, Any] = dict(world.database.client_options())
    given = json.dumps([options, name, world.migration.control_table, background])
    found = modules(ATTACHED, given)
    assert within(found, (*OF_LATER_STAGES, *OTHERS)) == []
    assert ("asyncio" in found) == (background == "beside")
    assert not [each for each in found if each.startswith(("aiobotocore", "aiohttp"))]
