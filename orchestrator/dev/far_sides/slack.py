"""Slack on this machine: channels, people, direct messages, and buttons that somebody presses.

After its documentation (https://docs.slack.dev/reference/methods): what it refuses, by Slack's names. It is
served by ``orchestrator.dev.receivers``, beside what takes alerts. It is not Slack: nobody is told anything.
"""

import hashlib
import hmac
import itertools
import json
import time
import urllib.request
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from http import HTTPStatus
from typing import Any, Final
from urllib.error import HTTPError
from urllib.parse import urlencode

CHANNELS: Final = ("engineering", "ops-alerts", "incidents", "blocks-help")
TEXT_LIMIT: Final = 40_000
_MOST_BLOCKS: Final = 50
_BUTTON_TEXT: Final = 75
_ACTION_ID: Final = 255
_BUTTON_VALUE: Final = 2000
_BLOCK_TEXT: Final = 3000
_PRESS_SECONDS: Final = 3.0
"""Slack shows the person an error where a callback is not answered within this time."""
Json = dict[str, Any]
SlackReply = tuple[int, Json, Mapping[str, str]]


class SlackScope(StrEnum):
    """What an app may be allowed to do, by Slack's names."""

    CHAT_WRITE = "chat:write"
    CHANNELS_READ = "channels:read"
    CHANNELS_HISTORY = "channels:history"
    IM_WRITE = "im:write"
    IM_HISTORY = "im:history"
    USERS_READ = "users:read"
    USERS_READ_EMAIL = "users:read.email"


@dataclass
class SlackPerson:
    """Somebody in the workspace."""

    id: str
    email: str
    is_deleted: bool = False
    is_bot: bool = False


@dataclass
class LocalSlack:
    """The workspace. Every ``xoxb-`` token is that of its app, unless ``tokens`` lists which are.

    ``rate_limits`` are the ``Retry-After`` of the next answers. ``callback_url`` and ``signing_secret`` are
    where a press of a button goes to, and what it is signed with.
    """

    people: dict[str, SlackPerson] = field(default_factory=dict)
    """By id."""
    tokens: set[str] = field(default_factory=set)
    scopes: set[str] = field(default_factory=lambda: set(SlackScope))
    messages: list[Json] = field(default_factory=list)
    """In the order in which they were posted; ``edited`` where one was updated."""
    direct: dict[str, str] = field(default_factory=dict)
    """Channels of direct messages: id to the id of the person."""
    rate_limits: list[int] = field(default_factory=list)
    callback_url: str = ""
    signing_secret: str = ""
    _numbers: "itertools.count[int]" = field(default_factory=lambda: itertools.count(1))

    def add_person(self, email: str, *, is_deleted: bool = False, is_bot: bool = False) -> SlackPerson:
        """Somebody joins the workspace."""
        person = SlackPerson(f"U{next(self._numbers):010d}", email.lower(), is_deleted, is_bot)
        self.people[person.id] = person
        return person

    def answer(self, method: str, token: str, body: Json, *, is_json: bool) -> SlackReply:
        """The answer to a call of ``method``."""
        if self.rate_limits:
            seconds = self.rate_limits.pop(0)
            refused = {"ok": False, "error": "ratelimited"}
            return HTTPStatus.TOO_MANY_REQUESTS, refused, {"Retry-After": str(seconds)}
        if not token.startswith("xoxb-") or (self.tokens and token not in self.tokens):
            return HTTPStatus.OK, {"ok": False, "error": "invalid_auth"}, {}
        needed, takes_json, act = METHODS[method]
        # The history of direct messages has a scope of its own.
        if method == "conversations.history" and str(body.get("channel", "")).startswith("D"):
            needed = SlackScope.IM_HISTORY
        if needed not in self.scopes:
            provided = ",".join(sorted(self.scopes))
            lacking = {"ok": False, "error": "missing_scope", "needed": needed, "provided": provided}
            return HTTPStatus.OK, lacking, {}
        # Methods that read take a form or a query; what comes as JSON they do not see.
        return HTTPStatus.OK, act(self, body if takes_json or not is_json else {}), {}

    def find_button(self, channel: str, stamp: str, action_id: str) -> Json | None:
        """The button of a message as it is now."""
        message = self._find_message(channel, stamp)
        blocks = [] if message is None else message.get("blocks") or []
        for block in blocks:
            for element in block.get("elements", ()):
                if block["type"] == "actions" and element["action_id"] == action_id:
                    return dict(element)
        return None

    def build_press(self, channel: str, stamp: str, action_id: str, *, user: str = "") -> bytes:
        """The body of the callback of a press by ``user``, or by the person whose direct message it is."""
        button = self.find_button(channel, stamp, action_id)
        if button is None:
            raise LookupError(f"{stamp} in {channel} has no button {action_id}.")
        # The parts of Slack's payload that an app can rely on.
        payload = {
            "type": "block_actions",
            "user": {"id": user or self.direct[channel], "team_id": "T0000000001"},
            "api_app_id": "A0000000001",
            "container": {"type": "message", "message_ts": stamp, "channel_id": channel},
            "channel": {"id": channel, "name": "directmessage"},
            "message": {"type": "message", "ts": stamp},
            "trigger_id": f"{next(self._numbers)}.1.local",
            "actions": [
                {
                    "type": "button",
                    "action_id": action_id,
                    "block_id": "local",
                    "value": button.get("value", ""),
                    "text": button["text"],
                    "action_ts": f"{time.time():.6f}",
                }
            ],
        }
        return urlencode({"payload": json.dumps(payload)}).encode()

    def sign(self, body: bytes, *, at: float | None = None) -> dict[str, str]:
        """The headers with which Slack sends ``body``."""
        stamp = str(int(time.time() if at is None else at))
        digest = hmac.new(self.signing_secret.encode(), b"v0:" + stamp.encode() + b":" + body, hashlib.sha256)
        return {
            "Content-Type": "application/x-www-form-urlencoded",
            "X-Slack-Request-Timestamp": stamp,
            "X-Slack-Signature": f"v0={digest.hexdigest()}",
        }

    def press(self, channel: str, stamp: str, action_id: str, *, user: str = "") -> int:
        """Press a button: the status that the callback was answered with."""
        body = self.build_press(channel, stamp, action_id, user=user)
        request = urllib.request.Request(self.callback_url, body, self.sign(body))  # noqa: S310 - loopback
        try:
            with urllib.request.urlopen(request, timeout=_PRESS_SECONDS) as answer:  # noqa: S310
                return int(answer.status)
        except HTTPError as error:
            with error:
                return error.code

    def list_direct(self, email: str) -> Iterator[Json]:
        """The messages that the person with this address was sent directly."""
        for message in self.messages:
            person = self.people.get(self.direct.get(message["channel"], ""))
            if person is not None and person.email == email:
                yield message

    def _find_message(self, channel: str, stamp: str) -> Json | None:
        for message in self.messages:
            if message["channel"] == channel and message["ts"] == stamp:
                return message
        return None


def find_channel_id(name: str) -> str | None:
    """Slack's id of a channel, from its name with or without # or from the id itself."""
    ids = {channel: f"C{number:010d}" for number, channel in enumerate(CHANNELS, start=1)}
    wanted = name.removeprefix("#")
    return ids.get(wanted) or (wanted if wanted in ids.values() else None)


def find_channel_name(slack: LocalSlack, channel: str) -> str:
    """The name of a channel, or whose direct messages it has."""
    for name in CHANNELS:
        if find_channel_id(name) == channel:
            return f"#{name}"
    person = slack.people.get(slack.direct.get(channel, ""))
    return channel if person is None else f"@{person.email}"


def _refuse(error: str) -> Json:
    return {"ok": False, "error": error}


def _find_target(slack: LocalSlack, body: Json) -> str | None:
    channel = str(body.get("channel", ""))
    return channel if channel in slack.direct else find_channel_id(channel)


def _find_text_fault(body: Json) -> str:
    text, blocks = body.get("text"), body.get("blocks")
    if not isinstance(text, str) or not text:
        return "no_text"
    if len(text) > TEXT_LIMIT:
        return "msg_too_long"
    if blocks is not None and (not isinstance(blocks, list) or len(blocks) > _MOST_BLOCKS):
        return "invalid_blocks"
    if not all(_is_block(block) for block in blocks or ()):
        return "invalid_blocks"
    return ""


def _is_block(block: Any) -> bool:
    if not isinstance(block, dict):
        return False
    if block.get("type") == "section":
        return _is_text(block.get("text"), ("mrkdwn", "plain_text"), _BLOCK_TEXT)
    if block.get("type") != "actions" or not isinstance(block.get("elements"), list):
        return False
    names = [element.get("action_id") for element in block["elements"]]
    # Two buttons with one id would be the same to the service.
    return 0 < len(names) == len(set(names)) and all(_is_button(element) for element in block["elements"])


def _is_button(element: Json) -> bool:
    # A field that Slack does not know is refused there, and here.
    allowed = {"type", "text", "action_id", "value", "style", "url", "confirm", "accessibility_label"}
    return (
        element.get("type") == "button"
        and not set(element) - allowed
        and _is_text(element.get("text"), ("plain_text",), _BUTTON_TEXT)
        and 0 < len(str(element.get("action_id", ""))) <= _ACTION_ID
        and len(str(element.get("value", ""))) <= _BUTTON_VALUE
        and element.get("style") in {None, "primary", "danger"}
    )


def _is_text(text: Any, kinds: tuple[str, ...], limit: int) -> bool:
    if not isinstance(text, dict) or text.get("type") not in kinds:
        return False
    return isinstance(text.get("text"), str) and 0 < len(text["text"]) <= limit


def _post_message(slack: LocalSlack, body: Json) -> Json:
    channel = _find_target(slack, body)
    if channel is None:
        return _refuse("channel_not_found")
    fault = _find_text_fault(body)
    if fault:
        return _refuse(fault)
    metadata = body.get("metadata")
    if metadata is not None and set(metadata) != {"event_type", "event_payload"}:
        return _refuse("invalid_metadata_format")
    # Slack's timestamps name a message in its channel, so they never repeat.
    stamp = f"{time.time():.3f}{len(slack.messages) % 1000:03d}"
    message = {"channel": channel, "text": body["text"], "ts": stamp, "metadata": metadata or {}}
    if body.get("blocks"):
        message["blocks"] = body["blocks"]
    slack.messages.append(message)
    return {"ok": True, "channel": channel, "ts": stamp}


def _update_message(slack: LocalSlack, body: Json) -> Json:
    # Unlike posting, this takes the id of a channel and no name.
    channel = _find_target(slack, body)
    if channel is None or channel != body.get("channel"):
        return _refuse("channel_not_found")
    message = slack._find_message(channel, str(body.get("ts", "")))
    if message is None:
        return _refuse("message_not_found")
    fault = _find_text_fault(body)
    if fault:
        return _refuse(fault)
    message["text"], message["edited"] = body["text"], True
    # Blocks stay unless others are named; an empty list takes them away.
    if "blocks" in body:
        message["blocks"] = body["blocks"]
    return {"ok": True, "channel": channel, "ts": message["ts"], "text": message["text"]}


def _open_conversation(slack: LocalSlack, body: Json) -> Json:
    named = [one for one in str(body.get("users", "")).split(",") if one]
    if not named:
        return _refuse("users_list_not_supplied")
    person = slack.people.get(named[0])
    if person is None or len(named) > 1:
        return _refuse("user_not_found")
    if person.is_deleted:
        return _refuse("user_disabled")
    if person.is_bot:
        return _refuse("cannot_dm_bot")
    # A second call finds the same conversation, so asking again does no harm.
    for channel, owner in slack.direct.items():
        if owner == person.id:
            return {"ok": True, "no_op": True, "already_open": True, "channel": {"id": channel}}
    channel = f"D{next(slack._numbers):010d}"
    slack.direct[channel] = person.id
    return {"ok": True, "channel": {"id": channel}}


# Slack's own asks for a verified address, too; here every address is.
def _look_up_person(slack: LocalSlack, body: Json) -> Json:
    email = str(body.get("email", "")).lower()
    if not email:
        return _refuse("invalid_arguments")
    for person in slack.people.values():
        # Those who were deactivated are not found by their address.
        if person.email == email and not person.is_deleted:
            user = {"id": person.id, "deleted": False, "is_bot": person.is_bot}
            return {"ok": True, "user": user | {"profile": {"email": person.email}}}
    return _refuse("users_not_found")


def _list_channels(_: LocalSlack, body: Json) -> Json:
    """Two a page, so that a client has to follow the cursor."""
    start = int(body.get("cursor") or 0)
    names = CHANNELS[start : start + 2]
    rest = start + 2 < len(CHANNELS)
    return {
        "ok": True,
        "channels": [{"id": find_channel_id(name), "name": name} for name in names],
        "response_metadata": {"next_cursor": str(start + 2) if rest else ""},
    }


def _read_history(slack: LocalSlack, body: Json) -> Json:
    """Takes an id and no name, and shows metadata only when asked."""
    channel = str(body.get("channel", ""))
    if channel not in slack.direct and find_channel_id(channel) != channel:
        return _refuse("channel_not_found")
    oldest = float(body.get("oldest") or 0)
    found = [one for one in slack.messages if one["channel"] == channel and float(one["ts"]) > oldest]
    if not body.get("include_all_metadata"):
        found = [{**message, "metadata": {}} for message in found]
    start, size = int(body.get("cursor") or 0), int(body.get("limit", 100))
    rest = start + size < len(found)
    return {
        "ok": True,
        "messages": found[::-1][start : start + size],
        "has_more": rest,
        "response_metadata": {"next_cursor": str(start + size) if rest else ""},
    }


METHODS: Final[dict[str, tuple[str, bool, Callable[[LocalSlack, Json], Json]]]] = {
    # The scope that it needs, whether it takes JSON, what it does.
    "chat.postMessage": (SlackScope.CHAT_WRITE, True, _post_message),
    "chat.update": (SlackScope.CHAT_WRITE, True, _update_message),
    "conversations.open": (SlackScope.IM_WRITE, True, _open_conversation),
    "conversations.list": (SlackScope.CHANNELS_READ, True, _list_channels),
    "conversations.history": (SlackScope.CHANNELS_HISTORY, True, _read_history),
    "users.lookupByEmail": (SlackScope.USERS_READ_EMAIL, False, _look_up_person),
}
