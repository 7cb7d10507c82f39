"""Logging in by password and by the company's account, and what somebody sees who guessed too often."""

import logging
import re
from typing import Any

from django.conf import settings
from django.contrib.auth.views import LoginView
from django.http import Http404, HttpRequest, HttpResponse
from django.shortcuts import render, resolve_url
from django.utils.http import url_has_allowed_host_and_scheme
from django.views.decorators.cache import never_cache
from django.views.decorators.http import require_POST, require_safe

from orchestrator.core.errors import OrchestratorError
from orchestrator.core.places import name_place
from orchestrator.web.sign_in import openid

# What is shown in a command to type.
_PLAIN_NAME = re.compile(r"[\w.@+-]{1,150}")
log = logging.getLogger(__name__)
_LONGEST_NAME = 150
"""No account has a longer one, and a guess is kept under its name."""


def read_guessed_name(request: HttpRequest, credentials: Any = None) -> str | None:
    """The name that somebody tried, as django-axes keeps it."""
    found = (credentials or {}).get("username") or request.POST.get("username")
    return None if found is None else str(found)[:_LONGEST_NAME]


def find_guesser(request: HttpRequest) -> str | None:
    """The place that a guess comes from, as django-axes keeps it; None where it has no address."""
    # What the web process has found out already, see TRUSTED_PROXIES; headers are not asked again.
    place = name_place(request.META.get("REMOTE_ADDR", ""))
    # A socket in a folder has a path, which is not an address that the table could hold.
    return None if "/" in place else place or None


def show_lockout(
    request: HttpRequest,
    original_response: HttpResponse | None = None,  # noqa: ARG001 - the signature of django-axes
    credentials: Any = None,
) -> HttpResponse:
    """429 with the time to wait, after too many wrong passwords for a name from one address."""
    name = str((credentials or {}).get("username", ""))
    seconds = int(settings.AXES_COOLOFF_TIME.total_seconds())
    context = {
        "minutes": seconds // 60,
        "username": name if _PLAIN_NAME.fullmatch(name) else "NAME",
    }
    answer = render(request, "web/locked_out.html", context, status=429)
    answer.headers["Retry-After"] = str(seconds)
    return answer


class LogInPage(LoginView):
    """Name and password, and above them the button of the company's account where there is one."""

    template_name = "web/login.html"

    def get_context_data(self, **given: Any) -> dict[str, Any]:
        """What the page shows."""
        openid_name = settings.OIDC_NAME if openid.is_configured() else ""
        return super().get_context_data(**given, openid_name=openid_name)


@require_POST
@never_cache
def begin_openid(request: HttpRequest) -> HttpResponse:
    """Send the browser to the OpenID provider."""
    _require_openid()
    try:
        address = openid.begin(request, _read_next_page(request))
    except OrchestratorError as error:
        return _show_failure(request, error)
    # Not a redirect: browsers hold one that follows a form to the page's policy (form-action), on every
    # address that the provider passes it on to, and those are its own business.
    return render(
        request, "web/sign_in_leaving.html", {"address": address, "openid_name": settings.OIDC_NAME}
    )


@require_safe
@never_cache
def finish_openid(request: HttpRequest) -> HttpResponse:
    """Sign in whom the provider sends back."""
    _require_openid()
    try:
        return openid.finish(request)
    except OrchestratorError as error:
        return _show_failure(request, error)


def _require_openid() -> None:
    if not openid.is_configured():
        raise Http404("OIDC_ISSUER is not set.")


def _read_next_page(request: HttpRequest) -> str:
    wanted = request.POST.get("next", "")
    ours = url_has_allowed_host_and_scheme(wanted, {request.get_host()}, require_https=request.is_secure())
    return wanted if ours else resolve_url(settings.LOGIN_REDIRECT_URL)


def _show_failure(request: HttpRequest, error: OrchestratorError) -> HttpResponse:
    # The cause is for operators; it may hold what the provider has answered.
    log.warning("%s: %s (%r)", error.code, error.message, error.__cause__)
    context = {"error": error, "openid_name": settings.OIDC_NAME}
    return render(request, "web/sign_in_failed.html", context, status=error.http_status)
