"""A vendor on loopback that answers every question with one row, as it is written."""

import contextlib
import json
import threading
import time
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any, Self

from tests.providers.wire.rows import WireRow

COUNTED = 1234  # what the free counters answer


class RowServer:
    """Serves `row` to every POST but those to a counter; `asked` holds the paths of the others."""

    def __init__(self) -> None:
        self.row: WireRow | None = None
        self.asked: list[str] = []
        self.counts = 0
        self.countable = True

    def __enter__(self) -> Self:
        owner = self

        class Handler(BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def do_POST(self) -> None:
                self.rfile.read(int(self.headers.get("content-length") or 0))
                owner.answer(self)

            def log_message(self, format: str, *args: Any) -> None:
                """Quiet."""

        class Server(ThreadingHTTPServer):
            def handle_error(self, request: Any, client_address: Any) -> None:
                """Quiet: a client that has read enough resets the connection."""

        self._server = Server(("127.0.0.1", 0), Handler)
        self._server.daemon_threads = True
        self.url = f"http://127.0.0.1:{self._server.server_address[1]}"
        self._thread = threading.Thread(target=self._server.serve_forever, kwargs={"poll_interval": 0.01})
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._server.shutdown()
        self._server.server_close()
        self._thread.join()

    def answer(self, handler: BaseHTTPRequestHandler) -> None:
        if handler.path.partition("?")[0].endswith(("/count_tokens", ":countTokens", "/input_tokens")):
            self.counts += 1
            counted = {"input_tokens": COUNTED, "totalTokens": COUNTED}
            if self.countable:
                self._send(handler, 200, {"content-type": "application/json"}, json.dumps(counted).encode())
            else:
                self._send(handler, 404, {}, b'{"detail": "Not Found"}')
            return
        self.asked.append(handler.path)
        assert self.row is not None
        if self.row.raw is not None:
            self._send_raw(handler, self.row.raw)
            return
        self._send(handler, self.row.status, self.row.sent_headers(), self.row.content())

    def _send_raw(self, handler: BaseHTTPRequestHandler, parts: tuple[bytes | float, ...]) -> None:
        handler.close_connection = True
        with contextlib.suppress(OSError):  # the client has read enough
            for part in parts:
                if isinstance(part, float):
                    time.sleep(part)
                else:
                    handler.wfile.write(part)

    def _send(
        self, handler: BaseHTTPRequestHandler, status: int, headers: dict[str, str], body: bytes
    ) -> None:
        handler.send_response(status)
        for name, value in headers.items():
            handler.send_header(name, value)
        # RFC 9110: a 204 has neither a body nor a length.
        if status == 204:
            handler.end_headers()
            return
        handler.send_header("content-length", str(len(body)))
        handler.end_headers()
        try:
            handler.wfile.write(body)
        except OSError:
            handler.close_connection = True  # the client has read enough
