"""Logging in and out, and what somebody sees who guessed too often."""

import re
from typing import Any

from django.conf import settings
from django.http import HttpRequest, HttpResponse
from django.shortcuts import render

from orchestrator.core.places import name_place

# What is shown in a command to type.
_PLAIN_NAME = re.compile(r"[\w.@+-]{1,150}")
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
