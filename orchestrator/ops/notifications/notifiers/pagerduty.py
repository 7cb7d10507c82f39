"""PagerDuty by its own client.

The ``dedup_key`` of an event is the thread of the notification, so that a later message acknowledges or ends
the page of an earlier one; without a thread it is the key.
"""

import contextlib
from typing import Final

from django.conf import settings
from pagerduty import EventsApiV2Client
from pagerduty.errors import Error, HttpError

from orchestrator.ops.notifications.errors import (
    NotificationRefused,
    NotifierNotConfigured,
    NotifierUnavailable,
)
from orchestrator.ops.notifications.models import Notification, PageAction

SOURCE: Final = "multi-llm-orchestrator"
_TOO_MANY: Final = 429
_SERVER_ERROR: Final = 500


class _EventsClient(EventsApiV2Client):
    """The vendor's client. It insists on TLS; a receiver on this machine has none."""

    @property
    def url(self) -> str:
        """The server, from the settings."""
        # Alertmanager's setting names the whole address, the client wants the server only.
        return str(settings.PAGERDUTY_EVENTS_URL).removesuffix("/v2/enqueue")

    @url.setter
    def url(self, new_base_url: str) -> None:
        """The settings win over the client's own default."""


class PagerDutyNotifier:
    """Pages the service of ``PAGERDUTY_ROUTING_KEY``; the target is the severity."""

    def check_settings(self) -> None:
        """Raise ``NotifierNotConfigured`` without a routing key."""
        if not settings.PAGERDUTY_ROUTING_KEY:
            raise NotifierNotConfigured("PagerDuty is not configured.", cure="Set PAGERDUTY_ROUTING_KEY.")

    def find_receipt(self, notification: Notification) -> str:  # noqa: ARG002 - the protocol's signature
        """Nothing: PagerDuty itself merges events with the same ``dedup_key``."""
        return ""

    def send(self, notification: Notification) -> str:
        """Trigger, acknowledge or resolve the event; the receipt is its ``dedup_key``."""
        return send_event(settings.PAGERDUTY_ROUTING_KEY, notification, notification.target)


def send_event(routing_key: str, notification: Notification, severity: str) -> str:
    """Tell the service of ``routing_key``; the ``dedup_key`` of the event.

    Raises ``NotifierUnavailable`` and ``NotificationRefused``.
    """
    with contextlib.closing(_EventsClient(routing_key)) as client:
        # The outbox repeats with its own pauses; a worker does not sleep in between.
        client.retry, client.max_network_attempts = {}, 1
        try:
            return _send_by(client, notification, severity)
        except HttpError as error:
            status = error.response.status_code if error.response is not None else _SERVER_ERROR
            if status == _TOO_MANY or status >= _SERVER_ERROR:
                raise NotifierUnavailable(f"PagerDuty answers {status}.") from error
            raise NotificationRefused(
                f"PagerDuty answers {status}.", cure="Check the routing key of the service and the message."
            ) from error
        except (Error, OSError) as error:
            raise NotifierUnavailable(f"PagerDuty cannot be reached: {type(error).__name__}.") from error


def _send_by(client: _EventsClient, notification: Notification, severity: str) -> str:
    dedup_key = notification.thread or str(notification.key)
    if notification.action == PageAction.ACKNOWLEDGE:
        return client.acknowledge(dedup_key)
    if notification.action == PageAction.RESOLVE:
        return client.resolve(dedup_key)
    return client.trigger(
        notification.subject or notification.body[:200],
        SOURCE,
        dedup_key=dedup_key,
        severity=severity,
        payload={"custom_details": {"message": notification.body}},
    )


NOTIFIER = PagerDutyNotifier()
