"""Slack by its own SDK: ``chat.postMessage``, and the channel's history to find what was sent already."""

from django.conf import settings

from orchestrator.ops.notifications.errors import NotificationRefused, NotifierNotConfigured
from orchestrator.ops.notifications.models import Notification
from orchestrator.ops.notifications.slack_api import call_slack

EVENT_TYPE = "orchestrator_notification"
# Messages of the channel in one answer.
HISTORY = 200
CHANNELS_A_PAGE = 1000


class SlackNotifier:
    """Posts into a channel, with the key of the notification in the message's metadata."""

    def check_settings(self) -> None:
        """Raise ``NotifierNotConfigured`` without a token."""
        if not settings.SLACK_BOT_TOKEN:
            raise NotifierNotConfigured("Slack is not configured.", cure="Set SLACK_BOT_TOKEN.")

    def find_receipt(self, notification: Notification) -> str:
        """The timestamp of the channel's message that carries the key, or an empty text.

        Raises ``NotifierUnavailable`` where the history cannot be read: sending without knowing could send
        twice.
        """
        channel, cursor = self._find_channel_id(notification.target), ""
        while True:
            page = call_slack(
                "conversations.history",
                channel=channel,
                # Our clock and Slack's may differ by some seconds.
                oldest=str(notification.created_at.timestamp() - 60),
                limit=HISTORY,
                cursor=cursor,
                include_all_metadata=True,
            )
            for message in page["messages"]:
                payload = message.get("metadata", {}).get("event_payload", {})
                if payload.get("key") == str(notification.key):
                    return str(message["ts"])
            # To the end: in a busy channel the message may be pages away.
            cursor = page.get("response_metadata", {}).get("next_cursor", "") if page["has_more"] else ""
            if not cursor:
                return ""

    def send(self, notification: Notification) -> str:
        """Post the message; the receipt is Slack's timestamp, which names a message in its channel."""
        answer = call_slack(
            "chat.postMessage",
            channel=notification.target,
            text=notification.body,
            metadata={"event_type": EVENT_TYPE, "event_payload": {"key": str(notification.key)}},
            unfurl_links=False,
        )
        return str(answer["ts"])

    def _find_channel_id(self, name: str) -> str:
        """The id of a channel: posting takes a name, reading the history does not."""
        wanted, cursor = name.removeprefix("#"), ""
        while True:
            page = call_slack(
                "conversations.list", limit=CHANNELS_A_PAGE, cursor=cursor, exclude_archived=True
            )
            for channel in page["channels"]:
                if wanted in (channel["name"], channel["id"]):
                    return str(channel["id"])
            cursor = page.get("response_metadata", {}).get("next_cursor", "")
            if not cursor:
                raise NotificationRefused(
                    f"Slack has no channel {name}.",
                    cure="Correct the channel's name, or invite the bot to it.",
                )


NOTIFIER = SlackNotifier()
