"""``manage.py dispatcher``: lead, or stand by to."""

import signal
import threading
from typing import Any

from django.core.management.base import BaseCommand

from orchestrator.core import pooler
from orchestrator.flows.scheduler.dispatcher import Dispatcher


class Command(BaseCommand):
    """Run the dispatcher in the foreground until SIGTERM or SIGINT. Start two: one leads, the other stands
    by.
    """

    help = "Sweep, send again and release stages. Start two of it: one leads, the other stands by."
    # The checks would import every app's views, which this small process never uses.
    requires_system_checks = []

    def handle(self, *args: Any, **options: Any) -> None:  # noqa: ARG002 - Django's signature
        """Run until told to stop. Raises ``ImproperlyConfigured`` where no lock of a session would hold."""
        pooler.require_own_sessions()
        stop = threading.Event()
        for number in (signal.SIGTERM, signal.SIGINT):
            signal.signal(number, lambda *_: stop.set())
        Dispatcher(stop).run()
