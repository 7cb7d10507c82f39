"""Slack and PagerDuty on loopback, for tests and for one machine: ``python -m orchestrator.dev.receivers``.

They accept what the real ones accept, refuse the rest with the same codes, and keep it in memory. ``GET /``
shows what arrived. They are not Slack and PagerDuty: nobody is woken.
"""

import html
import json
import os
import sys
import threading
import time
from collections.abc import Mapping
from dataclasses import dataclass, field
from http import HTTPStatus
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from string import Template
from typing import Any, Final, Self
from urllib.parse import parse_qsl, urlsplit

from standardwebhooks.webhooks import Webhook, WebhookVerificationError

from orchestrator.dev.far_sides.slack import METHODS, LocalSlack, find_channel_name

PAGERDUTY_SEVERITIES: Final = {"critical", "error", "warning", "info"}
PAGERDUTY_ACTIONS: Final = {"trigger", "acknowledge", "resolve"}
_MAX_BODY: Final = 1_000_000
_SLACK_API: Final = "/slack/api/"
Json = dict[str, Any]
Reply = tuple[int, Json]


@dataclass
class Received:
    """What the receivers got, and how they are to misbehave."""

    slack: LocalSlack = field(default_factory=LocalSlack)
    slack_webhooks: list[Json] = field(default_factory=list)
    pages: dict[str, Json] = field(default_factory=dict)
    """Events of PagerDuty by their ``dedup_key``; ``events`` has the actions in order, ``at`` their times."""
    routing_keys: set[str] = field(default_factory=set)
    """Keys of the integrations that exist; any key is taken where there is none."""
    webhooks: list[Json] = field(default_factory=list)
    webhook_secret: str = ""
    """The secret that signed webhooks are checked with."""
    signed: dict[str, Json] = field(default_factory=dict)
    """Signed webhooks by their ``webhook-id``: a second one with the same id is dropped."""
    repeats: int = 0
    """Signed webhooks that were dropped, because their id was known."""
    refuse_next: list[tuple[int, str]] = field(default_factory=list)
    """HTTP status and code of the next answers of Slack and PagerDuty, before they keep anything."""
    lose_next_answer: bool = False
    """Keep the next message, then close the connection instead of answering."""
    lock: threading.Lock = field(default_factory=threading.Lock)

    @property
    def slack_messages(self) -> list[Json]:
        """Messages by ``chat.postMessage``, with ``channel`` and ``ts``."""
        return self.slack.messages

    def list_everything(self) -> Json:
        """All of it, for ``GET /``."""
        with self.lock:
            return {
                "note": "local receivers: nobody is woken",
                "slack_messages": list(self.slack_messages),
                "slack_webhooks": list(self.slack_webhooks),
                "pages": dict(self.pages),
                "webhooks": list(self.webhooks),
                "signed": dict(self.signed),
            }


class AnswerLost(Exception):
    """The answer is not sent."""


def take_page(received: Received, body: Json) -> Reply:
    """PagerDuty's ``/v2/enqueue``."""
    action, problems = body.get("event_action"), []
    if not body.get("routing_key"):
        problems.append("'routing_key' is missing or blank")
    elif received.routing_keys and body["routing_key"] not in received.routing_keys:
        problems.append("Invalid routing key")
    if action not in PAGERDUTY_ACTIONS:
        problems.append("'event_action' is not one of trigger, acknowledge, resolve")
    payload = body.get("payload") or {}
    if action == "trigger":
        missing = [name for name in ("summary", "source", "severity") if not payload.get(name)]
        problems += [f"'payload.{name}' is missing or blank" for name in missing]
        if payload.get("severity") not in PAGERDUTY_SEVERITIES:
            problems.append("'payload.severity' is not one of critical, error, warning, info")
    elif not body.get("dedup_key"):
        problems.append("'dedup_key' is missing or blank")
    if problems:
        return HTTPStatus.BAD_REQUEST, {"status": "invalid event", "errors": problems}
    key = str(body.get("dedup_key") or f"local-{time.time_ns()}")
    page = received.pages.setdefault(key, {"routing_key": body["routing_key"], "events": [], "at": []})
    page["events"].append(action)
    page["at"].append(time.time())
    if payload:
        page["payload"] = payload
    return HTTPStatus.ACCEPTED, {"status": "success", "message": "Event processed", "dedup_key": key}


def take_signed_webhook(received: Received, headers: dict[str, str], raw: bytes) -> Reply:
    """A receiver as Standard Webhooks describes it: checks the signature and the age, drops what it knows."""
    try:
        body = Webhook(received.webhook_secret).verify(raw, headers)
    except (WebhookVerificationError, ValueError) as error:
        return HTTPStatus.UNAUTHORIZED, {"ok": False, "error": str(error)}
    key = headers["webhook-id"]
    if key in received.signed:
        received.repeats += 1
    else:
        received.signed[key] = dict(body)
    return HTTPStatus.OK, {"ok": True}


def draw_page(everything: Json, slack: LocalSlack) -> str:
    """What arrived as a page that renews itself: Slack's messages and PagerDuty's pages, newest first."""
    messages = [
        (float(one["ts"]), find_channel_name(slack, one["channel"]), "", one["text"])
        for one in everything["slack_messages"]
    ]
    messages += [
        (one["at"], one.get("channel", ""), part.get("title", ""), part.get("text", ""))
        for one in everything["slack_webhooks"]
        for part in one.get("attachments", ())
    ]
    pages = [
        (
            one["at"][-1],
            one["routing_key"],
            one.get("payload", {}).get("summary", ""),
            ", ".join(one["events"]),
        )
        for one in everything["pages"].values()
    ]
    return _PAGE.substitute(
        buttons="".join(_draw_buttons(slack, one) for one in everything["slack_messages"][::-1]),
        slack=_draw_rows(messages),
        pages=_draw_rows(pages),
        watchdog=len(everything["webhooks"]),
    )


def _draw_rows(rows: list[tuple[float, str, str, str]]) -> str:
    drawn = []
    for moment, *cells in sorted(rows, reverse=True):
        words = (time.strftime("%H:%M:%S", time.gmtime(moment)), *cells)
        drawn.append(f"<tr>{''.join(f'<td>{html.escape(word)}</td>' for word in words)}</tr>")
    return "\n".join(drawn) or "<tr><td colspan=4>Nothing yet.</td></tr>"


def _draw_buttons(slack: LocalSlack, message: Json) -> str:
    """The buttons that a message has, for somebody who plays its receiver."""
    drawn = ""
    for block in message.get("blocks") or ():
        for element in block.get("elements", ()):
            named = {"channel": message["channel"], "ts": message["ts"], "action_id": element["action_id"]}
            fields = "".join(
                f'<input type="hidden" name="{name}" value="{html.escape(value)}">'
                for name, value in named.items()
            )
            words = html.escape(f"{find_channel_name(slack, message['channel'])}: {element['text']['text']}")
            drawn += f'<form method="post" action="/slack/press">{fields}<button>{words}</button></form>'
    return drawn


_PAGE: Final = Template("""<!doctype html>
<html lang="en"><head><meta charset="utf-8"><title>What Slack and PagerDuty got</title>
<meta name="viewport" content="width=device-width, initial-scale=1"><meta http-equiv="refresh" content="5">
<style>
:root { color-scheme: light dark } body { font: 16px/1.5 system-ui, sans-serif; margin: 2rem auto;
max-width: 70rem; padding: 0 1rem } table { border-collapse: collapse; width: 100% } td, th {
text-align: left; vertical-align: top; padding: .4rem .8rem .4rem 0; border-top: 1px solid #8885;
white-space: pre-line; overflow-wrap: anywhere }
td:first-child { font-variant-numeric: tabular-nums; white-space: nowrap }
</style></head><body>
<h1>What Slack and PagerDuty got</h1>
<p>Receivers on this machine: nobody is woken. Times are UTC. The watchdog has reported $watchdog times.</p>
<h2>PagerDuty</h2>
<table><tr><th>Last</th><th>Routing key</th><th>Page</th><th>Events</th></tr>
$pages</table>
<h2>Slack</h2>
$buttons
<table><tr><th>Time</th><th>Channel</th><th>Title</th><th>Message</th></tr>
$slack</table>
</body></html>
""")


class _Handler(BaseHTTPRequestHandler):
    """Both receivers, by path."""

    protocol_version = "HTTP/1.1"
    server: "Receivers"

    def log_message(self, format: str, *args: Any) -> None:
        """Say nothing."""

    def do_GET(self) -> None:
        """What arrived: as a page for a browser, as JSON for everybody else."""
        if self.path.startswith(_SLACK_API):
            return self._answer_query()
        everything = self.server.received.list_everything()
        if "text/html" in self.headers.get("Accept", ""):
            page = draw_page(everything, self.server.received.slack)
            return self._send(HTTPStatus.OK, page.encode(), "text/html; charset=utf-8")
        return self._answer(HTTPStatus.OK, everything)

    def _answer_query(self) -> None:
        """A method of Slack that is called by GET."""
        parts = urlsplit(self.path)
        with self.server.received.lock:
            self._answer(*self._ask_slack(parts.path, dict(parse_qsl(parts.query)), is_json=False))

    def _ask_slack(self, path: str, body: Json, *, is_json: bool) -> tuple[int, Json, Mapping[str, str]]:
        method = path.removeprefix(_SLACK_API)
        # Slack answers 200 to what it refuses; only the body says so.
        if method not in METHODS:
            return HTTPStatus.OK, {"ok": False, "error": "unknown_method"}, {}
        token = self.headers.get("Authorization", "").removeprefix("Bearer ")
        return self.server.received.slack.answer(method, token, body, is_json=is_json)

    def _press_button(self, raw: bytes) -> None:
        """A person at the page presses a button of a message."""
        named = dict(parse_qsl(raw.decode()))
        # Not under the lock: the service may ask for something before it answers.
        slack = self.server.received.slack
        try:
            status = slack.press(named.get("channel", ""), named.get("ts", ""), named.get("action_id", ""))
        except (LookupError, OSError) as error:
            return self._answer(HTTPStatus.CONFLICT, {"ok": False, "error": str(error)})
        return self._send(
            HTTPStatus.SEE_OTHER, b"", "text/plain", {"Location": "/", "X-Callback": str(status)}
        )

    def do_POST(self) -> None:
        """Take what is sent."""
        received, path = self.server.received, urlsplit(self.path).path
        length = int(self.headers.get("Content-Length") or 0)
        raw = self.rfile.read(min(length, _MAX_BODY))
        if path == "/signed-webhook":
            return self._take_signed_webhook(raw)
        # Of the page, not of Slack.
        if path == "/slack/press":
            return self._press_button(raw)
        # Methods that read are called with a form.
        if path.startswith(_SLACK_API) and "json" not in self.headers.get("Content-Type", ""):
            with received.lock:
                return self._answer(*self._ask_slack(path, dict(parse_qsl(raw.decode())), is_json=False))
        try:
            body = json.loads(raw or b"{}")
        except ValueError:
            return self._answer(HTTPStatus.BAD_REQUEST, {"ok": False, "error": "invalid_json"})
        try:
            with received.lock:
                answer = self._take(path, body)
        except AnswerLost:
            self.close_connection = True
            return None
        return self._answer(*answer)

    def _take_signed_webhook(self, raw: bytes) -> None:
        received = self.server.received
        headers = {name.lower(): value for name, value in self.headers.items()}
        with received.lock:
            if received.refuse_next:
                status, code = received.refuse_next.pop(0)
                answer: Json = {"ok": False, "error": code}
            else:
                status, answer = take_signed_webhook(received, headers, raw)
            lost, received.lose_next_answer = received.lose_next_answer, False
        if lost:
            self.close_connection = True
            return
        self._answer(status, answer)

    def _take(self, path: str, body: Json) -> tuple[int, Json, Mapping[str, str]]:
        received = self.server.received
        method = path.removeprefix(_SLACK_API)
        is_sent = path == "/pagerduty/v2/enqueue" or method == "chat.postMessage"
        if is_sent and received.refuse_next:
            status, code = received.refuse_next.pop(0)
            return status, {"ok": False, "error": code, "status": code}, {}
        if path.startswith(_SLACK_API):
            reply = self._ask_slack(path, body, is_json=True)
        else:
            reply = (*self._route(path, body), {})
        if is_sent and received.lose_next_answer:
            received.lose_next_answer = False
            raise AnswerLost
        return reply

    def _route(self, path: str, body: Json) -> Reply:
        received = self.server.received
        if path == "/pagerduty/v2/enqueue":
            return take_page(received, body)
        kept = {"/slack/webhook": received.slack_webhooks, "/webhook": received.webhooks}
        if path in kept:
            kept[path].append({"at": time.time(), **body})
            return HTTPStatus.OK, {"ok": True}
        return HTTPStatus.NOT_FOUND, {"ok": False, "error": "unknown_method"}

    def _answer(self, status: int, body: Json, headers: Mapping[str, str] | None = None) -> None:
        self._send(status, json.dumps(body).encode(), "application/json", headers)

    def _send(
        self, status: int, content: bytes, media_type: str, headers: Mapping[str, str] | None = None
    ) -> None:
        self.send_response(status)
        for name, value in {"Content-Type": media_type, **(headers or {})}.items():
            self.send_header(name, value)
        self.send_header("Content-Length", str(len(content)))
        self.end_headers()
        self.wfile.write(content)


class Receivers(ThreadingHTTPServer):
    """Both receivers on one port of loopback; a context manager that serves in a thread."""

    daemon_threads = True

    def __init__(self, port: int = 0) -> None:
        self.received = Received()
        super().__init__(("127.0.0.1", port), _Handler)

    @property
    def url(self) -> str:
        """The address, without a trailing slash."""
        return f"http://127.0.0.1:{self.server_port}"

    def __enter__(self) -> Self:
        self._thread = threading.Thread(target=self.serve_forever, daemon=True)
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self.shutdown()
        self._thread.join()
        self.server_close()


def main() -> int:
    """Serve on the port that is named first, until interrupted.

    Buttons of Slack call the address that is named second; those who are named after it are in the workspace.
    """
    given = dict(enumerate(sys.argv[1:]))
    port, callback, people = given.get(0, "0"), given.get(1, ""), sys.argv[3:]
    with Receivers(int(port)) as receivers:
        slack = receivers.received.slack
        # The service has the same secret, so it believes what is signed here.
        slack.callback_url, slack.signing_secret = callback, os.environ.get("SLACK_SIGNING_SECRET", "")
        for email in people:
            slack.add_person(email)
        sys.stdout.write(f"receivers at {receivers.url}\n")
        sys.stdout.flush()
        try:
            threading.Event().wait()
        except KeyboardInterrupt:
            return 0
    return 0


if __name__ == "__main__":
    sys.exit(main())
