"""What every notifier is: one module in ``notifiers/``, one line in ``NOTIFIERS``."""

from typing import Protocol

from orchestrator.core.registry import Registry
from orchestrator.ops.notifications.models import Notification


class Notifier(Protocol):
    """Sends messages to one kind of receiver."""

    def check_settings(self) -> None:
        """Raise ``NotifierNotConfigured`` with the settings that are missing."""
        ...

    def find_receipt(self, notification: Notification) -> str:
        """The receipt of a message that an earlier attempt has sent; empty where it was not sent.

        Asked before a message is sent again, because a worker may die after the far side has accepted it. A
        receiver that drops a repeated ``key`` by itself needs no search, and answers with an empty text.
        """
        ...

    def send(self, notification: Notification) -> str:
        """Send the message and return its receipt.

        Raises ``NotificationRefused`` or ``NotifierUnavailable``.
        """
        ...


NOTIFIERS: Registry[Notifier] = Registry(
    "notifier",
    {
        "slack": "orchestrator.ops.notifications.notifiers.slack:NOTIFIER",
        "email": "orchestrator.ops.notifications.notifiers.email:NOTIFIER",
        "pagerduty": "orchestrator.ops.notifications.notifiers.pagerduty:NOTIFIER",
        "repo-pager": "onboarding.paging.notifier:NOTIFIER",
        "status-mail": "orchestrator.ops.status.status_mail:NOTIFIER",
        "slack-update": "orchestrator.ops.notifications.notifiers.slack_update:NOTIFIER",
        "webhook": "orchestrator.ops.notifications.notifiers.webhook:NOTIFIER",
    },
)
