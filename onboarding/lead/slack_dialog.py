"""The question to a team lead as a direct message of Slack with two buttons, and what a press brings back.

1. The lead is looked up by address, and a conversation is opened: both may be done again.
2. The step notes that it is going to post, then posts. A worker that dies in between leaves no timestamp: the
   next attempt looks for our mark in the conversation before it posts again.
3. A press comes back as a callback, signed by Slack. It counts only for the message that was noted, and from
   the person whom it was sent to.
4. Once the lead is not waited for any more, the message loses its buttons, through the outbox (``question``).
"""

import json
import uuid
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Final
from urllib.parse import parse_qs

from django.conf import settings
from slack_sdk.signature import SignatureVerifier

from orchestrator.ops.notifications.delivery import notify_once
from orchestrator.ops.notifications.slack_api import call_slack

APPROVE: Final = "onboarding_approve"
DECLINE: Final = "onboarding_decline"
MARK_TYPE: Final = "onboarding_approval"
_HISTORY: Final = 100
# Slack's own reading of a text: these three begin links and mentions.
_ESCAPES: Final = {"&": "&amp;", "<": "&lt;", ">": "&gt;"}


@dataclass(frozen=True, slots=True)
class SlackPress:
    """A press of one of our buttons: by whom (Slack's id), on which message, for which request."""

    user: str
    channel: str
    stamp: str
    reference: str
    approves: bool


def is_configured() -> bool:
    """Whether leads can be asked in Slack, and their answers be believed."""
    return bool(settings.SLACK_BOT_TOKEN and settings.SLACK_SIGNING_SECRET)


def find_person(email: str) -> str:
    """Slack's id of the person with this address; empty for a bot, which nobody asks.

    Raises ``SlackRefusal`` (``users_not_found``), ``NotifierUnavailable``.
    """
    user = call_slack("users.lookupByEmail", by_query=True, email=email)["user"]
    is_person = not user.get("deleted") and not user.get("is_bot")
    return str(user["id"]) if is_person else ""


def open_conversation(person: str) -> str:
    """The channel of direct messages with ``person``. Raises ``SlackRefusal``, ``NotifierUnavailable``."""
    return str(call_slack("conversations.open", users=person)["channel"]["id"])


def find_message(channel: str, reference: str, kind: str) -> str:
    """The timestamp of our message of this ``kind`` for the request; empty where there is none yet."""
    page = call_slack("conversations.history", channel=channel, limit=_HISTORY, include_all_metadata=True)
    for message in page["messages"]:
        mark = message.get("metadata", {}).get("event_payload", {})
        if mark.get("reference") == reference and mark.get("kind") == kind:
            return str(message["ts"])
    return ""


def post_message(channel: str, reference: str, kind: str, text: str, *, with_buttons: bool) -> str:
    """Post ``text``, which is Slack's markup; its timestamp. Raises as ``open_conversation`` does."""
    more: dict[str, Any] = {"blocks": _build_blocks(text, reference)} if with_buttons else {}
    # The text goes along beside the blocks: notifications and screen readers read it.
    answer = call_slack(
        "chat.postMessage",
        channel=channel,
        text=text,
        metadata={"event_type": MARK_TYPE, "event_payload": {"reference": reference, "kind": kind}},
        unfurl_links=False,
        **more,
    )
    return str(answer["ts"])


def replace_message(note: Mapping[str, Any], reference: str, text: str) -> None:
    """Take the buttons off the message that ``note`` names, once, in the caller's transaction."""
    if not note.get("channel") or not note.get("stamp"):
        return
    # One key for a request: the message says the first decision, and there is no second.
    key = uuid.uuid5(uuid.NAMESPACE_URL, f"onboarding approval {reference} {note['stamp']}")
    notify_once(key, "slack-update", f"{note['channel']}/{note['stamp']}", text)


def escape(text: str) -> str:
    """``text`` as Slack shows it: it becomes no link and no mention."""
    for character, written in _ESCAPES.items():
        text = text.replace(character, written)
    return text


def is_genuine(body: bytes, timestamp: str, signature: str) -> bool:
    """Whether Slack has signed ``body``, in the last five minutes."""
    # The SDK reads the time with int() and compares texts that must be ASCII.
    is_readable = timestamp.isascii() and timestamp.isdigit() and len(timestamp) < 12 and signature.isascii()
    if not settings.SLACK_SIGNING_SECRET or not is_readable:
        return False
    try:
        text = body.decode()
    except UnicodeDecodeError:
        return False
    return SignatureVerifier(settings.SLACK_SIGNING_SECRET).is_valid(text, timestamp, signature)


def read_press(body: bytes) -> SlackPress | None:
    """The press of one of our buttons; None for everything else that Slack sends."""
    try:
        payload = json.loads(parse_qs(body.decode(), max_num_fields=20)["payload"][0])
        # One press is one action; anything else is not from our message.
        (action,) = payload["actions"]
        name = str(action["action_id"])
        if payload["type"] != "block_actions" or name not in (APPROVE, DECLINE):
            return None
        return SlackPress(
            user=str(payload["user"]["id"]),
            channel=str(payload["container"]["channel_id"]),
            stamp=str(payload["container"]["message_ts"]),
            reference=str(action["value"])[:20],
            approves=name == APPROVE,
        )
    except (ValueError, KeyError, TypeError, IndexError, RecursionError):
        return None


def _build_blocks(text: str, reference: str) -> list[dict[str, Any]]:
    return [
        {"type": "section", "text": {"type": "mrkdwn", "text": text}},
        {
            "type": "actions",
            "elements": [
                _build_button("Approve", APPROVE, "primary", reference),
                _build_button("Decline", DECLINE, "danger", reference),
            ],
        },
    ]


def _build_button(words: str, action_id: str, style: str, reference: str) -> dict[str, Any]:
    text = {"type": "plain_text", "text": words}
    return {"type": "button", "text": text, "action_id": action_id, "style": style, "value": reference}
