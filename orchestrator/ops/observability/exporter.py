"""The exporter: one small HTTP server with `/metrics` and `/health`, apart from the web processes."""

import hmac
import threading
from collections.abc import Callable, Iterable
from ipaddress import ip_address
from socketserver import ThreadingMixIn
from typing import Any, Final
from wsgiref.simple_server import WSGIRequestHandler, WSGIServer, make_server

from django.conf import settings
from django.db import connections
from prometheus_client import CollectorRegistry, make_wsgi_app
from prometheus_client.gc_collector import GCCollector
from prometheus_client.process_collector import ProcessCollector

from orchestrator.ops.observability.metrics import OrchestratorCollector

MOST_CONNECTIONS: Final = 64
"""More are closed at once."""
SILENT_SECONDS: Final = 5.0
"""How long a client may send or read nothing."""


class _Quiet(WSGIRequestHandler):
    """Does not log each scrape: there is one every few seconds."""

    timeout = SILENT_SECONDS

    def log_message(self, format: str, *args: Any) -> None:
        """Say nothing."""


class _ExporterServer(ThreadingMixIn, WSGIServer):
    """A thread for each connection, so that a client that is silent holds up no scrape."""

    daemon_threads = True

    def __init__(self, *args: Any) -> None:
        self._room = threading.BoundedSemaphore(MOST_CONNECTIONS)
        super().__init__(*args)

    def process_request(self, request: Any, client_address: Any) -> None:
        """Serve a connection, where there is room."""
        if self._room.acquire(blocking=False):
            super().process_request(request, client_address)
        else:
            self.shutdown_request(request)

    def process_request_thread(self, request: Any, client_address: Any) -> None:
        """Serve it, in its thread."""
        try:
            super().process_request_thread(request, client_address)
        finally:
            # Of this thread alone, which nobody uses again.
            connections.close_all()
            self._room.release()

    def handle_error(self, request: Any, client_address: Any) -> None:
        """Leave a client that is gone out of the log: it decides how often that happens."""


def is_loopback(host: str) -> bool:
    """Whether only this machine reaches a server that listens on ``host``."""
    try:
        return ip_address(host).is_loopback
    except ValueError:
        return host == "localhost"


def is_allowed(header: str) -> bool:
    """Whether an ``Authorization`` header may scrape; everybody may where METRICS_TOKEN is not set."""
    token = settings.METRICS_TOKEN
    return not token or hmac.compare_digest(header.encode(), f"Bearer {token}".encode())


def build_application() -> Callable[..., Iterable[bytes]]:
    """`/metrics` in the format that the scraper asks for, `/health` for the orchestrator's own probes."""
    registry = CollectorRegistry()
    # A registry of its own: the global one would also send what libraries register at import.
    for collector in (
        OrchestratorCollector(),
        ProcessCollector(registry=None),
        GCCollector(registry=CollectorRegistry()),
    ):
        registry.register(collector)
    metrics = make_wsgi_app(registry)
    # One scrape at a time, on purpose: two scrapers at once must not double the load on the database.
    scraping = threading.Lock()

    def serve(environ: dict[str, Any], start: Callable[..., Any]) -> Iterable[bytes]:
        if environ["PATH_INFO"] == "/health":
            start("200 OK", [("Content-Type", "application/json")])
            return [b'{"status": "ok"}']
        if not is_allowed(environ.get("HTTP_AUTHORIZATION", "")):
            start("401 Unauthorized", [("Content-Type", "text/plain"), ("WWW-Authenticate", "Bearer")])
            return [b"send METRICS_TOKEN as a bearer token\n"]
        if environ["PATH_INFO"] != "/metrics":
            start("404 Not Found", [("Content-Type", "text/plain")])
            return [b"see /metrics\n"]
        with scraping:
            answer: Iterable[bytes] = metrics(environ, start)
        return answer

    return serve


def build_server(host: str, port: int) -> WSGIServer:
    """A server that answers one scrape after another; port 0 takes a free one."""
    return make_server(host, port, build_application(), server_class=_ExporterServer, handler_class=_Quiet)
