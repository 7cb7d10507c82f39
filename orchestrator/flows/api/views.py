"""Flows over REST: create, list, show, follow, judge, fetch, cancel, retry."""

import re
from datetime import datetime, timedelta
from typing import Any

from django.db.models import QuerySet
from django.http import HttpResponse, StreamingHttpResponse
from django.http.response import HttpResponseBase
from django.utils import timezone
from django.utils.dateparse import parse_datetime
from drf_spectacular.types import OpenApiTypes
from drf_spectacular.utils import OpenApiParameter, extend_schema
from rest_framework.negotiation import BaseContentNegotiation, DefaultContentNegotiation
from rest_framework.renderers import JSONRenderer
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.views import APIView

from orchestrator.flows import engine, representation
from orchestrator.flows.api import event_stream, schema, validation
from orchestrator.flows.evidence import downloads
from orchestrator.flows.models import Flow, GateReplay, GateResult
from orchestrator.flows.models.states import FlowStatus
from orchestrator.flows.replay import gate_replay, requests
from orchestrator.flows.source import snapshot
from orchestrator.repos.access import caller_of, repo_for
from orchestrator.repos.models import Repo
from orchestrator.rest import idempotency
from orchestrator.rest.pagination import ByNewest
from orchestrator.rest.problems import Problem
from providers.models import ProviderCall

_FIELDS = {"repo", "feature_request", "flow_type", "block_family", "context"}
_AGO = re.compile(r"(\d{1,6})([smhd])")
_UNITS = {"s": "seconds", "m": "minutes", "h": "hours", "d": "days"}
_TAGS = ["flows"]


def flow_for(request: Request, flow_id: str) -> Flow:
    """The flow ``flow_id``, within the caller's reach."""
    flow = Flow.objects.select_related("repo").filter(pk=flow_id).first()
    if flow is None or not caller_of(request).reaches(flow.repo):
        # A foreign flow and none are answered alike, so that ids cannot be probed.
        raise Problem(
            404,
            "flow:not-found",
            f"There is no flow {flow_id!r} within your reach.",
            cure="`blocks status flows` lists yours.",
        )
    return flow


def _since(text: str) -> datetime:
    """A time: ISO 8601, or how long ago: ``90s``, ``30m``, ``1h``, ``7d``."""
    if match := _AGO.fullmatch(text):
        return timezone.now() - timedelta(**{_UNITS[match[2]]: int(match[1])})
    try:
        found = parse_datetime(text.replace(" ", "+"))
    except ValueError:
        found = None
    if found is None:
        raise Problem(
            400,
            "request:invalid-filter",
            f"since={text!r} is not a time.",
            cure="Send 1h, 24h, or an ISO 8601 time.",
        )
    return found if found.tzinfo else timezone.make_aware(found)


def _filtered(request: Request) -> QuerySet[Flow]:
    caller, query = caller_of(request), request.query_params
    rows = Flow.objects.select_related("repo")
    if not caller.is_operator:
        rows = rows.filter(repo=caller.token.repo)
    if name := query.get("repo"):
        rows = rows.filter(repo=repo_for(request, name))
    if wanted := query.get("status"):
        asked = set(wanted.split(","))
        if unknown := asked - set(FlowStatus.values):
            raise Problem(
                400,
                "request:invalid-filter",
                f"{sorted(unknown)[0]!r} is no status.",
                cure=f"Use: {', '.join(FlowStatus.values)}.",
            )
        rows = rows.filter(status__in=asked)
    if query.get("failed", "").lower() in {"1", "true", "yes"}:
        rows = rows.filter(status=FlowStatus.FAILED)
    if since := query.get("since"):
        rows = rows.filter(created_at__gte=_since(since))
    return rows


class Flows(APIView):
    """All flows within the caller's reach."""

    @extend_schema(
        operation_id="flows_list",
        tags=_TAGS,
        responses=schema.FlowPage,
        parameters=[
            OpenApiParameter("status", description="One or several, comma-separated."),
            OpenApiParameter("repo"),
            OpenApiParameter("since", description="An ISO 8601 time, or how long ago: 1h, 24h, 7d."),
            OpenApiParameter("failed", OpenApiTypes.BOOL),
            OpenApiParameter("limit", OpenApiTypes.INT),
            OpenApiParameter("cursor"),
        ],
    )
    def get(self, request: Request) -> Response:
        """List flows, newest first, a page at a time."""
        pages = ByNewest()
        page = pages.paginate_queryset(_filtered(request), request, self) or []
        reasons = representation.wait_reasons(page)
        return pages.get_paginated_response([representation.brief(flow, reasons) for flow in page])

    @extend_schema(
        operation_id="flows_create",
        tags=_TAGS,
        request=schema.FlowAsked,
        responses={202: schema.FlowShown},
        parameters=[
            OpenApiParameter(
                "Idempotency-Key", location="header", description="The same key and body give the same flow."
            ),
        ],
    )
    def post(self, request: Request) -> Response:
        """Start a flow. 202: it runs on; follow it under ``Location``."""
        body = dict(request.data)
        repo = repo_for(request, _name_of_repo(request, body))
        if unknown := sorted(set(body) - _FIELDS):
            raise Problem(
                422,
                "request:unknown-field",
                f"There is no field {unknown[0]!r}.",
                cure=f"Send only {', '.join(sorted(_FIELDS))}.",
            )
        key, digest = idempotency.key_of(request), idempotency.digest_of(body)
        if flow := _replayed(repo, key, digest):
            return _accepted(flow, replayed=True)
        asked = validation.check(repo, body)
        try:
            flow = engine.create(
                asked.repo,
                asked.feature_request,
                flow_type=asked.flow_type,
                block_family=asked.block_family,
                snapshot=asked.snapshot,
                settings=asked.settings,
                created_by=caller_of(request).name,
                idempotency_key=key,
                request_digest=digest,
            )
        except engine.IdempotencyConflict as error:  # two requests with one key at the same moment
            raise _refused(error) from error
        return _accepted(flow, replayed=False)


def _name_of_repo(request: Request, body: dict[str, Any]) -> str:
    name = body.get("repo")
    own = caller_of(request).token.repo
    if name in (None, "") and own is not None:
        body["repo"] = own.name
        return own.name
    if not isinstance(name, str) or not name:
        raise Problem(
            422, "request:invalid", "repo: a repo must be named.", cure='Send {"repo": "<name>", ...}.'
        )
    return name


def _replayed(repo: Repo, key: str | None, digest: str) -> Flow | None:
    if key is None:
        return None
    flow = Flow.objects.select_related("repo").filter(repo=repo, idempotency_key=key).first()
    if flow is not None and flow.request_digest != digest:
        raise Problem(
            409,
            engine.IdempotencyConflict.code,
            f"The key {key!r} came before with another body and made {flow.id}.",
            cure=engine.IdempotencyConflict.cure,
            flow=flow.id,
        )
    return flow


def _accepted(flow: Flow, *, replayed: bool) -> Response:
    headers = {"Location": f"/api/v1/flows/{flow.id}/"} | (
        {"Idempotent-Replayed": "true"} if replayed else {}
    )
    return Response(representation.brief(flow), status=202, headers=headers)


class OneFlow(APIView):
    """One flow with its stages, attempts, waits, cost and error."""

    @extend_schema(operation_id="flows_get", tags=_TAGS, responses=schema.FlowShown)
    def get(self, request: Request, flow_id: str) -> Response:
        """Show a flow."""
        return Response(representation.full(flow_for(request, flow_id)))


class AnyAccept(DefaultContentNegotiation):
    """For answers that are no JSON: whatever the client accepts, the view knows what it sends."""

    def select_renderer(self, request: Request, renderers: Any, format_suffix: str | None = None) -> Any:  # noqa: ARG002
        """The first renderer, for errors only."""
        return renderers[0], renderers[0].media_type


class Events(APIView):
    """A flow's events."""

    renderer_classes = [JSONRenderer, event_stream.EventStream]
    content_negotiation_class: type[BaseContentNegotiation] = AnyAccept

    @extend_schema(
        operation_id="flows_events",
        tags=_TAGS,
        responses={(200, "text/event-stream"): OpenApiTypes.STR},
        parameters=[
            OpenApiParameter("after", OpenApiTypes.INT, description="Only events after this id."),
            OpenApiParameter("Last-Event-ID", OpenApiTypes.INT, location="header"),
        ],
    )
    def get(self, request: Request, flow_id: str) -> HttpResponseBase:
        """Follow a flow as server-sent events until it has ended; the last event is ``end``."""
        flow = flow_for(request, flow_id)
        after = event_stream.start_after(
            request.headers.get("Last-Event-ID"), request.query_params.get("after")
        )
        answer = StreamingHttpResponse(event_stream.events(flow.id, after), content_type="text/event-stream")
        answer["Cache-Control"], answer["X-Accel-Buffering"] = "no-store", "no"
        return answer


class Gates(APIView):
    """What the gates found."""

    @extend_schema(operation_id="flows_gates", tags=_TAGS, responses=schema.GatesShown)
    def get(self, request: Request, flow_id: str) -> Response:
        """Every gate's report, in the order of the rounds."""
        flow = flow_for(request, flow_id)
        rows = GateResult.objects.filter(flow=flow).order_by("round", "id")
        return Response(
            {"flow": flow.id, "status": flow.status, "gates": [representation.gate(row) for row in rows]}
        )


class GatesReplay(APIView):
    """The gates once more."""

    @extend_schema(
        operation_id="flows_gates_replay", tags=_TAGS, request=None, responses={202: schema.ReplayShown}
    )
    def post(self, request: Request, flow_id: str) -> Response:
        """Run the gates again on the sealed block. 202: a worker does it; one that is under way is given back."""
        flow = flow_for(request, flow_id)
        if downloads.block(flow) is None:
            raise _no_block(flow)
        started = requests.ask(GateReplay, flow, caller_of(request).name)
        location = {"Location": f"/api/v1/flows/{flow.id}/gates/replay/"}
        return Response(gate_replay.shown(started), status=202, headers=location)

    @extend_schema(operation_id="flows_gates_replayed", tags=_TAGS, responses=schema.ReplayShown)
    def get(self, request: Request, flow_id: str) -> Response:
        """The last replay: sealed verdicts beside those given again."""
        flow = flow_for(request, flow_id)
        newest = requests.newest(GateReplay, flow)
        if newest is None:
            raise Problem(
                404,
                "replay:none",
                f"The gates of {flow.id} were not run again.",
                cure=f"`blocks verify replay {flow.id}`.",
            )
        return Response(gate_replay.shown(newest))


class Calls(APIView):
    """What was asked of the providers."""

    @extend_schema(operation_id="flows_calls", tags=_TAGS, responses=schema.CallsShown)
    def get(self, request: Request, flow_id: str) -> Response:
        """Every provider call with tokens and cost."""
        flow = flow_for(request, flow_id)
        rows = ProviderCall.objects.filter(flow_id=flow.pk).order_by("created_at")
        return Response(
            {
                "flow": flow.id,
                "cost_usd": representation.usd(flow.cost_usd),
                "calls": [representation.call(row) for row in rows],
            }
        )


class Evidence(APIView):
    """What proves that the gates passed."""

    content_negotiation_class: type[BaseContentNegotiation] = AnyAccept

    @extend_schema(
        operation_id="flows_evidence",
        tags=_TAGS,
        responses=schema.EvidenceShown,
        parameters=[
            OpenApiParameter("format", enum=["json", "zip"], description="Or Accept: application/zip.")
        ],
    )
    def get(self, request: Request, flow_id: str) -> HttpResponseBase:
        """The evidence files; also of a failed flow, as far as it came."""
        flow = flow_for(request, flow_id)
        files = downloads.evidence(flow)
        if request.query_params.get("format") == "zip" or "application/zip" in request.headers.get(
            "Accept", ""
        ):
            return _attachment(downloads.as_zip(files), "application/zip", f"{flow.id}-evidence.zip")
        return Response({"flow": flow.id, "status": flow.status, "files": snapshot.as_json(files)})


class BlockFile(APIView):
    """The block itself."""

    content_negotiation_class: type[BaseContentNegotiation] = AnyAccept

    @extend_schema(
        operation_id="flows_block", tags=_TAGS, responses={(200, "application/gzip"): OpenApiTypes.BINARY}
    )
    def get(self, request: Request, flow_id: str) -> HttpResponseBase:
        """The block as tar.gz: its files, its evidence under ``evidence/``, and ``manifest.json`` with every SHA-256."""
        flow = flow_for(request, flow_id)
        sealed = downloads.block(flow)
        if sealed is None:
            raise _no_block(flow)
        return _attachment(sealed, "application/gzip", f"{flow.id}-block.tar.gz")


def _no_block(flow: Flow) -> Problem:
    ended = flow.finished_at is not None
    return Problem(
        409 if not ended else 404,
        "flow:no-block",
        f"{flow.id} {'ended without a block' if ended else 'has no block yet'} ({flow.status}).",
        cure="See why: `blocks verify show " + flow.id + " --verbose`."
        if ended
        else "Wait until it has passed.",
    )


def _attachment(content: bytes, media_type: str, name: str) -> HttpResponse:
    return HttpResponse(
        content, content_type=media_type, headers={"Content-Disposition": f'attachment; filename="{name}"'}
    )


class Cancel(APIView):
    """End a flow."""

    @extend_schema(operation_id="flows_cancel", tags=_TAGS, request=None, responses=schema.FlowShown)
    def post(self, request: Request, flow_id: str) -> Response:
        """Cancel a flow; cancelling it again changes nothing; one that passed or failed stays so."""
        flow = flow_for(request, flow_id)
        engine.cancel(flow.id, actor=caller_of(request).name)
        flow.refresh_from_db()
        if flow.status != FlowStatus.CANCELLED:
            raise Problem(
                409, "flow:ended", f"{flow.id} has ended: {flow.status}.", cure="Nothing is left to cancel."
            )
        return Response(representation.brief(flow))


class Retry(APIView):
    """Run a failed flow on."""

    @extend_schema(operation_id="flows_retry", tags=_TAGS, request=None, responses={202: schema.FlowShown})
    def post(self, request: Request, flow_id: str) -> Response:
        """Run a failed flow again from the stage that failed; what passed is kept."""
        flow = flow_for(request, flow_id)
        try:
            flow = engine.retry(flow.id, actor=caller_of(request).name)
        except engine.EngineError as error:
            raise _refused(error) from error
        return _accepted(flow, replayed=False)


def _refused(error: engine.EngineError) -> Problem:
    return Problem(409, error.code, str(error), cure=error.cure)
