"""``manage.py exporter [--port 9808]``: serves the metrics until it is told to stop."""

import signal
from argparse import ArgumentParser
from typing import Any

from django.conf import settings
from django.core.management.base import BaseCommand, CommandError

from orchestrator.ops.observability.exporter import build_server, is_loopback


class Command(BaseCommand):
    """Serve /metrics."""

    help = "Serve Prometheus metrics at /metrics."
    # The checks would import every app's views, which this small process never uses.
    requires_system_checks = []

    def add_arguments(self, parser: ArgumentParser) -> None:
        """Where to listen."""
        parser.add_argument("--port", type=int, default=9808, help="the port to listen on")
        parser.add_argument("--host", default="127.0.0.1", help="the address to listen on")

    def handle(self, *args: Any, **options: Any) -> None:  # noqa: ARG002 - Django's signature
        """Serve until interrupted."""
        if not is_loopback(options["host"]) and not settings.METRICS_TOKEN:
            raise CommandError(
                f"Metrics on {options['host']} would be open to everybody: set METRICS_TOKEN, which "
                "Prometheus sends as its bearer token, or listen on 127.0.0.1."
            )
        try:
            listening = build_server(options["host"], options["port"])
        except OSError as error:
            raise CommandError(
                f"Cannot listen on {options['host']}:{options['port']}: {error}; choose another --port."
            ) from error
        with listening:
            self.stdout.write(f"metrics at http://{options['host']}:{listening.server_port}/metrics")
            # Into a pipe, Python would keep the line until the buffer is full, and a script waits for this
            # line.
            self.stdout.flush()
            # The first process of a container is not ended by a signal that it does not handle.
            signal.signal(signal.SIGTERM, signal.default_int_handler)
            try:
                listening.serve_forever()
            except KeyboardInterrupt:
                self.stdout.write("stopped")
