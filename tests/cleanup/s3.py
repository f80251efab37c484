"""The three calls of S3 that crossfade makes, on a port of this machine: PutObject, GetObject, ListObjectsV2.

https://docs.aws.amazon.com/AmazonS3/latest/API/API_GetObject.html and its neighbours say what is answered.
"""

from __future__ import annotations

import base64
import hashlib
import re
from dataclasses import dataclass, field
from urllib.parse import parse_qs, unquote, urlsplit
from xml.sax.saxutils import escape

from tests.cleanup.serving import Handler, Served


@dataclass
class S3(Served):
    """`objects` by bucket and key. `breaks_off`: how many answers to GetObject end in the middle from now on."""

    buckets: set[str] = field(default_factory=lambda: {"backups"})
    objects: dict[tuple[str, str], bytes] = field(default_factory=dict[tuple[str, str], bytes])
    breaks_off: int = 0
    ranges: list[str] = field(default_factory=list[str])
    checksums: list[str] = field(default_factory=list[str])

    def keys(self, ending: str) -> list[str]:
        return sorted(key for _, key in self.objects if key.endswith(ending))

    def handle(self, handler: Handler, body: bytes) -> None:
        url = urlsplit(handler.path)
        bucket, _, key = unquote(url.path).removeprefix("/").partition("/")
        if bucket not in self.buckets:
            _error(handler, 404, "NoSuchBucket", "The specified bucket does not exist")
        elif handler.command == "PUT":
            self._put(handler, bucket, key, body)
        elif key:
            self._get(handler, bucket, key)
        else:
            query = {name: values[0] for name, values in parse_qs(url.query).items()}
            assert query["list-type"] == "2"
            handler.answer(200, self._listing(bucket, query["prefix"], query["delimiter"]), "application/xml")

    def _put(self, handler: Handler, bucket: str, key: str, body: bytes) -> None:
        assert "aws-chunked" not in handler.headers.get("Content-Encoding", "")
        md5 = base64.b64encode(hashlib.md5(body, usedforsecurity=False).digest()).decode()
        self.checksums.append(handler.headers["Content-MD5"])
        if self.checksums[-1] != md5:
            _error(handler, 400, "BadDigest", "The Content-MD5 you specified did not match what we received.")
            return
        self.objects[bucket, key] = body
        handler.answer(200, b"", headers={"ETag": _etag(body)})

    def _get(self, handler: Handler, bucket: str, key: str) -> None:
        body = self.objects.get((bucket, key))
        if body is None:
            _error(handler, 404, "NoSuchKey", "The specified key does not exist.")
            return
        if handler.headers.get("If-Match", _etag(body)) != _etag(body):
            _error(handler, 412, "PreconditionFailed", "At least one of the pre-conditions you specified did not hold")
            return
        found, etag = body, _etag(body)
        if wanted := handler.headers.get("Range"):
            self.ranges.append(wanted)
            (first,) = re.fullmatch(r"bytes=(\d+)-", wanted).groups()  # type: ignore[union-attr]
            found = body[int(first) :]
        sent = None
        if self.breaks_off and found:
            self.breaks_off -= 1
            sent = len(found) // 2
        handler.answer(206 if wanted else 200, found, "application/octet-stream", sent=sent, headers={"ETag": etag})

    def _listing(self, bucket: str, prefix: str, delimiter: str) -> bytes:
        below = [key.removeprefix(prefix) for held, key in self.objects if held == bucket and key.startswith(prefix)]
        folders = sorted({key.partition(delimiter)[0] for key in below if delimiter in key})
        common = "".join(
            f"<CommonPrefixes><Prefix>{escape(prefix + name)}/</Prefix></CommonPrefixes>" for name in folders
        )
        return (
            '<?xml version="1.0"?><ListBucketResult xmlns="http://s3.amazonaws.com/doc/2006-03-01/">'
            f"<Name>{bucket}</Name><IsTruncated>false</IsTruncated>{common}</ListBucketResult>"
        ).encode()


def _etag(body: bytes) -> str:
    return f'"{hashlib.md5(body, usedforsecurity=False).hexdigest()}"'


def _error(handler: Handler, status: int, code: str, message: str) -> None:
    xml = f'<?xml version="1.0"?><Error><Code>{code}</Code><Message>{message}</Message></Error>'
    handler.answer(status, xml.encode(), "application/xml")
