"""End an exchange early: from another thread, or because the time of the whole call is over.

No SDK offers either. The streams below register the socket that a thread is about to read from. The thread
says beforehand who may break it off (``allow_abort``) and how long it may take (``limit_time``). The timeout
of an SDK is for one read: a server that drips one byte a second would hold a worker for ever.
"""

import contextlib
import socket
import ssl
import threading
import time
from collections.abc import Iterable, Iterator
from typing import Any

import httpcore2
import httpx2

# By thread, not by call: the SDK calls down to the socket in the caller's thread and offers no way to hand
# something through.
_current = threading.local()


class Aborted(BaseException):
    """This process broke the exchange off.

    It is not an ``Exception``: SDKs would wrap it, and the breaker would blame the provider.
    """


class Abort:
    """Break off one call.

    ``now`` may come before, during or after the exchange, from any thread.
    """

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._socket: socket.socket | None = None
        self._wanted = False

    def now(self) -> None:
        """Break off: what is being read is lost, what has not begun is refused."""
        with self._lock:
            self._wanted = True
            # Shut down, not closed: closing would free the descriptor for another thread's connection while
            # this reader still uses it.
            if self._socket is not None:
                with contextlib.suppress(OSError):  # the other side was faster
                    self._socket.shutdown(socket.SHUT_RDWR)

    @contextlib.contextmanager
    def reading(self, from_: Any) -> Iterator[None]:
        """While inside, ``now`` shuts the socket ``from_``; raises ``Aborted`` if it came."""
        with self._lock:
            # Before the read: an abort that came earlier must not be forgotten.
            self._check()
            self._socket = from_
        try:
            yield
        finally:
            with self._lock:
                self._socket = None
                self._check()

    def _check(self) -> None:
        if self._wanted:
            raise Aborted


@contextlib.contextmanager
def allow_abort(abort: Abort) -> Iterator[None]:
    """Let ``abort`` break off what this thread exchanges meanwhile."""
    _current.abort = abort
    try:
        yield
    finally:
        _current.abort = None


@contextlib.contextmanager
def ignore_abort() -> Iterator[None]:
    """Let an exchange of this thread run to its end, although it was told to break off."""
    abort = getattr(_current, "abort", None)
    _current.abort = None
    try:
        yield
    finally:
        _current.abort = abort


@contextlib.contextmanager
def limit_time(seconds: float) -> Iterator[None]:
    """Let what this thread reads meanwhile end in a read timeout once ``seconds`` are over, in all."""
    before = getattr(_current, "deadline", None)
    _current.deadline = time.monotonic() + seconds
    try:
        yield
    finally:
        _current.deadline = before


@contextlib.contextmanager
def limit_silence(seconds: float) -> Iterator[None]:
    """Let a read of this thread meanwhile wait for ``seconds`` at most, or as ``shorten_silence`` says."""
    _current.silence = seconds
    try:
        yield
    finally:
        _current.silence = None


def shorten_silence(seconds: float) -> None:
    """Let the reads that follow inside ``limit_silence`` wait for ``seconds`` at most."""
    _current.silence = seconds


def _shorten(timeout: float | None) -> float | None:
    """The time that a read may take: ``timeout`` seconds, the silence that is allowed, or what is left of the
    whole call.
    """
    silence: float | None = getattr(_current, "silence", None)
    if silence is not None:
        timeout = silence if timeout is None else min(timeout, silence)
    deadline: float | None = getattr(_current, "deadline", None)
    if deadline is None:
        return timeout
    left = deadline - time.monotonic()
    if left <= 0:
        raise httpcore2.ReadTimeout("the answer took longer than the call may")
    return left if timeout is None else min(timeout, left)


class _Stream(httpcore2.NetworkStream):
    def __init__(self, inner: httpcore2.NetworkStream) -> None:
        self._inner = inner

    def read(self, max_bytes: int, timeout: float | None = None) -> bytes:
        # Only reads are guarded. A write of a request is short; the wait for the model is what hangs.
        timeout = _shorten(timeout)
        abort: Abort | None = getattr(_current, "abort", None)
        if abort is None:
            return self._inner.read(max_bytes, timeout)
        with abort.reading(self._inner.get_extra_info("socket")):
            return self._inner.read(max_bytes, timeout)

    def write(self, buffer: bytes, timeout: float | None = None) -> None:
        self._inner.write(buffer, timeout)

    def close(self) -> None:
        self._inner.close()

    def start_tls(
        self, ssl_context: ssl.SSLContext, server_hostname: str | None = None, timeout: float | None = None
    ) -> httpcore2.NetworkStream:
        # TLS wraps the stream in a new one, which would lose the guard.
        return _Stream(self._inner.start_tls(ssl_context, server_hostname, timeout))

    def get_extra_info(self, info: str) -> Any:
        return self._inner.get_extra_info(info)


class Backend(httpcore2.SyncBackend):
    """Opens connections whose reads can be broken off."""

    def connect_tcp(
        self,
        host: str,
        port: int,
        timeout: float | None = None,
        local_address: str | None = None,
        socket_options: Iterable[Any] | None = None,
    ) -> httpcore2.NetworkStream:
        """See ``httpcore2.NetworkBackend``."""
        return _Stream(super().connect_tcp(host, port, timeout, local_address, socket_options))


class AbortableTransport(httpx2.HTTPTransport):
    """A transport whose exchanges end when ``limit_time`` of their thread says so, or an ``Abort``."""

    def __init__(self, **options: Any) -> None:
        super().__init__(retries=0, **options)
        self._pool._network_backend = Backend()  # the client has no public door for it
