"""How many requests a caller may send: so many a minute, with each token, or from each address without one.

Counted in the memory of the web process, in windows of a minute: it costs no round trip, and it is one
process that has to be kept from drowning. Where several processes answer, each has its own count.
"""

import threading
import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Final

from django.conf import settings
from django.http import HttpRequest
from django.http.response import HttpResponseBase
from rest_framework.request import Request
from rest_framework.throttling import BaseThrottle

from orchestrator.core.places import name_place

WINDOW_SECONDS: Final = 60
_ATTRIBUTE: Final = "rate_limit"


@dataclass(frozen=True, slots=True)
class Allowance:
    """What a caller may still send: ``remaining`` of ``limit`` requests, until ``reset`` seconds from now."""

    limit: int
    remaining: int
    reset: int
    exceeded: bool


class RequestCounts:
    """Requests by caller in the present window."""

    def __init__(self, read_time: Callable[[], float] = time.monotonic) -> None:
        self._read_time, self._lock = read_time, threading.Lock()
        self._window, self._counts = 0, dict[str, int]()

    def count(self, caller: str, limit: int) -> Allowance:
        """Count one request of ``caller``."""
        now = self._read_time()
        window = int(now // WINDOW_SECONDS)
        with self._lock:
            # All callers share the windows, so that the end of one forgets them all at once.
            if window != self._window:
                self._window = window
                self._counts.clear()
            used = self._counts.get(caller, 0) + 1
            self._counts[caller] = used
        reset = max(1, round((window + 1) * WINDOW_SECONDS - now))
        return Allowance(limit, max(0, limit - used), reset, exceeded=used > limit)


counts = RequestCounts()


class RequestThrottle(BaseThrottle):
    """Refuses what is over the limit, with ``Retry-After``."""

    _wait_seconds = 0

    def allow_request(self, request: Request, view: Any) -> bool:  # noqa: ARG002 - DRF's signature
        """Whether the caller has requests left in this minute."""
        token = getattr(request.auth, "pk", None)
        place = name_place(request.META.get("REMOTE_ADDR", ""))
        caller = f"address:{place}" if token is None else f"token:{token}"
        allowance = counts.count(caller, settings.API_REQUESTS_PER_MINUTE)
        setattr(request._request, _ATTRIBUTE, allowance)
        self._wait_seconds = allowance.reset
        return not allowance.exceeded

    def wait(self) -> float:
        """Seconds until the next window."""
        return self._wait_seconds


def tell_rate_limit(
    get_response: Callable[[HttpRequest], HttpResponseBase],
) -> Callable[[HttpRequest], HttpResponseBase]:
    """Middleware: ``RateLimit-*`` on every answer of the API that was counted."""

    def answer(request: HttpRequest) -> HttpResponseBase:
        response = get_response(request)
        allowance = getattr(request, _ATTRIBUTE, None)
        if allowance is not None:
            response.headers["RateLimit-Limit"] = str(allowance.limit)
            response.headers["RateLimit-Remaining"] = str(allowance.remaining)
            response.headers["RateLimit-Reset"] = str(allowance.reset)
            response.headers["RateLimit-Policy"] = f"{allowance.limit};w={WINDOW_SECONDS}"
        return response

    return answer
