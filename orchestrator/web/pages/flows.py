"""The pages of flows: the list, one flow, its events, its files. ``rights`` says for whom."""

from typing import Any
from urllib.parse import urlencode

from django import forms
from django.contrib import messages
from django.core.exceptions import PermissionDenied
from django.db.models import QuerySet
from django.http import HttpRequest, HttpResponse
from django.http.response import HttpResponseBase
from django.shortcuts import get_object_or_404, redirect, render
from django.views.decorators.cache import never_cache
from django.views.decorators.http import require_http_methods, require_safe

from orchestrator.core.audit import MOST_REASON
from orchestrator.flows import engine, representation
from orchestrator.flows.api import event_stream
from orchestrator.flows.api.follower_seats import seats
from orchestrator.flows.api.serializers.flows import FlowSummarySerializer
from orchestrator.flows.engine.verbs import VERBS
from orchestrator.flows.evidence import downloads
from orchestrator.flows.models import Artifact, Flow, search
from orchestrator.flows.models.states import FLOW_OPEN, FlowStatus
from orchestrator.ops.dashboards.numbers import format_duration
from orchestrator.repos.models import Repo
from orchestrator.rest.problems import Problem
from orchestrator.web import query, rights
from orchestrator.web.components import flow_filters
from orchestrator.web.components.flow import build_flow_page

PAGE = 50


class FlowReasonForm(forms.Form):
    """Why somebody acts on a flow."""

    reason = forms.CharField(
        max_length=MOST_REASON,
        widget=forms.Textarea(attrs={"rows": 3, "autofocus": True}),
        help_text="Kept in the audit trail with your name and the time.",
    )


class FlowPriorityForm(FlowReasonForm):
    """Which priority, and why."""

    priority = forms.IntegerField(
        min_value=-100, max_value=100, help_text="A higher one goes first; flows begin with 0."
    )
    field_order = ["priority", "reason"]


@require_safe
@never_cache
@rights.for_people_with_flows
def list_flows(request: HttpRequest) -> HttpResponse:
    """Flows, newest first.

    Filters: ``status`` (also ``going``), ``repo``, ``q``; those of ``flow_filters``, with which the
    dashboards link to here; ``before`` is the id to continue from.
    """
    query.refuse_unknown(request, "status", "repo", "q", "before", *flow_filters.NAMES)
    asked = {name: request.GET.get(name, "").strip()[:200] for name in ("status", "repo", "q")}
    asked |= flow_filters.read_filters(request.GET)
    # One row more than the page shows says whether there are older ones; counting all of them would be slow.
    rows = list(_filter_flows(request.user, asked, request.GET.get("before", "")[:25])[: PAGE + 1])
    older = (
        urlencode({key: value for key, value in asked.items() if value} | {"before": rows[PAGE - 1].id})
        if len(rows) > PAGE
        else ""
    )
    context: dict[str, Any] = {
        "flows": [
            (line, format_duration(line["duration_seconds"])) for line in _summarise_flows(rows[:PAGE])
        ],
        "asked": asked,
        "statuses": FlowStatus.values,
        "repos": rights.list_visible_repos(request.user).order_by("name").values_list("name", flat=True),
        "older": older,
        "kept": [(name, asked[name]) for name in flow_filters.NAMES if asked[name]],
        "narrowed": flow_filters.describe_filters(asked),
        # Of a single page it is known how many there are.
        "number": len(rows) if len(rows) <= PAGE and "before" not in request.GET else None,
        "filtered": any(asked.values()) or "before" in request.GET,
    }
    return render(request, "web/flows.html", context)


def _summarise_flows(flows: list[Flow]) -> Any:
    """One line for each flow, as the API shows it; the reasons for waiting come in one query."""
    context = {"wait_reasons": representation.read_wait_reasons(flows)}
    return FlowSummarySerializer(flows, many=True, context=context).data  # type: ignore[arg-type]


def _filter_flows(user: Any, asked: dict[str, str], before: str) -> QuerySet[Flow]:
    rows = rights.list_visible_flows(user).order_by("-id")
    if asked["status"] == "going":
        rows = rows.filter(status__in=FLOW_OPEN)
    elif asked["status"]:
        rows = rows.filter(status=asked["status"])
    if asked["repo"]:
        # First the repo: the planner would read all flows for the one of a name that no repo has.
        rows = rows.filter(repo=Repo.objects.filter(name=asked["repo"]).first())
    rows = flow_filters.narrow_flows(rows, asked)
    rows = search.find_flows(rows, asked["q"])
    return rows.filter(pk__lt=before.replace("\0", "")) if before else rows


@require_safe
@never_cache
@rights.for_people_with_flows
def show_flow(request: HttpRequest, flow_id: str) -> HttpResponse:
    """Show one flow.

    ``?part=body`` is what the page asks for again while the flow runs; ``?round=`` shows an earlier round.
    """
    # isdigit alone is true for a superscript 2, which int() refuses.
    query.refuse_unknown(request, "round", "part")
    number = request.GET.get("round", "")
    flow = rights.find_visible_flow(request, flow_id)
    context = build_flow_page(
        flow,
        int(number) if number.isascii() and number.isdigit() and len(number) < 6 else None,
    )
    context["may_act"] = rights.may_act(request.user, flow)
    context["may_act_everywhere"] = rights.may_act_everywhere(request.user)
    context["may_hold"] = request.user.has_perm("flows.add_hold")
    return render(
        request, "web/flow_body.html" if request.GET.get("part") == "body" else "web/flow.html", context
    )


@require_safe
@rights.for_people_with_flows
def stream_flow_events(request: HttpRequest, flow_id: str) -> HttpResponseBase:
    """The flow's events as server-sent events, for the page."""
    found = rights.find_visible_flow(request, flow_id)
    try:
        after = event_stream.read_last_event_id(
            request.headers.get("Last-Event-ID"), request.GET.get("after")
        )
        seat = seats.take(f"user:{request.user.pk}")
    # EventSource never shows an error's body; the text is for a person who opens the address. The page itself
    # asks again every few seconds, so a refusal costs it no more than freshness.
    except Problem as problem:
        return HttpResponse(
            problem.detail, status=problem.status, headers=problem.headers, content_type="text/plain"
        )
    return event_stream.answer_with_events(found.id, after, seat)


def _answer_with_file(content: bytes, media_type: str, name: str) -> HttpResponse:
    """Always saved, never shown: models and hostile code wrote what is in it."""
    answer = HttpResponse(content, content_type=media_type)
    # A model chose the name: a quote or a line break in it would end the header.
    answer["Content-Disposition"] = (
        f'attachment; filename="{"".join(c if c.isalnum() or c in "._-" else "_" for c in name)}"'
    )
    # A browser must not guess that a text is a page and run what is in it.
    answer["X-Content-Type-Options"] = "nosniff"
    return answer


@require_safe
@rights.for_people_with_flows
def download_artifact(request: HttpRequest, flow_id: str, artifact_id: int) -> HttpResponse:
    """One file that a stage left."""
    flow = rights.find_visible_flow(request, flow_id)
    found = get_object_or_404(Artifact.objects.select_related("blob"), pk=artifact_id, flow=flow)
    return _answer_with_file(bytes(found.blob.content), "application/octet-stream", found.name)


@require_safe
@rights.for_people_with_flows
def download_evidence(request: HttpRequest, flow_id: str) -> HttpResponse:
    """All evidence as zip."""
    found = rights.find_visible_flow(request, flow_id)
    return _answer_with_file(
        downloads.pack_zip(downloads.collect_evidence(found)), "application/zip", f"{found.id}-evidence.zip"
    )


@require_safe
@rights.for_people_with_flows
def download_block(request: HttpRequest, flow_id: str) -> HttpResponse:
    """The block as it was sealed; 404 where none came of the flow."""
    found = rights.find_visible_flow(request, flow_id)
    sealed = downloads.sealed_block(found)
    if sealed is None:
        return render(request, "404.html", status=404)
    return _answer_with_file(sealed, "application/gzip", f"{found.id}-block.tar.gz")


@require_http_methods(["GET", "HEAD", "POST"])
@never_cache
@rights.for_people_with_flows
def act_on_flow(request: HttpRequest, flow_id: str, action: str) -> HttpResponse:
    """Ask why, then cancel, retry, pause or resume a flow, or change its priority, by the engine's verbs."""
    flow = rights.find_visible_flow(request, flow_id)
    if not rights.may_act(request.user, flow):
        raise PermissionDenied
    # A priority counts in every repo, so it is for operators.
    if action == "priority" and not rights.may_act_everywhere(request.user):
        raise PermissionDenied
    verb, sent = VERBS[action], request.method == "POST"
    kind = FlowPriorityForm if action == "priority" else FlowReasonForm
    form = kind(request.POST if sent else None, initial={"priority": flow.priority})
    if sent and form.is_valid():
        try:
            if not verb.act(flow.pk, actor=request.user.get_username(), **form.cleaned_data):
                messages.warning(request, f"Nothing has changed: {verb.unchanged}.")
        except engine.EngineError as error:
            messages.error(request, f"{error} {error.cure}")
        return redirect("flow", flow_id=flow_id)
    context = {"flow": flow, "title": representation.request_title(flow), "verb": verb, "form": form}
    return render(request, "web/flow_action.html", context)
