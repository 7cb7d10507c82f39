"""The pre-flight as a page: every line of the checklists, and the questions that people answer."""

from itertools import groupby
from typing import Any

from django import forms
from django.contrib import messages
from django.contrib.auth.decorators import login_required, permission_required
from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect, render
from django.urls import reverse
from django.views.decorators.cache import never_cache
from django.views.decorators.http import require_POST, require_safe

from orchestrator.core.errors import OrchestratorError
from orchestrator.ops.preflight.check_protocol import PHASES
from orchestrator.ops.preflight.running import record_answer, run_preflight
from orchestrator.web.query import BadQuery


class AnswerForm(forms.Form):
    """What a person says of one line."""

    phase = forms.TypedChoiceField(choices=[(phase, phase) for phase in PHASES], coerce=int)
    line = forms.CharField(max_length=60)
    holds = forms.TypedChoiceField(choices=[("yes", "yes"), ("no", "no")], coerce=lambda word: word == "yes")
    note = forms.CharField(max_length=500, required=False)


@require_safe
@never_cache
@login_required
@permission_required("preflight.view_personanswer", raise_exception=True)
def show_preflight(request: HttpRequest) -> HttpResponse:
    """Every line of a phase, from the live system."""
    phase = request.GET.get("phase", str(PHASES[0]))
    if phase not in map(str, PHASES):
        raise BadQuery(f"phase={phase[:20]} is not known; use one of {', '.join(map(str, PHASES))}.")
    # On every request: a page that shows what was true an hour ago answers nothing.
    report = run_preflight(int(phase))
    groups = [(title, list(lines)) for title, lines in groupby(report.lines, lambda one: one.section)]
    context = {
        "report": report,
        "groups": groups,
        "phases": PHASES,
        "may_answer": request.user.has_perm("preflight.add_personanswer"),
    }
    return render(request, "web/preflight.html", context)


@require_POST
@login_required
@permission_required("preflight.add_personanswer", raise_exception=True)
def answer_line(request: HttpRequest) -> HttpResponse:
    """Record what the person says who has logged in."""
    form = AnswerForm(request.POST)
    if not form.is_valid():
        messages.error(request, "Choose yes or no; a note has up to 500 characters.")
        return redirect("preflight")
    given = form.cleaned_data
    user: Any = request.user
    # A name that colleagues know; the login is kept beside it.
    person = user.get_full_name() or user.get_username()
    try:
        record_answer(
            given["phase"],
            given["line"],
            holds=given["holds"],
            person=person[:120],
            note=given["note"],
            recorded_by=user.get_username(),
        )
    except OrchestratorError as error:
        messages.error(request, f"{error.message} {error.cure}")
    # Back to the line that was answered, not to the top of fifty.
    return redirect(f"{reverse('preflight')}?phase={given['phase']}#{given['line']}")
