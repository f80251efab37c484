"""Clients of this process beside the attached one: what a library sends through a client of its own, no hook sees.

botocore keeps no list of the clients that it has made, and a client does not know its session. But each has a class of
its own, and Python knows the classes and who refers to them. What is not made yet cannot be known.
"""

from __future__ import annotations

import gc
from collections.abc import Iterator
from typing import Any, Final

from botocore.client import BaseClient

from crossfade.aws.chain import chains_of
from crossfade.aws.clients import SERVICE, endpoint_and_region, same_place
from crossfade.observe import LOG, Watch

CLIENTS_BESIDE: Final = "clients_beside"
TOLD: Final[set[str]] = set()  # migrations


def tell_of_clients_beside(client: Any, name: str, table: str, watch: Watch) -> None:
    """Say so, once a process, where clients are there that migration `name` is not attached to."""
    if name in TOLD or not clients_beside(client, name):
        return
    _ = gc.collect()  # a client that nobody has any more is one until then
    found = clients_beside(client, name)
    if found:
        TOLD.add(name)
        watch.note(CLIENTS_BESIDE, {"count": len(found), "table": table})
        LOG.warning(
            "migration %s: %d other DynamoDB clients of this process, of %s, are not attached: what they write to %s"
            " goes past the mirrors. If a library has made them, attach the session before it does; if they are for"
            " other tables, all is well",
            name,
            len(found),
            endpoint_and_region(client),
            table,
        )


def clients_beside(client: Any, name: str) -> list[Any]:
    """Return the clients for `client`'s endpoint and Region that migration `name` is not attached to, but itself."""
    kinds = [kind for kind in _kinds(BaseClient) if kind.__name__ == type(client).__name__]
    if len(kinds) < 2:
        return []
    made = [each for each in gc.get_referrers(*kinds) if isinstance(each, BaseClient) and each is not client]
    return [each for each in made if _is_beside(each, client, name)]


def _kinds(kind: type[Any]) -> Iterator[type[Any]]:
    for narrower in kind.__subclasses__():
        yield narrower
        yield from _kinds(narrower)


def _is_beside(other: Any, client: Any, name: str) -> bool:
    if other.meta.service_model.service_name != SERVICE or other.meta.region_name != client.meta.region_name:
        return False
    if not same_place(client, str(other.meta.endpoint_url)):
        return False
    return not any(hooks.name == name for chain in chains_of(other.meta.events) for hooks in chain.hooks)
