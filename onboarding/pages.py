"""The page on which a repo owner asks for a repo to be enabled."""

from django.core.exceptions import ValidationError
from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect, render
from django.views.decorators.http import require_http_methods, require_safe

from onboarding import engine
from onboarding.forms import OnboardingForm
from orchestrator.repos.registration import is_onboarding_open
from orchestrator.rest.problems import Problem
from orchestrator.rest.throttles import OnboardingThrottle


@require_http_methods(["GET", "HEAD", "POST"])
def show_form(request: HttpRequest) -> HttpResponse:
    """The form; a good one is stored, and waits for an SRE. 503 while onboarding is off or paused."""
    if not is_onboarding_open():
        return render(request, "onboarding/paused.html", status=503)
    if request.method == "POST":
        throttle = OnboardingThrottle()
        try:
            throttle.refuse_too_many(request)
        except Problem as refused:
            answer = render(request, "onboarding/too_many.html", {"refused": refused}, status=refused.status)
            answer.headers["Retry-After"] = refused.headers["Retry-After"]
            return answer
        throttle.count(request)
    # An empty POST is not bound by this and shows the empty form again.
    asked = OnboardingForm(request.POST or None)
    if request.method == "POST" and asked.is_valid() and _store_request(asked):
        # A redirect, so that reloading the next page sends nothing twice.
        return redirect("onboarding-thanks")
    return render(request, "onboarding/form.html", {"form": asked}, status=422 if asked.errors else 200)


def _store_request(asked: OnboardingForm) -> bool:
    """Write the request; False where the repo is known already."""
    given = asked.cleaned_data
    try:
        engine.create_request(
            engine.NewRequest(
                repo_name=given["repo_name"],
                block_family=given["block_family"],
                team_lead=given["team_lead"],
                clone_url=given["clone_url"],
                requested_from="the form",
            )
        )
    except ValidationError as error:
        for field, said in error.message_dict.items():
            asked.add_error(field if field in asked.fields else None, said)
        return False
    except (engine.AlreadyRequested, engine.AlreadyEnabled) as error:
        asked.add_error("repo_name", f"{error.message} {error.cure}")
        return False
    return True


@require_safe
def show_thanks(request: HttpRequest) -> HttpResponse:
    """What happens next."""
    return render(request, "onboarding/thanks.html")
