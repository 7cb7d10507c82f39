"""Limits by address, for those who have shown no token that is known, and of the onboarding form by account.

Counted in the memory of the web process: a limit for each process is enough against guessing, and costs no
round trip.
"""

from typing import Any

from django.core.cache import cache
from django.http import HttpRequest
from rest_framework.throttling import SimpleRateThrottle

from orchestrator.core.places import name_place
from orchestrator.rest.problems import Problem


class AddressThrottle(SimpleRateThrottle):
    """So many events from one address in a time; a subclass says of what and how many."""

    cache = cache

    def __init__(self) -> None:
        super().__init__()
        self._count_now = False

    def get_cache_key(self, request: Any, view: Any) -> str:  # noqa: ARG002 - DRF's signature
        """The address that the request comes from; behind trusted proxies, the client's."""
        return f"throttle:{self.scope}:{name_place(request.META.get('REMOTE_ADDR', ''))}"

    def throttle_success(self) -> bool:
        """Asking does not count by itself, see ``count``."""
        if self._count_now:
            super().throttle_success()
        return True

    def refuse_too_many(self, request: HttpRequest) -> None:
        """Raise a problem with ``Retry-After`` where the address has used up its number."""
        if not self._ask(request, count=False):
            seconds = max(1, int(self.wait() or 1))
            raise Problem(
                429,
                "request:throttled",
                f"Too many {self.what} came from this {self.whose}.",
                cure=f"Wait {seconds} seconds, then try again.",
                headers={"Retry-After": str(seconds)},
            )

    def count(self, request: HttpRequest) -> None:
        """Count one more."""
        self._ask(request, count=True)

    def _ask(self, request: HttpRequest, *, count: bool) -> bool:
        self._count_now = count
        return bool(self.allow_request(request, None))  # type: ignore[arg-type]  # it only reads META

    what, whose = "requests", "address"


class WrongTokenThrottle(AddressThrottle):
    """Bearer tokens that are unknown."""

    scope, rate, what = "wrong-token", "20/min", "unknown tokens"


class ExchangeThrottle(AddressThrottle):
    """OIDC tokens that could not be exchanged."""

    scope, rate, what = "exchange", "30/min", "OIDC tokens that could not be exchanged"


class OnboardingThrottle(AddressThrottle):
    """Requests through the form, by account: a whole company may come from one address."""

    scope, rate, what, whose = "onboarding", "20/hour", "requests", "account"

    def get_cache_key(self, request: Any, view: Any) -> str:  # noqa: ARG002 - DRF's signature
        """The account that asks."""
        return f"throttle:{self.scope}:{request.user.pk}"
