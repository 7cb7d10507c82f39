"""The mails of the status page: to one reader each, with the headers by which mail programs unsubscribe."""

from django.core.mail import EmailMessage

from orchestrator.ops.notifications.errors import NotificationRefused
from orchestrator.ops.notifications.models import Notification
from orchestrator.ops.notifications.notifiers.email import EmailNotifier
from orchestrator.ops.status.links import link_unsubscribe
from orchestrator.ops.status.models import StatusReader


class StatusMailNotifier(EmailNotifier):
    """Sends to readers of the status page who have not left."""

    def build_message(self, notification: Notification) -> EmailMessage:
        """The mail with List-Unsubscribe and List-Unsubscribe-Post (RFC 8058).

        Raises ``NotificationRefused`` for an address that has left since the mail was written.
        """
        # Asked at the moment of sending: between writing and sending somebody may leave.
        reader = StatusReader.objects.filter(email=notification.target).first()
        if reader is None:
            raise NotificationRefused(
                "The reader has unsubscribed.", cure="Nothing: nobody is waiting for it."
            )
        message = super().build_message(notification)
        message.extra_headers |= {
            "List-Unsubscribe": f"<{link_unsubscribe(reader)}>",
            "List-Unsubscribe-Post": "List-Unsubscribe=One-Click",
            # Absence notes answer people and not machines.
            "Auto-Submitted": "auto-generated",
        }
        return message


NOTIFIER = StatusMailNotifier()
