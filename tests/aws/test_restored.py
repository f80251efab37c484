"""A process that goes on from a snapshot of its machine, as AWS Lambda SnapStart makes it of an initialised one."""

from __future__ import annotations

import sys
import types
from collections.abc import Callable, Iterator
from functools import partial
from typing import Any

import pytest

import crossfade
from crossfade.aws import sync_router
from crossfade.core.stages import Stage
from tests.aws.conftest import World
from tests.aws.test_inline import leases_of, put


@pytest.fixture
def hooks(monkeypatch: pytest.MonkeyPatch) -> Iterator[dict[str, Callable[[], None]]]:
    """A stand-in for the module of Lambda's runtime hooks; what was registered with it."""
    module: Any = types.ModuleType(sync_router.RUNTIME_HOOKS)
    registered: dict[str, Callable[[], None]] = {}
    module.register_before_snapshot = partial(registered.__setitem__, "before")
    module.register_after_restore = partial(registered.__setitem__, "after")
    module.__spec__ = types.SimpleNamespace(name=module.__name__)
    monkeypatch.setitem(sys.modules, module.__name__, module)
    sync_router.register_with_lambda.cache_clear()
    yield registered
    sync_router.register_with_lambda.cache_clear()


@pytest.mark.parametrize("background", ["inline", "beside"])
def test_a_snapshot_holds_no_lease_and_each_restored_process_takes_its_own(
    world: World, hooks: dict[str, Callable[[], None]], background: str
) -> None:
    """Both are told to the runtime by attaching; nothing of it counts as an unclean end."""
    world.set_stage(Stage.DUALWRITE, wait=False)
    client = world.boto3_client()
    router = world.attach(client, background=background)
    put(client, world, "o1")
    former = router.client_id
    hooks["before"]()
    assert leases_of(world) == []
    assert world.agree()
    hooks["after"]()
    assert [lease.client for lease in leases_of(world)] == [router.client_id]
    assert router.client_id != former
    put(client, world, "o2")
    assert router.detach()
    assert world.agree()
    assert world.state().unclean == 0


def test_the_first_call_takes_a_lease_where_nobody_was_told_of_the_restore(world: World) -> None:
    """An application whose runtime has no hooks calls the two by itself, or the first alone."""
    client = world.boto3_client()
    router = world.attach(client, background="inline")
    crossfade.before_snapshot()
    crossfade.before_snapshot()
    assert leases_of(world) == []
    put(client, world, "o1")
    assert [lease.client for lease in leases_of(world)] == [router.client_id]
    crossfade.after_restore()
    assert [lease.client for lease in leases_of(world)] == [router.client_id]
    assert router.detach()
    crossfade.after_restore()
    assert leases_of(world) == []
