"""How much of bodies and answers the process holds for clients that are slow to send or to read them."""

import threading
from typing import Final

from orchestrator.core.shares import Shares

MOST_HELD: Final = 256 * 1024 * 1024
"""Bytes, of all connections together; those from one place may have half of it."""
ALWAYS_FREE: Final = 64 * 1024
"""Bytes of one body or answer that do not count, so that ordinary requests are served at any time."""


class HeldBytes:
    """A count with a limit, for all connections of a process."""

    def __init__(self, most: int = MOST_HELD) -> None:
        self._most, self._left, self._lock = most, most, threading.Lock()
        self._by_place = Shares()

    def open_share(self, place: str) -> "HeldShare":
        """What one body or answer holds for a client at ``place``; nothing yet."""
        return HeldShare(self, place)

    def take(self, place: str, count: int) -> bool:
        """Whether ``count`` more may be held for ``place``; counted, if so."""
        with self._lock:
            if count > self._left or self._by_place[place] + count > self._most // 2:
                # Nothing more is always possible.
                return count == 0
            self._left -= count
            self._by_place.add(place, count)
            return True

    def give_back(self, place: str, count: int) -> None:
        """Let others hold ``count``."""
        with self._lock:
            self._left += count
            self._by_place.add(place, -count)


class HeldShare:
    """The part of one body or answer; given back at the end of a ``with``."""

    def __init__(self, held: HeldBytes, place: str) -> None:
        self._held, self._place = held, place
        self._size, self._counted = 0, 0

    def add(self, count: int) -> bool:
        """Whether ``count`` more bytes may be held."""
        size = self._size + count
        more = max(0, size - ALWAYS_FREE) - self._counted
        if not self._held.take(self._place, more):
            return False
        self._size, self._counted = size, self._counted + more
        return True

    def give_back(self) -> None:
        """Hold nothing any more."""
        self._held.give_back(self._place, self._counted)
        self._size = self._counted = 0

    def __enter__(self) -> "HeldShare":
        return self

    def __exit__(self, *_: object) -> None:
        self.give_back()
