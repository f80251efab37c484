"""Signature version 4, with everything that stays the same kept.

What is signed of two requests of one operation differs in the second and in the digest of the body; the key is a day's.
https://docs.aws.amazon.com/IAM/latest/UserGuide/reference_sigv-create-signed-request.html
"""

from __future__ import annotations

import hmac
import time
from collections.abc import Callable
from dataclasses import dataclass
from email.utils import parsedate_to_datetime
from hashlib import sha256
from typing import Final

from crossfade.aws.lean.endpoints import Endpoint
from crossfade.aws.lean.failures import Failure
from crossfade.aws.lean.identity import SigningKeys
from crossfade.core.request.error_codes import ERROR_CODES, Fault

ALGORITHM: Final = "AWS4-HMAC-SHA256"
DATE: Final = "X-Amz-Date"
DAY_KEYS_MAX: Final = 16  # a day sees few: credentials live for an hour, often for longer
# Refusals that a wrong clock brings about. DynamoDB takes a date that is five minutes off.
CLOCK_CODES: Final = frozenset(row.code for row in ERROR_CODES if row.fault is Fault.CLOCK)
SKEW_SECONDS_MIN: Final = 240.0


@dataclass(frozen=True, slots=True, eq=False)
class Template:
    """A request of one operation to one endpoint, but for its date, signature and body."""

    endpoint: Endpoint
    keys: SigningKeys | None
    before_date: str  # the canonical request up to the value of its date
    after_date: str  # and from there to the digest of the body
    head: str  # the request line and the headers that stay, each line ended
    credential: str  # up to the scope's date
    signed_names: str


def template_of(
    endpoint: Endpoint,
    keys: SigningKeys | None,
    target: str,
    content_type: str,
    user_agent: str,
    proxy_headers: str = "",
) -> Template:
    """`keys` None: not signed. `proxy_headers`: lines for a proxy that the request is addressed to."""
    headers = {"X-Amz-Target": target, "Content-Type": content_type, **dict(endpoint.headers)}
    if keys is not None and keys.token is not None:
        headers["X-Amz-Security-Token"] = keys.token
    lines = [
        f"POST {endpoint.request_target} HTTP/1.1",
        f"Host: {endpoint.host_header}",
        "Accept-Encoding: identity",
        f"User-Agent: {user_agent}",
        *(f"{name}: {value}" for name, value in headers.items()),
    ]
    head = "\r\n".join(lines) + "\r\n" + proxy_headers
    canonical = {name.lower(): " ".join(value.split()) for name, value in headers.items()}
    canonical["host"] = endpoint.host_header
    names = sorted([*canonical, DATE.lower()])
    at = names.index(DATE.lower())
    before = "".join(f"{name}:{canonical[name]}\n" for name in names[:at])
    after = "".join(f"{name}:{canonical[name]}\n" for name in names[at + 1 :])
    signed = ";".join(names)
    return Template(
        endpoint=endpoint,
        keys=keys,
        before_date=f"POST\n{endpoint.canonical_path}\n{endpoint.canonical_query}\n{before}{DATE.lower()}:",
        after_date=f"\n{after}\n{signed}\n",
        head=head,
        credential="" if keys is None else f"{ALGORITHM} Credential={keys.access_key}/",
        signed_names=signed,
    )


class DayKeys:
    """The keys that sign, each derived once a day. Thread-safe."""

    def __init__(self) -> None:
        self._keys: dict[tuple[str, str], bytes] = {}

    def key(self, secret_key: str, scope: str) -> bytes:
        """`scope` is day, region, name of the service and "aws4_request", with slashes between them."""
        key = self._keys.get((secret_key, scope))
        if key is None:
            key = f"AWS4{secret_key}".encode()
            for part in scope.split("/"):
                key = hmac.digest(key, part.encode(), "sha256")
            if len(self._keys) >= DAY_KEYS_MAX:
                self._keys.clear()
            self._keys[secret_key, scope] = key
        return key


@dataclass(frozen=True, slots=True)
class _Second:
    """What all requests of one template have in common within one second."""

    canonical: str  # up to the digest of the body
    to_sign: str  # up to the digest of the canonical request
    key: bytes
    head: str  # up to the signature


class Signer:
    """`clock` gives the seconds since 1970, `skew_seconds` what the service's clock is ahead of it."""

    def __init__(self, clock: Callable[[], float] = time.time) -> None:
        self._clock = clock
        self.skew_seconds = 0.0
        self._second = -1
        self._of_second: dict[Template, _Second] = {}
        self._day_keys = DayKeys()

    def now(self) -> float:
        return self._clock() + self.skew_seconds

    def signed(self, template: Template, body: bytes, retry_headers: str) -> bytes:
        """The whole request, as it goes out. `retry_headers` are not signed, as botocore has it."""
        length = f"Content-Length: {len(body)}\r\n\r\n"
        if template.keys is None:
            return f"{template.head}{retry_headers}{length}".encode("latin-1") + body
        second = int(self.now())
        if second != self._second:
            self._second, self._of_second = second, {}
        now = self._of_second.get(template) or self._begin(template, template.keys)
        canonical = f"{now.canonical}{sha256(body).hexdigest()}"
        to_sign = f"{now.to_sign}{sha256(canonical.encode()).hexdigest()}"
        signature = hmac.digest(now.key, to_sign.encode(), "sha256").hex()
        return f"{now.head}{signature}\r\n{retry_headers}{length}".encode("latin-1") + body

    def _begin(self, template: Template, keys: SigningKeys) -> _Second:
        date, endpoint = date_of(self._second), template.endpoint
        scope = f"{date[:8]}/{endpoint.region}/{endpoint.signing_name}/aws4_request"
        found = self._of_second[template] = _Second(
            canonical=f"{template.before_date}{date}{template.after_date}",
            to_sign=f"{ALGORITHM}\n{date}\n{scope}\n",
            key=self._day_keys.key(keys.secret_key, scope),
            head=f"{template.head}{DATE}: {date}\r\nAuthorization: {template.credential}{scope}, "
            f"SignedHeaders={template.signed_names}, Signature=",
        )
        return found

    def corrected(self, failure: Failure) -> bool:
        """Whether the service refused for the sake of our clock, and it is put right now."""
        if failure.code not in CLOCK_CODES or not failure.date:
            return False
        try:
            theirs = parsedate_to_datetime(failure.date).timestamp()
        except ValueError:
            return False
        if abs(theirs - self.now()) < SKEW_SECONDS_MIN:
            return False  # it was something else
        self.skew_seconds = theirs - self._clock()
        return True


def date_of(second: int) -> str:
    """A date as requests have it, of a number of seconds since 1970."""
    return time.strftime("%Y%m%dT%H%M%SZ", time.gmtime(second))
