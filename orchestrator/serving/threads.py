"""Django's WSGI application behind ASGI: a request takes a thread only while it is worked on.

Its body is read before, and its answer is sent after, both by the loop. So a slow client holds no thread, and
the number of threads bounds the work that is done at once.

What is held for slow clients is bounded for the whole process (``held_bytes``): 500 of them that send 12 MB
each, or read as much, would otherwise take all memory. Callers take turns (``fair_queue``), and one place in
the network has half of what all have.

An answer with an asynchronous iterator (``StreamingHttpResponse``) leaves its thread at once: the loop
iterates it until it ends or the client is gone.
"""

import asyncio
import io
import logging
from collections.abc import Callable, Iterable, MutableMapping
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from typing import Any, Final

from asgiref.wsgi import WsgiToAsgiInstance
from django.db import connections
from django.http import StreamingHttpResponse

from orchestrator.serving.callers import find_caller, find_place
from orchestrator.serving.fair_queue import FairQueue
from orchestrator.serving.held_bytes import HeldBytes, HeldShare
from orchestrator.serving.protocol import ENDLESS

THREADS: Final = 32
MOST_WAITING: Final = 2000
"""Requests that may wait for a thread. More are refused at once, which a caller can act on."""
LONGEST_BODY: Final = 12 * 1024 * 1024 + 1
"""One byte more than the API reads, so that its own refusal is the one seen."""
ANSWER_SECONDS: Final = 120.0
"""How long a client may take to read an answer, as it may take to send a body."""
PART_BYTES: Final = 64 * 1024
PROBES: Final = frozenset({"/health", "/ready"})
RETRY_SECONDS: Final = 2

Scope = MutableMapping[str, Any]
Message = dict[str, Any]
log = logging.getLogger(__name__)


class _ClientGoneError(Exception):
    """The client closed the connection before its request was complete."""


class _TooMuchHeldError(Exception):
    """The process holds as much for its clients as it may."""


class ThreadedApplication:
    """An ASGI application around a WSGI one."""

    def __init__(self, wsgi: Callable[..., Iterable[bytes]], held: HeldBytes | None = None) -> None:
        self._wsgi, self._held = wsgi, held or HeldBytes()
        self._work = ThreadPoolExecutor(THREADS, thread_name_prefix="request")
        # Probes have threads of their own: a busy service is alive, and must be able to say so.
        self._probes = ThreadPoolExecutor(2, thread_name_prefix="probe")
        self._queue = FairQueue(THREADS)

    def close(self) -> None:
        """End the threads, after what they do now."""
        self._work.shutdown()
        self._probes.shutdown()

    async def __call__(self, scope: Scope, receive: Callable[..., Any], send: Callable[..., Any]) -> None:
        """Answer one request."""
        if scope["type"] != "http":
            return
        with suppress(_ClientGoneError):
            answer = await self._read_and_run(scope, receive)
            with self._held.open_share(find_place(scope)) as share:
                if answer.stream is None and not share.add(len(answer.body)):
                    answer = _refuse_busy()
                await answer.send(scope, receive, send)

    async def _read_and_run(self, scope: Scope, receive: Callable[..., Any]) -> "_Answer":
        with self._held.open_share(find_place(scope)) as share:
            try:
                body = await _read_body(receive, share)
            except _TooMuchHeldError:
                return _refuse_busy()
            return await self._run(scope, body)

    async def _run(self, scope: Scope, body: bytes) -> "_Answer":
        loop = asyncio.get_running_loop()
        if scope["path"] in PROBES:
            return await loop.run_in_executor(self._probes, self._answer, scope, body)
        caller = find_caller(scope)
        if not await self._queue.take(caller, find_place(scope), MOST_WAITING):
            return _refuse_busy()
        try:
            return await loop.run_in_executor(self._work, self._answer, scope, body)
        finally:
            self._queue.give_back(caller)

    def _answer(self, scope: Scope, body: bytes) -> "_Answer":
        """Call the application, in a thread. What it returns may still have to be iterated by the loop."""
        answer = _Answer()
        result = self._wsgi(_build_environ(scope, body), answer.start)
        if isinstance(result, StreamingHttpResponse) and result.is_async:
            answer.stream = result
            # Nobody else gives this thread's connection back: Django does so when an answer is closed.
            connections.close_all()
            return answer
        try:
            answer.body = b"".join(result)
        finally:
            close = getattr(result, "close", None)
            if close is not None:
                close()
        return answer


class _Answer:
    """What the application answered: a whole body, or a stream."""

    def __init__(self) -> None:
        self.status, self.headers = 500, list[tuple[bytes, bytes]]()
        self.body = b""
        self.stream: StreamingHttpResponse | None = None

    def start(self, status: str, headers: list[tuple[str, str]], *_: object) -> None:
        """WSGI's ``start_response``."""
        self.status = int(status.split(" ", 1)[0])
        self.headers = [(name.lower().encode("latin1"), value.encode("latin1")) for name, value in headers]

    async def send(self, scope: Scope, receive: Callable[..., Any], send: Callable[..., Any]) -> None:
        """Send it; returns early when the client is gone."""
        if self.stream is None:
            await send({"type": "http.response.start", "status": self.status, "headers": self.headers})
            # The server closes the connection of an answer that is not whole.
            with suppress(TimeoutError):
                async with asyncio.timeout(ANSWER_SECONDS):
                    await self._send_body(send)
            return
        try:
            scope.setdefault("state", {})[ENDLESS] = True
            await send({"type": "http.response.start", "status": self.status, "headers": self.headers})
            await _first_to_end(_send_parts(self.stream, send), _wait_until_gone(receive))
        finally:
            self.stream.close()

    async def _send_body(self, send: Callable[..., Any]) -> None:
        # In parts, because a part waits until the client has taken those before it.
        for start in range(0, len(self.body) or 1, PART_BYTES):
            end = start + PART_BYTES
            more = end < len(self.body)
            await send({"type": "http.response.body", "body": self.body[start:end], "more_body": more})


def _refuse_busy() -> _Answer:
    """503: there are more requests than threads can take soon."""
    answer = _Answer()
    answer.status = 503
    answer.headers = [
        (b"content-type", b"application/problem+json"),
        (b"retry-after", str(RETRY_SECONDS).encode()),
    ]
    answer.body = (
        b'{"type": "urn:blocks:problem:service:busy", "title": "Not available now", "status": 503, '
        b'"code": "service:busy", "detail": "The service has more requests than it can answer soon.", '
        b'"cure": "Ask again after the time in Retry-After."}'
    )
    return answer


async def _first_to_end(*works: Any) -> None:
    """Run all of ``works`` until one ends, and cancel the others."""
    tasks = [asyncio.ensure_future(work) for work in works]
    try:
        await asyncio.wait(tasks, return_when=asyncio.FIRST_COMPLETED)
    finally:
        for task in tasks:
            task.cancel()
        ended = await asyncio.gather(*tasks, return_exceptions=True)
    for error in ended:
        if isinstance(error, Exception):
            log.error("a stream broke off", exc_info=error)


async def _send_parts(stream: StreamingHttpResponse, send: Callable[..., Any]) -> None:
    async for part in stream:
        # Returns when the client has room for more: a slow reader waits here, and its stream with it.
        await send({"type": "http.response.body", "body": part, "more_body": True})
    await send({"type": "http.response.body", "body": b""})


async def _wait_until_gone(receive: Callable[..., Any]) -> None:
    while True:
        message: Message = await receive()
        if message["type"] == "http.disconnect":
            return


async def _read_body(receive: Callable[..., Any], share: HeldShare) -> bytes:
    """The whole body, up to ``LONGEST_BODY``; the protocol bounds the time.

    Raises ``_TooMuchHeldError`` where ``share`` has no room for it, after the rest has come: a client that
    still sends might not read the answer.
    """
    parts: list[bytes] = []
    size, refused = 0, False
    while True:
        message: Message = await receive()
        if message["type"] == "http.disconnect":
            raise _ClientGoneError
        part = message.get("body", b"")
        size += len(part)
        if not refused and share.add(len(part)):
            parts.append(part)
        else:
            refused = True
            parts.clear()
            share.give_back()
        # The rest is not waited for: the application refuses what it sees already.
        if not message.get("more_body", False) or size >= LONGEST_BODY:
            if refused:
                raise _TooMuchHeldError
            return b"".join(parts)[:LONGEST_BODY]


def _build_environ(scope: Scope, body: bytes) -> dict[str, Any]:
    # A header with an underscore would take the name of another one: X_Forwarded_For that of X-Forwarded-For.
    headers = [(name, value) for name, value in scope["headers"] if b"_" not in name]
    instance = WsgiToAsgiInstance(None)  # type: ignore[no-untyped-call]
    instance.scope = dict(scope) | {"headers": headers}
    build: Callable[..., dict[str, Any]] = instance.build_environ
    environ = build(instance.scope, io.BytesIO(body))
    # Also of a body that came in chunks, which has no length of its own.
    environ["CONTENT_LENGTH"] = str(len(body))
    return environ
