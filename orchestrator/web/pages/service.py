"""Open pages: what this is, and how it stands."""

import json
import sys

from django.conf import settings
from django.db import InterfaceError, OperationalError
from django.http import HttpRequest, HttpResponse
from django.shortcuts import render
from django.template.loader import render_to_string
from django.views.decorators.http import require_safe
from django.views.defaults import bad_request, server_error

from orchestrator.rest.problems import AWAY_RETRY_SECONDS, MEDIA_TYPE, Problem, to_problem
from orchestrator.web.query import BadQuery

API = "/api/"


def show_refusal(request: HttpRequest, exception: Exception) -> HttpResponse:
    """400 for a request that cannot be read: another host, a damaged form, a misspelt question in the
    address of a page, which is the only one that says why.
    """
    if isinstance(exception, BadQuery):
        return render(request, "400.html", {"why": str(exception)}, status=400)
    if not request.path.startswith(API):
        return bad_request(request, exception)
    problem = Problem(
        400,
        "request:malformed",
        "The service does not take this request: its host is another, or it is damaged.",
        cure="Ask under the address that the operators name; it is in ALLOWED_HOSTS.",
    )
    return _answer_with(problem)


def show_failure(request: HttpRequest) -> HttpResponse:
    """Answer for an error that escapes a view: 503 while the database is away, otherwise 500."""
    error = sys.exc_info()[1]
    if request.path.startswith(API) and isinstance(error, Exception):
        return _answer_with(to_problem(error))
    if not isinstance(error, (OperationalError, InterfaceError)):
        return server_error(request)
    # Without the request: its user and its messages would be read from the database.
    answer = HttpResponse(render_to_string("503.html"), status=503)
    answer.headers["Retry-After"] = str(AWAY_RETRY_SECONDS)
    return answer


def _answer_with(problem: Problem) -> HttpResponse:
    """``problem`` as a view of the API would answer it."""
    text = json.dumps(problem.document())
    return HttpResponse(text, status=problem.status, content_type=MEDIA_TYPE, headers=problem.headers)


@require_safe
def show_landing_page(request: HttpRequest) -> HttpResponse:
    """What this is and where to begin."""
    return render(request, "web/landing.html", {"onboarding": settings.ONBOARDING_ENABLED})
