"""The exporter: one small HTTP server with `/metrics` and `/health`, apart from the web processes."""

import hmac
from collections.abc import Callable, Iterable
from ipaddress import ip_address
from typing import Any
from wsgiref.simple_server import WSGIRequestHandler, WSGIServer, make_server

from django.conf import settings
from prometheus_client import CollectorRegistry, make_wsgi_app
from prometheus_client.gc_collector import GCCollector
from prometheus_client.process_collector import ProcessCollector

from orchestrator.ops.observability.metrics import OrchestratorCollector


class _Quiet(WSGIRequestHandler):
    """Does not log each scrape: there is one every few seconds."""

    def log_message(self, format: str, *args: Any) -> None:
        """Say nothing."""


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
        answer: Iterable[bytes] = metrics(environ, start)
        return answer

    return serve


def build_server(host: str, port: int) -> WSGIServer:
    """A server that answers one scrape after another; port 0 takes a free one."""
    # One scrape at a time, on purpose: two scrapers at once must not double the load on the database.
    return make_server(host, port, build_application(), handler_class=_Quiet)
