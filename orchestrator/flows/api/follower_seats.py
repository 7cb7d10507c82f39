"""How many may follow flows at once in this process: so many in all, and so many with one token."""

import threading

from django.conf import settings

from orchestrator.core.shares import Shares
from orchestrator.rest.problems import Problem

RETRY_SECONDS = 5
# An operator's tools may follow many flows, and still leave room for the repos.
_OPERATORS_SHARE = 0.75


class Seat:
    """The right to follow a flow, until ``leave``."""

    def __init__(self, seats: "Seats", holder: str) -> None:
        self._seats, self._holder, self._left = seats, holder, False

    def leave(self) -> None:
        """Give it back; a second time does nothing."""
        if not self._left:
            self._left = True
            self._seats.give_back(self._holder)


class Seats:
    """Who follows how many flows."""

    def __init__(self) -> None:
        self._lock, self._taken = threading.Lock(), Shares()

    def take(self, holder: str, *, operator: bool = False) -> Seat:
        """A seat for ``holder``, or a problem that says when to ask again."""
        whole = settings.FOLLOWERS_PER_PROCESS
        most = int(whole * _OPERATORS_SHARE) if operator else min(settings.FOLLOWERS_PER_TOKEN, whole)
        headers = {"Retry-After": str(RETRY_SECONDS)}
        cure = "Ask for the flow itself every few seconds instead; `blocks` does so by itself."
        with self._lock:
            if self._taken[holder] >= most:
                raise Problem(
                    429,
                    "events:too-many-followers",
                    f"This token follows {most} flows already, which is the most it may.",
                    cure=cure,
                    headers=headers,
                )
            if self._taken.total() >= whole:
                raise Problem(
                    503,
                    "events:no-room",
                    f"{whole} followers are connected, which is the most this process takes.",
                    cure=cure,
                    headers=headers,
                )
            self._taken.add(holder)
        return Seat(self, holder)

    def count(self) -> int:
        """How many follow at present."""
        with self._lock:
            return self._taken.total()

    def give_back(self, holder: str) -> None:
        """Count one less."""
        with self._lock:
            self._taken.add(holder, -1)


seats = Seats()
