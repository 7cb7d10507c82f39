"""uvicorn's HTTP protocol with limits for slow and endless clients.

``python -m uvicorn --http orchestrator.serving.protocol:BoundedProtocol`` uses it. uvicorn itself waits
without end for the rest of a request.
"""

import asyncio
import socket
from functools import cache
from ipaddress import IPv4Network, IPv6Network, ip_address, ip_network
from typing import Final

from django.conf import settings
from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol

from orchestrator.core.places import name_place
from orchestrator.core.shares import Shares
from orchestrator.serving.departure import departure

HEADER_SECONDS: Final = 10.0
"""From the connection, or the first byte of a further request, to the end of its headers."""
BODY_SECONDS: Final = 120.0
"""From the end of the headers to the end of the body: 12 MB at 1 Mbit/s."""
HEADER_BYTES: Final = 64 * 1024
"""All headers of a request together; the parser has no limit of its own."""
UNREAD_SECONDS: Final = 30
"""How long a client may leave what is sent to it unread."""
MOST_OF_PLACE: Final = 4000
"""Connections from one place: fewer than ``--limit-concurrency`` in the Procfile, so that it leaves some."""
PROXY_IDLE_SECONDS: Final = 130
"""How long a connection of a trusted proxy may be idle: longer than nginx (60 s), Traefik (90 s) and Caddy
(120 s) keep one. Where the server closes first, a request on its way gets no answer: the proxy says 502."""
LINGER_SECONDS: Final = 1.0
"""After SIGTERM, how long a connection without a request may still bring one that is on its way."""
ENDLESS: Final = "endless"
"""The key in the state of a request under which a stream says that it does not end by itself."""

_TIMED_OUT: Final = b"HTTP/1.1 408 Request Timeout\r\nconnection: close\r\ncontent-length: 0\r\n\r\n"
_BUSY: Final = (
    b"HTTP/1.1 503 Service Unavailable\r\nretry-after: 2\r\nconnection: close\r\ncontent-length: 0\r\n\r\n"
)
_TOO_LARGE: Final = (
    b"HTTP/1.1 431 Request Header Fields Too Large\r\nconnection: close\r\ncontent-length: 0\r\n\r\n"
)


_connections = Shares()


class BoundedProtocol(HttpToolsProtocol):
    """One connection. At every moment at most one clock runs: for the headers, or for the body."""

    _place = ""
    _clock: asyncio.TimerHandle | None = None
    _in_headers = True
    _header_bytes = 0
    _leaving = False

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        """Begin to wait for the first request."""
        super().connection_made(transport)
        # Now, because uvicorn takes the signals when the application is loaded; a probe comes first.
        departure.prepare()
        _bound_silence(transport.get_extra_info("socket"))
        self._place = name_place(self.client[0]) if self.client else ""
        if self.client and is_trusted_proxy(self.client[0]):
            self.timeout_keep_alive = PROXY_IDLE_SECONDS
        _connections.add(self._place)
        self._start_clock(HEADER_SECONDS)
        if _connections[self._place] > MOST_OF_PLACE:
            self._refuse(_BUSY)

    def connection_lost(self, exc: Exception | None) -> None:
        """Forget the clock."""
        self._stop_clock()
        _connections.add(self._place, -1)
        super().connection_lost(exc)

    def data_received(self, data: bytes) -> None:
        """Count what comes before the end of the headers."""
        if self._in_headers:
            self._header_bytes += len(data)
        super().data_received(data)
        # Asked after parsing: a body that came with its headers has ended them by now.
        if self._in_headers and self._header_bytes > HEADER_BYTES:
            self._refuse(_TOO_LARGE)

    def on_message_begin(self) -> None:
        """A further request on this connection has its own time for headers."""
        super().on_message_begin()
        self._in_headers, self._header_bytes = True, 0
        self._start_clock(HEADER_SECONDS)

    def on_headers_complete(self) -> None:
        """The headers are there; now the body has its time."""
        self._in_headers = False
        self._start_clock(BODY_SECONDS)
        super().on_headers_complete()
        if self._leaving:
            # The client learns with this answer that it needs another connection.
            self.cycle.keep_alive = False

    def on_message_complete(self) -> None:
        """The whole request is there: from here on it is the server's time."""
        self._stop_clock()
        super().on_message_complete()

    def shutdown(self) -> None:
        """Close when the process leaves, at once or a moment later, see ``LINGER_SECONDS``."""
        self._leaving = True
        if self._streams() or self._is_at_work():
            super().shutdown()
            self._leave()
        else:
            # Closed now, what a proxy has just sent would be lost, and nobody may send a POST twice.
            self.loop.call_later(LINGER_SECONDS, self._leave)

    def _leave(self) -> None:
        """Close what would hold up the process; wait for the answer to a whole request.

        A stream is closed: its follower comes back with the id of the last event that it saw.
        """
        if self.transport.is_closing():
            return
        if self._streams() or not self._is_at_work():
            self.transport.close()
        else:
            # What is at work now may become a stream.
            self.loop.call_later(LINGER_SECONDS, self._leave)

    def _streams(self) -> bool:
        """Whether the answer does not end by itself."""
        return self.cycle is not None and ENDLESS in self.cycle.scope.get("state", {})

    def _is_at_work(self) -> bool:
        """Whether a whole request is here and not answered yet."""
        return self._clock is None and self.cycle is not None and not self.cycle.response_complete

    def _start_clock(self, seconds: float) -> None:
        self._stop_clock()
        self._clock = self.loop.call_later(seconds, self._refuse, _TIMED_OUT)

    def _stop_clock(self) -> None:
        if self._clock is not None:
            self._clock.cancel()
            self._clock = None

    def _refuse(self, answer: bytes) -> None:
        """Close; with ``answer`` where nothing was answered yet."""
        if self.transport.is_closing():
            return
        if self._in_headers:
            unanswered = self.cycle is None or self.cycle.response_complete
        else:
            unanswered = not self.cycle.response_started
        if unanswered:
            self.transport.write(answer)
        self.transport.close()


@cache
def list_trusted_networks() -> tuple[IPv4Network | IPv6Network, ...]:
    """The networks of TRUSTED_PROXIES; what is not an address there trusts nobody here."""
    networks = []
    for name in settings.TRUSTED_PROXIES:
        try:
            networks.append(ip_network(name, strict=False))
        except ValueError:
            continue
    return tuple(networks)


def is_trusted_proxy(host: str) -> bool:
    """Whether a connection from ``host`` is one of a trusted proxy."""
    try:
        address = ip_address(host)
    except ValueError:
        return False
    return any(address in network for network in list_trusted_networks())


def _bound_silence(connection: socket.socket | None) -> None:
    """Let the kernel close a connection whose other side is gone, or does not read what was sent."""
    if connection is None or connection.family not in {socket.AF_INET, socket.AF_INET6}:
        return
    connection.setsockopt(socket.SOL_SOCKET, socket.SO_KEEPALIVE, 1)
    # Linux counts the time in which sent bytes stay unacknowledged, and that of a closed window too.
    if hasattr(socket, "TCP_USER_TIMEOUT"):
        connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_USER_TIMEOUT, UNREAD_SECONDS * 1000)
