"""Servers that speak OpenAI's chat completions, each with the habits of one kind, before the simulator."""

import json
import threading
import urllib.error
import urllib.request
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any, Self

# What such servers know; a strict one refuses everything else.
KNOWN = {"model", "messages", "max_tokens", "response_format", "stream", "stream_options"}


@dataclass
class CompatibleServer:
    """One server. ``model`` is the only name that it serves.

    ``window``: the tokens that it reads of a prompt; the rest is cut silently. ``tells_usage``: it
    counts. ``comments``: it keeps the connection busy with comments, as OpenRouter does.
    """

    target: str
    model: str
    window: int = 1_000_000
    tells_usage: bool = True
    comments: bool = False
    asked: list[dict[str, Any]] = field(default_factory=list)
    url: str = ""

    def __enter__(self) -> Self:
        owner = self

        class Handler(BaseHTTPRequestHandler):
            def do_POST(self) -> None:
                body = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
                status, sent = owner.answer(self.path, body)
                self.send_response(status)
                self.send_header("Content-Type", "text/event-stream" if status == 200 else "application/json")
                self.send_header("Content-Length", str(len(sent)))
                self.end_headers()
                self.wfile.write(sent)

            def log_message(self, *_: Any) -> None:
                """Quiet."""

        self._server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.url = f"http://127.0.0.1:{self._server.server_port}/v1"
        threading.Thread(target=self._server.serve_forever, args=(0.02,), daemon=True).start()
        return self

    def __exit__(self, *_: object) -> None:
        self._server.shutdown()
        self._server.server_close()

    def answer(self, path: str, body: dict[str, Any]) -> tuple[int, bytes]:
        """The status and the body of an answer."""
        if path != "/v1/chat/completions":
            return 404, b'{"detail": "Not Found"}'
        if unknown := set(body) - KNOWN:
            return 422, json.dumps({"detail": f"extra fields not permitted: {sorted(unknown)}"}).encode()
        if body["model"] != self.model:
            return 404, json.dumps({"error": f"model {body['model']!r} not found, try pulling it"}).encode()
        self.asked.append(body)
        asked = json.dumps({**body, "model": "gpt-4.1"}).encode()
        headers = {"Content-Type": "application/json", "Authorization": "Bearer any"}
        request = urllib.request.Request(f"{self.target}/chat/completions", asked, headers)
        try:
            with urllib.request.urlopen(request, timeout=30) as answered:
                events = answered.read().decode().split("\n\n")
        except urllib.error.HTTPError as error:
            return error.code, error.read()
        sent = ": PROCESSING\n\n" * 3 if self.comments else ""
        return 200, (sent + "\n\n".join(map(self._rewrite, events))).encode()

    def _rewrite(self, event: str) -> str:
        data = event.removeprefix("data: ")
        if not data.startswith("{"):
            return event
        chunk = json.loads(data) | {"model": self.model}
        used = chunk.pop("usage", None)
        if used and self.tells_usage:
            read = min(used["prompt_tokens"], self.window)
            answer = used["completion_tokens"]
            chunk["usage"] = {
                "prompt_tokens": read,
                "completion_tokens": answer,
                "total_tokens": read + answer,
            }
        return f"data: {json.dumps(chunk)}"
