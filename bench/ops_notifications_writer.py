"""Writes messages until there are so many: ``python -m bench.ops_notifications_writer 1000``.

Each message has a key that follows from its number, so a writer that was killed begins again with the first
number and writes no message twice.
"""

import json
import os
import sys
import time
from uuid import NAMESPACE_URL, uuid5

import django

os.environ.setdefault("DJANGO_SETTINGS_MODULE", "orchestrator.settings")
django.setup()

from django.db import InterfaceError, OperationalError, connection  # noqa: E402 - Django comes first

from bench.ops_notifications_plan import SUBSCRIPTION  # noqa: E402
from orchestrator.ops.notifications import delivery  # noqa: E402
from orchestrator.ops.notifications.models import Subscription  # noqa: E402

PACE_SECONDS = 0.03
"""Between two messages, so that kills find some under way."""


def write_message(number: int) -> None:
    """The message with this number, to one far side after the other."""
    key, text = uuid5(NAMESPACE_URL, f"bench:{number}"), str(number)
    if number % 3 == 0:
        delivery.notify_once(key, "slack", "#ops-alerts", text)
    elif number % 3 == 1:
        delivery.notify_once(key, "pagerduty", "critical", text, subject=text)
    else:
        wish = Subscription.objects.get(key=SUBSCRIPTION)
        body = json.dumps({"type": "bench", "timestamp": "", "data": {"number": number}})
        delivery.notify_once(key, "webhook", wish.target, body, subscription=wish)


def run() -> int:
    """Write them, however often the database goes away."""
    Subscription.objects.get_or_create(
        key=SUBSCRIPTION,
        defaults={"notifier": "webhook", "target": os.environ["WEBHOOK_URL"], "topics": ["flow.passed"]},
    )
    number = 0
    while number < int(sys.argv[1]):
        try:
            write_message(number)
        except (OperationalError, InterfaceError):
            connection.close()
            time.sleep(0.2)
            continue
        number += 1
        time.sleep(PACE_SECONDS)
    return 0


if __name__ == "__main__":
    raise SystemExit(run())
