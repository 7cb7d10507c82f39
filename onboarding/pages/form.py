"""The page on which a repo owner asks for a repo to be enabled, and sees what was asked for."""

from datetime import timedelta
from typing import Any, Final

from django.contrib.auth.decorators import login_required
from django.core.exceptions import ValidationError
from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect, render
from django.utils import timezone
from django.views.decorators.http import require_http_methods

from onboarding import engine, visibility
from onboarding.forms import FAMILIES, OnboardingForm
from onboarding.models import OnboardingRequest
from onboarding.pages import closed
from orchestrator.rest.problems import Problem
from orchestrator.rest.throttles import OnboardingThrottle

_SHOWN: Final = 50
# A second press of the button, or a reload of a slow answer, comes within this time.
_DOUBLE_CLICK: Final = timedelta(minutes=2)
# Where an error of a field of the model is shown in the form.
_SHOWN_AT: Final = {"code_host_path": "repo", "repo_name": "repo", "clone_url": "repo", "code_host": "repo"}


@closed.shows_closed
@login_required
@require_http_methods(["GET", "HEAD", "POST"])
def show_form(request: HttpRequest) -> HttpResponse:
    """The form; a good one leads to the page of the new request. Below it, the person's own requests."""
    if request.method == "POST":
        # Bad answers count too: each makes the service look at a repo's name.
        throttle = OnboardingThrottle()
        try:
            throttle.refuse_too_many(request)
        except Problem as refused:
            answer = render(request, "onboarding/too_many.html", {"refused": refused}, status=refused.status)
            answer.headers["Retry-After"] = refused.headers["Retry-After"]
            return answer
        throttle.count(request)
        asked = OnboardingForm(request.POST)
        made = _store_request(request, asked) if asked.is_valid() else None
        if made is not None:
            # A redirect, so that reloading the next page sends nothing twice.
            return redirect("onboarding-request", made.reference)
    else:
        asked = OnboardingForm()
    context = {
        "form": asked,
        "families": FAMILIES,
        "own": visibility.list_own_requests(request.user)[:_SHOWN],
    }
    return render(request, "onboarding/form.html", context, status=422 if asked.errors else 200)


def _store_request(request: HttpRequest, asked: OnboardingForm) -> OnboardingRequest | None:
    """The new request, or the one that the same press of the button has made; None where it is refused."""
    given = {name: value for name, value in asked.cleaned_data.items() if name != "repo"}
    # `login_required` has seen to it that this is an account.
    person: Any = request.user
    try:
        new = engine.NewRequest(**given, requested_by=person, requested_from=person.get_username())
        return engine.create_request(new)
    except ValidationError as error:
        for field, said in error.message_dict.items():
            shown_at = _SHOWN_AT.get(field, field)
            asked.add_error(shown_at if shown_at in asked.fields else None, said)
    except engine.AlreadyRequested as error:
        name = given["code_host_path"].rpartition("/")[2].lower()
        just_made = visibility.list_own_requests(person).filter(
            repo_name=name, requested_by=person.pk, created_at__gt=timezone.now() - _DOUBLE_CLICK
        )
        if just_made.first() is not None:
            return just_made.first()
        asked.add_error("repo", f"{error.message} {error.cure}")
    except engine.AlreadyEnabled as error:
        asked.add_error("repo", f"{error.message} {error.cure}")
    return None
