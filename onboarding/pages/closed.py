"""The friendly page while the portal takes no requests."""

from collections.abc import Callable
from functools import wraps
from typing import Any

from django.http import HttpRequest, HttpResponse
from django.shortcuts import render

from onboarding import rollout

Page = Callable[..., HttpResponse]


def shows_closed(page: Page) -> Page:
    """Decorate a page that takes requests: 503 with the reason while onboarding is off or paused."""

    @wraps(page)
    def guarded(request: HttpRequest, *args: Any, **kwargs: Any) -> HttpResponse:
        # A P1 closes nothing: requests are taken, and wait.
        reason = rollout.find_closure()
        if reason:
            return render(request, "onboarding/paused.html", {"reason": reason}, status=503)
        return page(request, *args, **kwargs)

    return guarded
