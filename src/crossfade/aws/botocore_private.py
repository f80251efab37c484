"""The private names of other packages that crossfade leans on, all of them; tests/aws notices when one is gone.

PynamoDB has no public way from a model to the botocore client beneath it. And botocore has none from a client to what
it was made with: its credentials, the answer of its endpoint rules, its proxies, its way of verifying certificates.
"""

from __future__ import annotations

import inspect
from dataclasses import dataclass
from typing import Any, Final, cast
from urllib.parse import urlsplit

from botocore import UNSIGNED
from botocore.hooks import HierarchicalEmitter
from botocore.model import ServiceModel
from botocore.regions import EndpointRulesetResolver

SIGNED_TYPES: Final = frozenset({"v4", "sigv4"})
UNSIGNED_TYPES: Final = frozenset({"none"})
STREAMS_SERVICE: Final = "dynamodbstreams"
ENDPOINT: Final = "SDK::Endpoint"  # the name under which endpoint rules are given a configured endpoint
AWS_DOMAINS: Final = (".amazonaws.com", ".amazonaws.com.cn", ".api.aws", ".api.amazonwebservices.com.cn")


def pynamodb_connection(model: Any) -> Any:
    """The `TableConnection` of a PynamoDB model; its `.connection.client` is botocore's."""
    return model._get_connection()  # pyright: ignore[reportPrivateUsage]


@dataclass(frozen=True, slots=True)
class ResolvedEndpoint:
    """The endpoint that botocore would send a request to, and how it would sign it."""

    url: str
    headers: tuple[tuple[str, str], ...]
    region: str
    signing_name: str
    signed: bool


@dataclass(frozen=True, slots=True)
class Wire:
    """How a client connects. `proxy_url` as botocore takes it; `proxy_headers` for the proxy alone."""

    verify: bool | str
    proxy_url: str | None
    proxy_headers: dict[str, str]
    proxy_settings: dict[str, Any]


def credentials_of(client: Any) -> Any:
    """The credentials object, which refreshes itself; None where none were found."""
    return client._request_signer._credentials


def user_agent_of(client: Any) -> str:
    """Return the user agent as it is sent; `meta.config.user_agent` lacks what was configured."""
    text: str = client._user_agent_creator.to_string()
    return text


def wire_of(client: Any, url: str) -> Wire:
    session = client._endpoint.http_session
    proxies = session._proxy_config
    proxy_url = proxies.proxy_url_for(url)
    headers: dict[str, str] = proxies.proxy_headers_for(proxy_url) if proxy_url else {}
    return Wire(session._verify, proxy_url, headers, dict(proxies.settings or {}))


async def resolved_by(client: Any, operation_model: Any, request: dict[str, Any]) -> ResolvedEndpoint:
    """The answer of the client's endpoint rules; of botocore's own client or aiobotocore's."""
    context: dict[str, Any] = {"client_region": client.meta.region_name, "client_config": client.meta.config}
    answer = client._resolve_endpoint_ruleset(operation_model, request, context)
    url, headers, _ = await answer if inspect.isawaitable(answer) else answer
    return _resolved(client, url, headers, context)


def streams_model(client: Any) -> Any:
    """The ServiceModel of DynamoDB Streams, which a client of DynamoDB does not have."""
    made: Any = cast("Any", ServiceModel)(
        client._loader.load_service_model(STREAMS_SERVICE, "service-2"), STREAMS_SERVICE
    )
    return made


def streams_resolved(client: Any, operation_model: Any) -> ResolvedEndpoint:
    """The streams of a DynamoDB client: at the same custom endpoint, or where the streams of its region are."""
    loader, own = client._loader, client._ruleset_resolver
    builtins = dict(own._builtins)
    given: str | None = builtins.get(ENDPOINT)
    if given is not None and (urlsplit(given).hostname or "").endswith(AWS_DOMAINS):
        builtins[ENDPOINT] = None  # the service's own for tables: streams have another name there
    resolver: Any = cast("Any", EndpointRulesetResolver)(
        endpoint_ruleset_data=loader.load_service_model(STREAMS_SERVICE, "endpoint-rule-set-1"),
        partition_data=loader.load_data("partitions"),
        service_model=operation_model.service_model,
        builtins=builtins,
        client_context={},
        event_emitter=cast("Any", HierarchicalEmitter)(),
        use_ssl=own._use_ssl,
    )
    found = resolver.construct_endpoint(operation_model=operation_model, call_args={}, request_context={})
    context: dict[str, Any] = {}
    schemes = found.properties.get("authSchemes")
    if schemes is not None:
        context["auth_type"], context["signing"] = resolver.auth_schemes_to_signing_ctx(schemes)
    return _resolved(client, found.url, found.headers, context)


def _resolved(client: Any, url: str, headers: dict[str, str], context: dict[str, Any]) -> ResolvedEndpoint:
    """The scheme that the rules chose, or else the client's own."""
    version = client.meta.config.signature_version
    kind = context.get("auth_type") or version
    if version is UNSIGNED or kind in UNSIGNED_TYPES:
        signed = False
    elif kind in SIGNED_TYPES:
        signed = True
    else:
        raise NotImplementedError(f"signature version {kind!r}: DynamoDB takes 4")
    signing: dict[str, Any] = context.get("signing", {})
    return ResolvedEndpoint(
        url=url,
        headers=tuple(headers.items()),
        region=signing.get("region") or client.meta.region_name,
        signing_name=signing.get("signing_name") or client.meta.service_model.signing_name,
        signed=signed,
    )
