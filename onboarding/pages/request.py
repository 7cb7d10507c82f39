"""The page of a request, and what the people of its team can do there."""

from typing import Any

from django.contrib import messages
from django.contrib.auth.decorators import login_required
from django.http import HttpRequest, HttpResponse
from django.shortcuts import get_object_or_404, redirect, render
from django.urls import reverse
from django.views.decorators.cache import never_cache
from django.views.decorators.http import require_POST, require_safe

from onboarding import engine, first_token, progress, visibility
from onboarding import messages as messages_to_team
from onboarding.models import OnboardingRequest
from onboarding.pages import start
from orchestrator.core.errors import OrchestratorError


@login_required
@require_safe
@never_cache
def show_request(request: HttpRequest, reference: str) -> HttpResponse:
    """The request with its checks and steps."""
    found = find_visible_request(request, reference)
    return render(request, "onboarding/request.html", _describe(request, found))


@login_required
@require_safe
@never_cache
def show_live_part(request: HttpRequest, reference: str) -> HttpResponse:
    """The part of the page that changes, for htmx; 204 where it looks as it did."""
    found = find_visible_request(request, reference)
    context = _describe(request, found)
    # Without a swap nothing that is open, selected or being read moves.
    if request.GET.get("seen") == context["view"].digest:
        return HttpResponse(status=204)
    return render(request, "onboarding/request_live.html", {**context, "is_swap": True})


@login_required
@require_POST
def act_on_request(request: HttpRequest, reference: str, action: str) -> HttpResponse:
    """Retry or cancel. A second press finds it done, and is not told off."""
    found = find_visible_request(request, reference)
    act = engine.retry if action == "retry" else engine.cancel
    try:
        act(found.pk, actor=request.user.get_username())
    except engine.NotInThatState as error:
        # Of a double click the second finds the request under way; any other reason is shown on the page.
        messages.info(request, error.message)
    return redirect("onboarding-request", found.reference)


@login_required
@require_POST
@never_cache
def show_token(request: HttpRequest, reference: str) -> HttpResponse:
    """The token of the repo, once: in this answer, which no browser keeps."""
    found = find_visible_request(request, reference)
    # Made by the POST itself: a GET could be repeated by a browser, a proxy or a back button.
    try:
        secret = first_token.reveal_token(found, request.user)
    except OrchestratorError as error:
        messages.warning(request, f"{error.message} {error.cure}")
        return redirect("onboarding-request", found.reference)
    context = _describe(request, found) | {"secret": secret}
    return render(request, "onboarding/token.html", context)


def find_visible_request(request: HttpRequest, reference: str) -> OnboardingRequest:
    """The request; 404 for one that the person may not see, as for one that does not exist."""
    return get_object_or_404(visibility.list_visible_requests(request.user), reference=reference.upper())


def _describe(request: HttpRequest, found: OnboardingRequest) -> dict[str, Any]:
    view = progress.view_request(found)
    is_of_team = visibility.is_of_team(request.user, found)
    return {
        "view": view,
        "row": found,
        "is_of_team": is_of_team,
        "token_shown": first_token.find_showing(found) if view.is_ready else None,
        "start": start.describe_start(found, request.build_absolute_uri("/")) if view.is_ready else None,
        "mail": messages_to_team.read_confirmation(found),
        "live": reverse("onboarding-live", args=[found.reference]),
    }
