"""The way of each operation: its endpoint, the template of its requests, the pool of its connections.

Botocore asks its endpoint rules at every call. Their answer depends on the operation, on the account of the credentials
and on a table's ARN where one is given, so it is asked once for each of those.
"""

from __future__ import annotations

import asyncio
from dataclasses import dataclass
from typing import Any, Final

from crossfade.aws.botocore_private import ResolvedEndpoint, resolved_by, streams_model, streams_resolved, wire_of
from crossfade.aws.lean.endpoints import Endpoint, endpoint_of
from crossfade.aws.lean.failures import NotSent
from crossfade.aws.lean.identity import SigningKeys
from crossfade.aws.lean.opening import header_lines, is_for_proxy, opener_of
from crossfade.aws.lean.operations import STREAMS, LeanOperation, operation_of
from crossfade.aws.lean.pool import Pool
from crossfade.aws.lean.settings import LeanSettings
from crossfade.aws.lean.signing import Template, template_of
from crossfade.core.effects import Request

ROUTES_MAX: Final = 1000  # kept; tables named by ARN in so many accounts would be a surprise


@dataclass(frozen=True, slots=True, eq=False)
class EndpointRoute:
    template: Template
    pool: Pool


def names_arn(request: Request) -> bool:
    """Whether a table is named by its ARN: its account may have an endpoint of its own."""
    if "TableName" in request:
        return _is_arn(request["TableName"])
    if any(_is_arn(name) for name in request.get("RequestItems", ())):
        return True
    actions: Any = (action for entry in request.get("TransactItems", ()) for action in entry.values())
    return any(_is_arn(action.get("TableName", "")) for action in actions)


def _is_arn(name: str) -> bool:
    return name.startswith("arn:")


class Routes:
    def __init__(self, botocore_client: Any, settings: LeanSettings) -> None:
        self._client = botocore_client
        self._settings = settings
        self._own_model = botocore_client.meta.service_model
        self._streams_model: Any = None
        self._streams: ResolvedEndpoint | None = None  # its endpoint does not depend on what is asked
        self._operations: dict[str, LeanOperation] = {}
        self._keys: SigningKeys | None = None  # those that the routes are made with
        self._by_operation: dict[str, EndpointRoute] = {}
        self._by_endpoint: dict[tuple[str, Endpoint], EndpointRoute] = {}
        self._pools: dict[tuple[str, str, int], Pool] = {}
        self._closed = False

    def operation(self, name: str) -> LeanOperation:
        """Raises ConfigurationError for one that the service does not have."""
        known = self._operations.get(name)
        if known is None:
            known = self._operations[name] = operation_of(self._model(name), name)
        return known

    def known(self, operation: LeanOperation, keys: SigningKeys | None) -> EndpointRoute | None:
        """Return the cached route of a request that names no ARN, or None."""
        if keys is not self._keys:
            self._keys = keys
            self._by_operation.clear()
            self._by_endpoint.clear()
        return self._by_operation.get(operation.name)

    async def find(self, operation: LeanOperation, keys: SigningKeys | None, request: Request) -> EndpointRoute:
        """Raises NotSent when the rules have no endpoint, or the client was closed."""
        if self._closed:
            raise NotSent("the client was closed")
        try:
            resolved = await self._resolve(operation, request)
        except Exception as error:
            raise NotSent(f"no endpoint: {type(error).__name__}: {error}") from error
        route = self._route(operation, keys, resolved)
        if keys is self._keys and not names_arn(request):
            self._by_operation[operation.name] = route
        return route

    async def aclose(self) -> None:
        self._closed = True
        self._by_operation.clear()
        self._by_endpoint.clear()
        pools = list(self._pools.values())
        self._pools.clear()
        for pool in pools:
            pool.close()
        for pool in pools:
            await pool.closed()

    def abandon(self, loop: asyncio.AbstractEventLoop) -> None:
        """For a client that nobody closed, from whatever thread it is freed on."""
        if loop.is_closed():
            return
        for pool in self._pools.values():
            _ = loop.call_soon_threadsafe(pool.close)

    def _model(self, name: str) -> Any:
        if name not in STREAMS or name in self._own_model.operation_names:
            return self._own_model
        if self._streams_model is None:
            self._streams_model = streams_model(self._client)
        return self._streams_model

    async def _resolve(self, operation: LeanOperation, request: Request) -> ResolvedEndpoint:
        if operation.model.service_model is self._own_model:
            return await resolved_by(self._client, operation.model, request)
        if self._streams is None:
            self._streams = streams_resolved(self._client, operation.model)
        return self._streams

    def _route(self, operation: LeanOperation, keys: SigningKeys | None, resolved: ResolvedEndpoint) -> EndpointRoute:
        wire = wire_of(self._client, resolved.url)
        scheme = resolved.url.partition(":")[0]
        forwards = is_for_proxy(wire, scheme)
        endpoint = endpoint_of(resolved, whole_url=forwards)
        name = (operation.name, endpoint)
        route = self._by_endpoint.get(name)
        if route is None:
            template = template_of(
                endpoint,
                keys if endpoint.signed else None,
                operation.target,
                operation.content_type,
                self._settings.user_agent,
                header_lines(wire) if forwards else "",
            )
            route = EndpointRoute(template, self._pool(endpoint))
            if len(self._by_endpoint) >= ROUTES_MAX:
                self._by_endpoint.clear()
            self._by_endpoint[name] = route
        return route

    def _pool(self, endpoint: Endpoint) -> Pool:
        name = (endpoint.scheme, endpoint.host, endpoint.port)
        pool = self._pools.get(name)
        if pool is None:
            settings = self._settings
            wire = wire_of(self._client, f"{endpoint.scheme}://{endpoint.host_header}")
            pool = self._pools[name] = Pool(
                opener_of(endpoint, wire, settings.client_certificate, keepalive=settings.keepalive),
                connections_max=settings.connections_max,
                queue_max=settings.queue_max,
                connect_timeout_seconds=settings.connect_timeout_seconds,
                read_timeout_seconds=settings.read_timeout_seconds,
            )
        return pool
