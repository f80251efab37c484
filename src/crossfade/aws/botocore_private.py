"""The private names of other packages that crossfade leans on, all of them; tests/aws notices when one is gone.

PynamoDB has no public way from a model to the botocore client beneath it. And botocore has none from a client to what
it was made with: its credentials, the answer of its endpoint rules, its proxies, its way of verifying certificates;
nor to the session that made it, whose profile says where streams are.
"""

from __future__ import annotations

import gc
import inspect
import os
from dataclasses import dataclass
from typing import Any, Final, cast
from urllib.parse import urlsplit
from weakref import WeakKeyDictionary

import botocore.session
from botocore import UNSIGNED
from botocore.configprovider import ConfiguredEndpointProvider
from botocore.hooks import HierarchicalEmitter
from botocore.model import ServiceModel
from botocore.regions import EndpointRulesetResolver

SIGNED_TYPES: Final = frozenset({"v4", "sigv4"})
UNSIGNED_TYPES: Final = frozenset({"none"})
TABLES_SERVICE: Final = "dynamodb"
STREAMS_SERVICE: Final = "dynamodbstreams"
ENDPOINT: Final = "SDK::Endpoint"  # the name under which endpoint rules are given a configured endpoint
AWS_DOMAINS: Final = (".amazonaws.com", ".amazonaws.com.cn", ".api.aws", ".api.amazonwebservices.com.cn")

_SESSIONS: WeakKeyDictionary[Any, Any] = WeakKeyDictionary()  # by the client that each has made


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


def remember_session(client: Any, session: Any = None) -> None:
    """Have the configuration of the session that made a client at hand for as long as the client is there; None: the
    session is looked for among those that are alive."""
    made_by = _session_alive(client) if session is None else session
    if made_by is not None:
        _SESSIONS[client] = made_by


def _session_alive(client: Any) -> Any:
    """A client knows nothing of the session that made it; but they share one loader."""
    sessions = (each for each in gc.get_objects() if isinstance(each, botocore.session.Session))
    return next((each for each in sessions if cast("Any", each).get_component("data_loader") is client._loader), None)


def configured_for_streams(client: Any, given: str | None) -> str | None:
    """Return the endpoint that the environment or the profile of a client's session configures for streams, as botocore
    itself would find it. `given`: the endpoint of its tables. Where that was given to the client alone, what is
    configured for all services is not meant for it."""
    session: Any = _SESSIONS.get(client) or _session_alive(client) or botocore.session.Session()
    if session.get_config_variable("ignore_configured_endpoint_urls"):
        return None
    whole, scoped = session.full_config, session.get_scoped_config()
    of_tables: str | None = cast("Any", ConfiguredEndpointProvider)(whole, scoped, TABLES_SERVICE).provide()
    if given is None and of_tables is not None:
        return None  # its own Config says that it ignores what is configured; a client does not keep that
    environ: dict[str, str] = dict(os.environ)
    if given != of_tables:
        scoped = {name: value for name, value in scoped.items() if name != "endpoint_url"}
        _ = environ.pop("AWS_ENDPOINT_URL", None)
    found: str | None = cast("Any", ConfiguredEndpointProvider)(whole, scoped, STREAMS_SERVICE, environ).provide()
    return found


def streams_model(client: Any) -> Any:
    """The ServiceModel of DynamoDB Streams, which a client of DynamoDB does not have."""
    made: Any = cast("Any", ServiceModel)(
        client._loader.load_service_model(STREAMS_SERVICE, "service-2"), STREAMS_SERVICE
    )
    return made


def streams_resolved(client: Any, operation_model: Any) -> ResolvedEndpoint:
    """The streams of a DynamoDB client: where it is configured that they are, or at the same custom endpoint as the
    tables, or where the streams of its region are."""
    loader, own = client._loader, client._ruleset_resolver
    builtins = dict(own._builtins)
    given: str | None = builtins.get(ENDPOINT)
    is_of_tables = given is not None and (urlsplit(given).hostname or "").endswith(AWS_DOMAINS)
    # The service's own for tables, or the VPC endpoint of these: streams have another name there.
    builtins[ENDPOINT] = configured_for_streams(client, given) or (None if is_of_tables else given)
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
