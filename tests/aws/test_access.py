"""Minutes in which crossfade's own credentials, or their rights, are not what they should be."""

from __future__ import annotations

import time
from collections.abc import Iterator
from time import monotonic
from typing import Any

import pytest
from botocore.exceptions import ClientError

from crossfade.core.stages import Stage
from crossfade.core.sync import retry
from tests.aws.conftest import World, new_session, wait_for
from tests.service import FakeService

OWN = "crossfade"
WRITES = 30


@pytest.fixture
def service(world: World) -> Iterator[FakeService]:
    with FakeService.start(world.database.endpoint_url, measured=False) as service:
        yield service


def client_of(service: FakeService, role: str) -> Any:
    return new_session().client("dynamodb", **service.client_options(role))


def attached(world: World, service: FakeService, **options: Any) -> tuple[Any, Any, Any]:
    """The application's client, crossfade's own, and the router, in a stage that mirrors."""
    client, own = client_of(service, "app"), client_of(service, OWN)
    router = world.attach(client, own_client=own, **options)
    world.set_stage(Stage.DUALWRITE)
    return client, own, router


def put(client: Any, world: World, n: int) -> None:
    item = world.key("c", f"o{n}") | {"amount": {"N": str(n)}}
    client.put_item(TableName=world.migration.source.name, Item=item)


def lost(router: Any) -> int:
    count: int = router.counts().get("mirror_lost", 0)
    return count


def test_mirrors_outlast_expired_credentials(world: World, service: FakeService) -> None:
    """Expired for two seconds, then good again: every write of that time is in the target, and no verify is needed."""
    client, _, router = attached(world, service)
    service.expire(OWN)
    began, n = monotonic(), 0
    while monotonic() - began < 2.0:
        put(client, world, n % WRITES)
        n += 1
    assert world.target_item("c", "o0") is None
    service.revive(OWN)
    wait_for(world.agree, "both tables agree")
    wait_for(lambda: router.pending == 0, "nothing is open")
    assert lost(router) == 0
    assert router.detach(5.0)
    assert not world.state().unclean


def test_mirrors_outlast_a_lease_that_ends_with_the_credentials(world: World, service: FakeService) -> None:
    """The lease cannot be renewed either, and ends. Nobody has gone on without it: when it is back, so are they."""
    client, _, router = attached(world, service, lease_seconds=1.0)
    service.expire(OWN)
    for n in range(WRITES):
        put(client, world, n)
    wait_for(lambda: not router.agent.holds_lease, "the lease has ended")
    time.sleep(1.0)
    assert router.pending > 0
    service.revive(OWN)
    wait_for(world.agree, "both tables agree")
    assert lost(router) == 0


def test_new_credentials_are_taken_up(world: World, service: FakeService) -> None:
    """What was refused is signed anew with what the client's credentials are by then."""
    client, own, router = attached(world, service)
    service.expire(OWN)
    put(client, world, 1)
    service.renew(OWN)
    credentials = own._request_signer._credentials
    credentials.access_key = service.client_options(OWN)["aws_access_key_id"]
    wait_for(lambda: world.target_item("c", "o1") is not None, "the mirror")
    assert lost(router) == 0


@pytest.mark.parametrize("action", ["PutItem", "GetItem"])
def test_mirrors_outlast_rights_that_are_missing(world: World, service: FakeService, action: str) -> None:
    """Rights to the target alone, to write or to read; what they refuse is not lost."""
    client, _, router = attached(world, service)
    service.deny(OWN, [action, "BatchGetItem"], world.migration.target.name)
    for n in range(WRITES):
        put(client, world, n)
    wait_for(lambda: any(entry.code == "AccessDeniedException" for entry in service.log), "a refusal")
    assert world.target_item("c", "o1") is None
    service.restore(OWN)
    wait_for(world.agree, "both tables agree")
    assert lost(router) == 0


def test_comparisons_outlast_it_too(world: World, service: FakeService) -> None:
    """A comparison waits, and then compares."""
    client, _, router = attached(world, service)
    put(client, world, 1)
    wait_for(world.agree, "both tables agree")
    world.set_stage(Stage.SHADOW)
    service.deny(OWN, ["GetItem", "BatchGetItem"], world.migration.target.name)
    client.get_item(TableName=world.migration.source.name, Key=world.key("c", "o1"))
    wait_for(lambda: any(entry.code == "AccessDeniedException" for entry in service.log), "a refusal")
    service.restore(OWN)
    wait_for(lambda: router.counts().get("compare.matching", 0) == 1, "the comparison")
    assert router.counts().get("compare.error", 0) == 0


def test_a_mirror_is_given_up_in_the_end_with_the_reason(
    world: World, service: FakeService, monkeypatch: pytest.MonkeyPatch
) -> None:
    """After the stated time; those that come then are not kept waiting, until a request succeeds again."""
    assert retry.NO_ACCESS_SECONDS_MAX == 300.0
    monkeypatch.setattr(retry, "NO_ACCESS_SECONDS_MAX", 0.5)
    told: list[dict[str, Any]] = []
    client, own = client_of(service, "app"), client_of(service, OWN)

    def observe(name: str, facts: Any) -> None:
        if name == "mirror_lost":
            told.append(dict(facts))

    router = world.attach(client, own_client=own, observer=observe)
    world.set_stage(Stage.DUALWRITE)
    service.deny(OWN, "PutItem", world.migration.target.name)
    put(client, world, 1)
    wait_for(lambda: len(told) == 1, "the loss is told")
    assert told[0]["reason"] == "AccessDeniedException"
    began = monotonic()
    put(client, world, 2)
    wait_for(lambda: len(told) == 2, "the second one, at once")
    assert monotonic() - began < 0.5
    service.restore(OWN)
    put(client, world, 3)
    wait_for(lambda: world.target_item("c", "o3") is not None, "the mirror")
    assert lost(router) == 2


def test_a_caller_is_not_kept_waiting(world: World, service: FakeService) -> None:
    """What the application itself may not do it is told at once."""
    client, _, _ = attached(world, service)
    service.expire("app")
    began = monotonic()
    with pytest.raises(ClientError, match="ExpiredTokenException"):
        put(client, world, 1)
    assert monotonic() - began < 1.0
