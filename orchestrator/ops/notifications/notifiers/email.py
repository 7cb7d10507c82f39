"""E-mail over SMTP, by Django. The key is in the ``Message-ID``, so mail systems drop a copy."""

import smtplib

from django.conf import settings
from django.core.mail import EmailMessage

from orchestrator.ops.notifications.errors import (
    NotificationRefused,
    NotifierNotConfigured,
    NotifierUnavailable,
)
from orchestrator.ops.notifications.models import Notification


class EmailNotifier:
    """Sends plain text to one address."""

    def check_settings(self) -> None:
        """Raise ``NotifierNotConfigured`` without a mail server."""
        if not settings.EMAIL_HOST:
            raise NotifierNotConfigured("E-mail is not configured.", cure="Set EMAIL_URL.")

    def find_receipt(self, notification: Notification) -> str:  # noqa: ARG002 - the protocol's signature
        """Nothing: SMTP cannot be asked. A copy has the same ``Message-ID``."""
        return ""

    def send(self, notification: Notification) -> str:
        """Send the mail; the receipt is its ``Message-ID``."""
        message = self.build_message(notification)
        try:
            message.send()
        except smtplib.SMTPRecipientsRefused as error:
            raise NotificationRefused(
                f"The mail server refuses {notification.target}.", cure="Correct the address."
            ) from error
        except smtplib.SMTPAuthenticationError as error:
            raise NotificationRefused(
                "The mail server refuses the credentials.", cure="Correct user and password in EMAIL_URL."
            ) from error
        except (smtplib.SMTPException, OSError) as error:
            raise NotifierUnavailable(
                f"The mail server cannot be reached or refuses: {type(error).__name__}."
            ) from error
        return str(message.extra_headers["Message-ID"])

    def build_message(self, notification: Notification) -> EmailMessage:
        """The mail; a subclass adds headers."""
        domain = settings.DEFAULT_FROM_EMAIL.rpartition("@")[2]
        return EmailMessage(
            subject=notification.subject,
            body=notification.body,
            to=[notification.target],
            headers={"Message-ID": f"<{notification.key}@{domain}>"},
        )


NOTIFIER = EmailNotifier()
