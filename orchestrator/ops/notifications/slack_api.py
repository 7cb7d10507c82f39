"""The one door to Slack: a call of a method by Slack's own SDK, and its refusals as our errors."""

from typing import Any, Final

from django.conf import settings
from slack_sdk import WebClient
from slack_sdk.errors import SlackApiError, SlackClientError

from orchestrator.ops.notifications.errors import NotificationRefused, NotifierUnavailable

TIMEOUT_SECONDS: Final = 10
# Slack's own codes for "later"; every other code stays wrong until somebody corrects it.
_TEMPORARY: Final = {
    "ratelimited",
    "rate_limited",
    "internal_error",
    "fatal_error",
    "request_timeout",
    "service_unavailable",
    "team_added_to_org",
}
_CURES: Final = {
    "channel_not_found": "Correct the channel's name, or invite the bot to the private channel.",
    "not_in_channel": "Invite the bot to the channel.",
    "is_archived": "Name a channel that is not archived.",
    "invalid_auth": "Set SLACK_BOT_TOKEN to the token of an installed app.",
    "token_revoked": "Set SLACK_BOT_TOKEN to the token of an installed app.",
    "account_inactive": "Set SLACK_BOT_TOKEN to the token of an installed app.",
    "missing_scope": "Give the app the scopes that the settings page lists, and install it again.",
    "msg_too_long": "Write a shorter message.",
}


class SlackRefusal(NotificationRefused):
    """Slack has refused a call."""

    def __init__(self, slack_code: str) -> None:
        super().__init__(f"Slack answers {slack_code}.", cure=_CURES.get(slack_code))
        self.slack_code = slack_code


def call_slack(method: str, *, by_query: bool = False, **arguments: Any) -> Any:
    """Slack's answer to ``method``, as JSON. ``by_query``: for methods that take no JSON.

    Raises ``SlackRefusal``, and ``NotifierUnavailable`` where the same call may succeed later.
    """
    client = WebClient(
        token=settings.SLACK_BOT_TOKEN,
        # The SDK joins base and method, so the base ends with a slash.
        base_url=f"{settings.SLACK_API_URL}/",
        timeout=TIMEOUT_SECONDS,
        # Callers repeat with their own pauses; a worker does not sleep in between.
        retry_handlers=[],
    )
    try:
        if by_query:
            return client.api_call(method, http_verb="GET", params=arguments).data
        return client.api_call(method, json=arguments).data
    except SlackApiError as error:
        raise _translate(error) from error
    except (SlackClientError, OSError, ValueError) as error:
        raise NotifierUnavailable(f"Slack cannot be reached: {type(error).__name__}.") from error


def _translate(error: SlackApiError) -> SlackRefusal | NotifierUnavailable:
    """Slack's answer as one of our errors."""
    answer = error.response
    code = str(answer.get("error") or f"HTTP {answer.status_code}")
    if code in _TEMPORARY or answer.status_code == 429 or answer.status_code >= 500:
        away = NotifierUnavailable(f"Slack answers {code}.")
        away.retry_after_seconds = _read_retry_after(answer.headers)
        return away
    return SlackRefusal(code)


def _read_retry_after(headers: Any) -> float | None:
    """The seconds that Slack wants to be left alone for, where it says so."""
    wished = str({name.lower(): value for name, value in headers.items()}.get("retry-after", ""))
    return float(wished) if wished.isdigit() else None
