"""A provider on loopback that answers as it is told, and the adapter that calls it over real sockets."""

import http.client
import json
import threading
from collections.abc import Callable
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any, Self
from urllib.parse import urlsplit

from providers.base import (
    AuthenticationFailed,
    BadRequest,
    Completion,
    ConnectionCut,
    MalformedAnswer,
    Overloaded,
    RateLimited,
    Request,
    ServerFailed,
    StopReason,
    TimedOut,
    Unreachable,
    Usage,
)


@dataclass
class Reply:
    """One answer: a status, the tokens it reports, what to do meanwhile."""

    status: int = 200
    usage: tuple[int, int] = (100, 50)
    retry_after: float | None = None
    body: bytes | None = None
    meanwhile: Callable[[], None] | None = None
    cut: bool = False


@dataclass
class LoopbackProvider:
    """Answers ``replies`` in order, then the default; counts what it was asked."""

    replies: list[Reply] = field(default_factory=list)
    asked: list[dict[str, Any]] = field(default_factory=list)
    counted: int = 0
    count: int = 200
    url: str = ""

    def __enter__(self) -> Self:
        owner = self

        class Handler(BaseHTTPRequestHandler):
            def do_POST(self) -> None:
                owner.answer(self)

            def log_message(self, format: str, *args: Any) -> None:
                """Quiet."""

        self._server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.url = f"http://127.0.0.1:{self._server.server_address[1]}"
        self._thread = threading.Thread(target=self._server.serve_forever, kwargs={"poll_interval": 0.01})
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._server.shutdown()
        self._server.server_close()
        self._thread.join()

    def answer(self, handler: BaseHTTPRequestHandler) -> None:
        body = json.loads(handler.rfile.read(int(handler.headers["Content-Length"])))
        if handler.path == "/count":
            self.counted += 1
            self._send(handler, Reply(body=json.dumps({"tokens": self.count}).encode()))
            return
        self.asked.append(body)
        reply = self.replies.pop(0) if self.replies else Reply()
        if reply.meanwhile is not None:
            reply.meanwhile()
        if reply.cut:
            handler.wfile.write(b"HTTP/1.0 200 OK\r\nContent-Length: 100\r\n\r\n{")
            return
        self._send(handler, reply)

    def _send(self, handler: BaseHTTPRequestHandler, reply: Reply) -> None:
        usage = {
            "prompt_tokens": reply.usage[0],
            "completion_tokens": reply.usage[1],
            "total_tokens": sum(reply.usage),
        }
        body = (
            reply.body
            if reply.body is not None
            else json.dumps({"id": "r", "text": "hello\x00", "usage": usage}).encode()
        )
        handler.send_response(reply.status)
        if reply.retry_after is not None:
            handler.send_header("Retry-After", str(reply.retry_after))
        handler.send_header("Content-Length", str(len(body)))
        handler.end_headers()
        handler.wfile.write(body)


class Adapter:
    """Speaks with ``LoopbackProvider``."""

    name = ""

    def __init__(self, api_key: str, base_url: str) -> None:
        self._key, parts = api_key, urlsplit(base_url)
        self._host, self._port = parts.hostname or "", parts.port

    def close(self) -> None:
        """Nothing is kept open."""

    def complete(self, request: Request) -> Completion:
        status, headers, body = self._post("/complete", request, request.timeout_seconds)
        self._raise_for(status, headers)
        try:
            raw = json.loads(body)
            text, usage = raw["text"], raw["usage"]
        except (ValueError, KeyError):
            raise MalformedAnswer(
                self.name, "no text", raw=json.loads(body) if body.startswith(b"{") else None
            ) from None
        return Completion(
            text=text,
            stop_reason=StopReason.END,
            usage=Usage(input_tokens=usage["prompt_tokens"], output_tokens=usage["completion_tokens"]),
            model=request.model,
            request_id=raw["id"],
            raw=raw,
        )

    def count_tokens(self, request: Request) -> int:
        return int(json.loads(self._post("/count", request, 5)[2])["tokens"])

    def request_bytes(self, request: Request) -> int:
        return len((request.system + request.stable + request.prompt).encode())

    def _raise_for(self, status: int, headers: http.client.HTTPMessage) -> None:
        if status == 429:
            named = headers["Retry-After"]
            raise RateLimited(self.name, retry_after_seconds=float(named) if named else None)
        kinds = {400: BadRequest, 401: AuthenticationFailed, 500: ServerFailed, 529: Overloaded}
        if status in kinds:
            raise kinds[status](self.name)

    def _post(
        self, path: str, request: Request, timeout: float
    ) -> tuple[int, http.client.HTTPMessage, bytes]:
        connection = http.client.HTTPConnection(self._host, self._port, timeout=timeout)
        try:
            try:
                connection.connect()
            except OSError as error:
                raise Unreachable(self.name, str(error)) from error
            try:
                connection.request(
                    "POST", path, json.dumps({"model": request.model, "prompt": request.prompt})
                )
                response = connection.getresponse()
                return response.status, response.headers, response.read()
            except TimeoutError as error:
                raise TimedOut(self.name) from error
            except (OSError, http.client.HTTPException) as error:
                raise ConnectionCut(self.name, str(error)) from error
        finally:
            connection.close()


class Anthropic(Adapter):
    name = "anthropic"


class Openai(Adapter):
    name = "openai"


class Google(Adapter):
    name = "google"
