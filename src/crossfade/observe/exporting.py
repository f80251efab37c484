"""A server of figures for Prometheus: on this machine's own address, read anew when it is asked."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterable, Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any, Final, Protocol

import prometheus_client
from prometheus_client.core import GaugeMetricFamily

from crossfade.errors import ConfigurationError, CrossfadeError
from crossfade.observe.fleet import FLEET, Figure

HOST: Final = "127.0.0.1"
LOOK_SECONDS: Final = 5.0  # between two looks, however many ask: a look reads each lease
PATH: Final = "/metrics"


class Shown(Protocol):
    """What is served."""

    def page(self) -> bytes: ...


class Figures:
    """The last look, as prometheus_client collects it."""

    def __init__(self, look: Callable[[], Iterable[Figure]], clock: Callable[[], float] = time.monotonic) -> None:
        self._look = look
        self._clock = clock
        self._lock = threading.Lock()
        self._seen: tuple[Figure, ...] = ()
        self._looked_at = float("-inf")
        self._registry = prometheus_client.CollectorRegistry()
        self._registry.register(self)

    def page(self) -> bytes:
        """Return what Prometheus reads. Raises CrossfadeError."""
        with self._lock:
            if self._clock() - self._looked_at >= LOOK_SECONDS:
                self._seen = tuple(self._look())
                self._looked_at = self._clock()
            return prometheus_client.generate_latest(self._registry)

    def describe(self) -> list[Any]:
        """Return nothing: what there is, is not known before the first look."""
        return []

    def collect(self) -> Iterator[Any]:
        """Return all figures of the last look."""
        for metric in FLEET:
            family = GaugeMetricFamily(
                metric.prometheus_name, metric.help, labels=[each.name for each in metric.labels]
            )
            for told, value, labels in self._seen:
                if told is metric:
                    family.add_metric(labels, value)
            yield family


def serving(shown: Shown, port: int) -> ThreadingHTTPServer:
    """Return a server on this machine's own address. Raises ConfigurationError where the port is taken."""

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            if self.path != PATH:
                self.send_error(404)
                return
            try:
                page = shown.page()
            except CrossfadeError as error:
                self.send_error(503, type(error).__name__)
                return
            self.send_response(200)
            self.send_header("Content-Type", prometheus_client.CONTENT_TYPE_LATEST)
            self.send_header("Content-Length", str(len(page)))
            self.end_headers()
            _ = self.wfile.write(page)

        def log_message(self, format: str, *args: Any) -> None:  # noqa: A002 - as http.server calls it
            """Say nothing of each request."""

    try:
        return ThreadingHTTPServer((HOST, port), Handler)
    except OSError as error:
        raise ConfigurationError(
            f"nothing can listen on {HOST}:{port}: {error.strerror}", next_step="another --port"
        ) from error
