"""The one way out of the network that git has for itself: to the addresses that were checked, and no other.

git finds a server at a port of 127.0.0.1 in its own network. What it sends there is passed on by this
process, so git itself can reach nothing, even where a hostile server has taken it over.
"""

import contextlib
import socket
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from select import select
from typing import Final

_PART_BYTES: Final = 64 * 1024
_CONNECT_SECONDS: Final = 10.0
MOST_CONNECTIONS: Final = 32
"""A fetch needs a few; git asks one after the other."""


@contextmanager
def open_door(addresses: tuple[str, ...], port: int, ends_at: float) -> Iterator[int]:
    """A descriptor over which a listening socket is awaited; its connections lead to ``port`` of the first of
    ``addresses`` that answers, until ``ends_at`` (monotonic seconds) or the end of the ``with``.
    """
    ours, theirs = socket.socketpair()
    closed = threading.Event()
    serving = threading.Thread(
        target=_serve_door, args=(ours, addresses, port, ends_at, closed), name="door", daemon=True
    )
    with ours:
        serving.start()
        try:
            with theirs:
                yield theirs.fileno()
        finally:
            closed.set()
            with contextlib.suppress(OSError):
                ours.shutdown(socket.SHUT_RDWR)
            serving.join()


def _serve_door(
    channel: socket.socket, addresses: tuple[str, ...], port: int, ends_at: float, closed: threading.Event
) -> None:
    with contextlib.suppress(OSError), contextlib.ExitStack() as opened:
        # Ends where the command ends before it has sent anything, because nobody holds the other side then.
        _, descriptors, _, _ = socket.recv_fds(channel, 16, 1)
        if not descriptors:
            return
        door = opened.enter_context(socket.socket(fileno=descriptors[0]))
        passing: list[threading.Thread] = []
        while not closed.is_set() and time.monotonic() < ends_at and len(passing) < MOST_CONNECTIONS:
            if select([door], [], [], 0.05)[0]:
                inside, _ = door.accept()
                one = threading.Thread(
                    target=_pass_on, args=(inside, addresses, port, ends_at, closed), daemon=True
                )
                one.start()
                passing.append(one)


def _pass_on(
    inside: socket.socket, addresses: tuple[str, ...], port: int, ends_at: float, closed: threading.Event
) -> None:
    with inside, contextlib.suppress(OSError):
        outside = _connect(addresses, port, ends_at)
        with outside:
            ways = {inside: outside, outside: inside}
            for one in ways:
                one.settimeout(max(0.1, ends_at - time.monotonic()))
            while not closed.is_set() and time.monotonic() < ends_at:
                for source in select(list(ways), [], [], 0.05)[0]:
                    part = source.recv(_PART_BYTES)
                    if not part:
                        return
                    ways[source].sendall(part)


def _connect(addresses: tuple[str, ...], port: int, ends_at: float) -> socket.socket:
    """A connection to the first address that takes one; raises ``OSError`` where none does."""
    refused: OSError = OSError("there is no address")
    for address in addresses:
        seconds = min(_CONNECT_SECONDS, max(0.1, ends_at - time.monotonic()))
        try:
            return socket.create_connection((address, port), timeout=seconds)
        except OSError as error:
            refused = error
    raise refused
