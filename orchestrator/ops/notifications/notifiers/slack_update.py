"""A message of Slack that is there already gets another text, and loses its buttons.

The target is the channel's id and the message's timestamp, with a slash between.
"""

from django.conf import settings

from orchestrator.ops.notifications.errors import NotifierNotConfigured
from orchestrator.ops.notifications.models import Notification
from orchestrator.ops.notifications.slack_api import SlackRefusal, call_slack


class SlackUpdateNotifier:
    """Replaces the text of a message, so doing it twice does no harm."""

    def check_settings(self) -> None:
        """Raise ``NotifierNotConfigured`` without a token."""
        if not settings.SLACK_BOT_TOKEN:
            raise NotifierNotConfigured("Slack is not configured.", cure="Set SLACK_BOT_TOKEN.")

    def find_receipt(self, notification: Notification) -> str:  # noqa: ARG002 - the protocol
        """Nothing: it is simply done again."""
        return ""

    def send(self, notification: Notification) -> str:
        """Replace the text; the receipt is the message's timestamp."""
        channel, _, stamp = notification.target.partition("/")
        try:
            # Without the empty list the buttons would stay.
            call_slack("chat.update", channel=channel, ts=stamp, text=notification.body, blocks=[])
        except SlackRefusal as error:
            # Somebody has deleted the message, so nobody sees the old text either.
            if error.slack_code != "message_not_found":
                raise
        return stamp


NOTIFIER = SlackUpdateNotifier()
