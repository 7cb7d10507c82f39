"""``manage.py flower``: Flower to look at, without its controls."""

import os
from argparse import ArgumentParser
from typing import Any

from django.core.management.base import BaseCommand, CommandError
from flower import urls
from flower.api import control, tasks

from orchestrator.celery import app
from orchestrator.ops.observability.exporter import is_loopback

# What changes something: workers shut down, tasks sent and revoked. SREs do this in the admin, which asks for
# permissions and writes down who did it.
_CLOSED = (
    *(member for member in vars(control).values() if isinstance(member, type)),
    tasks.TaskApply,
    tasks.TaskAsyncApply,
    tasks.TaskSend,
    tasks.TaskAbort,
)


class Command(BaseCommand):
    """Serve Flower."""

    help = "Serve Flower, which shows workers and tasks. Its controls are closed; the admin has them."
    # The checks would import every app's views, which this process never uses.
    requires_system_checks = []

    def add_arguments(self, parser: ArgumentParser) -> None:
        """Where to listen."""
        parser.add_argument("--address", default="127.0.0.1", help="the address to listen on")
        parser.add_argument("--port", type=int, default=5555, help="the port to listen on")

    def handle(self, *args: Any, **options: Any) -> None:  # noqa: ARG002 - Django's signature
        """Serve until interrupted."""
        address = options["address"]
        if not is_loopback(address) and not os.environ.get("FLOWER_BASIC_AUTH"):
            raise CommandError(
                f"Flower on {address} would be open to everybody: set FLOWER_BASIC_AUTH=name:password, or "
                "listen on 127.0.0.1."
            )
        close_controls()
        app.start(argv=["flower", f"--address={address}", f"--port={options['port']}"])


def close_controls() -> None:
    """Take the addresses that change something out of Flower's table, which it reads when it starts."""
    urls.handlers[:] = [handler for handler in urls.handlers if _class_of(handler) not in _CLOSED]


def _class_of(handler: Any) -> Any:
    return handler[1] if isinstance(handler, tuple) else handler.handler_class
