"""Slack by its own SDK: ``chat.postMessage``, and the channel's history to find what was sent already."""

from typing import Any

from django.conf import settings
from slack_sdk import WebClient
from slack_sdk.errors import SlackApiError, SlackClientError

from orchestrator.ops.notifications.errors import (
    NotificationRefused,
    NotifierNotConfigured,
    NotifierUnavailable,
)
from orchestrator.ops.notifications.models import Notification

TIMEOUT_SECONDS = 10
EVENT_TYPE = "orchestrator_notification"
# Messages of the channel in one answer.
HISTORY = 200
CHANNELS_A_PAGE = 1000
# Slack's own codes for "later"; every other code stays wrong until somebody corrects it.
_TEMPORARY = {
    "ratelimited",
    "rate_limited",
    "internal_error",
    "fatal_error",
    "request_timeout",
    "service_unavailable",
    "team_added_to_org",
}
_CURES = {
    "channel_not_found": "Correct the channel's name, or invite the bot to the private channel.",
    "not_in_channel": "Invite the bot to the channel.",
    "is_archived": "Name a channel that is not archived.",
    "invalid_auth": "Set SLACK_BOT_TOKEN to the token of an installed app.",
    "token_revoked": "Set SLACK_BOT_TOKEN to the token of an installed app.",
    "account_inactive": "Set SLACK_BOT_TOKEN to the token of an installed app.",
    "missing_scope": "Give the app chat:write, channels:read and channels:history, and install it again.",
    "msg_too_long": "Write a shorter message.",
}


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
            page = self._call(
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
        answer = self._call(
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
            page = self._call(
                "conversations.list", limit=CHANNELS_A_PAGE, cursor=cursor, exclude_archived=True
            )
            for channel in page["channels"]:
                if wanted in (channel["name"], channel["id"]):
                    return str(channel["id"])
            cursor = page.get("response_metadata", {}).get("next_cursor", "")
            if not cursor:
                raise NotificationRefused(f"Slack has no channel {name}.", cure=_CURES["channel_not_found"])

    def _call(self, method: str, **arguments: Any) -> Any:
        client = WebClient(
            token=settings.SLACK_BOT_TOKEN,
            # The SDK joins base and method, so the base ends with a slash.
            base_url=f"{settings.SLACK_API_URL}/",
            timeout=TIMEOUT_SECONDS,
            # The outbox repeats with its own pauses; a worker does not sleep in between.
            retry_handlers=[],
        )
        try:
            return client.api_call(method, json=arguments).data
        except SlackApiError as error:
            raise _translate(error) from error
        except (SlackClientError, OSError, ValueError) as error:
            raise NotifierUnavailable(f"Slack cannot be reached: {type(error).__name__}.") from error


def _translate(error: SlackApiError) -> NotificationRefused | NotifierUnavailable:
    """Slack's answer as one of our errors."""
    answer = error.response
    code = str(answer.get("error") or f"HTTP {answer.status_code}")
    if code in _TEMPORARY or answer.status_code == 429 or answer.status_code >= 500:
        return NotifierUnavailable(f"Slack answers {code}.")
    return NotificationRefused(f"Slack answers {code}.", cure=_CURES.get(code))


NOTIFIER = SlackNotifier()
