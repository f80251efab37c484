"""Where a request goes, in the parts that signing and connecting need."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final
from urllib.parse import quote, urlsplit

from botocore.utils import normalize_url_path  # pyright: ignore[reportUnknownVariableType]

from crossfade.aws.botocore_private import ResolvedEndpoint

PORTS: Final = {"http": 80, "https": 443}


@dataclass(frozen=True, slots=True)
class Endpoint:
    scheme: str
    host: str
    port: int
    host_header: str
    request_target: str  # as it stands in the request line
    canonical_path: str
    canonical_query: str
    region: str
    signing_name: str
    signed: bool
    headers: tuple[tuple[str, str], ...]  # what the endpoint rules add


def endpoint_of(resolved: ResolvedEndpoint, *, whole_url: bool = False) -> Endpoint:
    """`whole_url`: as a proxy wants it that is asked to forward."""
    parts = urlsplit(resolved.url)
    host = parts.hostname or ""
    port = parts.port or PORTS[parts.scheme]
    bracketed = f"[{host}]" if ":" in host else host
    host_header = bracketed if port == PORTS[parts.scheme] else f"{bracketed}:{port}"
    target = (parts.path or "/") + (f"?{parts.query}" if parts.query else "")
    normalized: str = normalize_url_path(parts.path)
    return Endpoint(
        scheme=parts.scheme,
        host=host,
        port=port,
        host_header=host_header,
        request_target=f"{parts.scheme}://{host_header}{target}" if whole_url else target,
        canonical_path=quote(normalized, safe="/~"),
        canonical_query="&".join(sorted(parts.query.split("&"))) if parts.query else "",
        region=resolved.region,
        signing_name=resolved.signing_name,
        signed=resolved.signed,
        headers=resolved.headers,
    )
