"""Flows over REST: create, list, show, follow, judge, fetch, cancel, retry."""

from typing import Any

from django.db.models import QuerySet
from django.http import HttpResponse
from django.http.response import HttpResponseBase
from drf_spectacular.types import OpenApiTypes
from drf_spectacular.utils import OpenApiParameter, extend_schema
from rest_framework.generics import GenericAPIView
from rest_framework.negotiation import BaseContentNegotiation, DefaultContentNegotiation
from rest_framework.renderers import JSONRenderer
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.views import APIView

from blocks.format import snapshot
from orchestrator.flows import engine, representation
from orchestrator.flows.api import event_stream, validation
from orchestrator.flows.api.filters import FlowFilter, GateResultFilter, ProviderCallFilter
from orchestrator.flows.api.follower_seats import seats
from orchestrator.flows.api.serializers.evidence import FlowEvidenceSerializer
from orchestrator.flows.api.serializers.flows import (
    FlowPageSerializer,
    FlowSerializer,
    FlowSummarySerializer,
    NewFlowSerializer,
)
from orchestrator.flows.api.serializers.gate_results import FlowGatesSerializer
from orchestrator.flows.api.serializers.provider_calls import FlowCallsSerializer
from orchestrator.flows.evidence import downloads
from orchestrator.flows.models import Flow, GateResult
from orchestrator.flows.models.states import FlowStatus
from orchestrator.repos import repo_settings
from orchestrator.repos.access import caller_of, repo_for
from orchestrator.repos.models import Repo
from orchestrator.repos.scopes import TokenScope
from orchestrator.rest import idempotency
from orchestrator.rest.filters import StrictFilterBackend
from orchestrator.rest.pagination import NewestFirstPagination
from orchestrator.rest.problems import Problem
from providers.models import ProviderCall

# Other fields are refused: a misspelt optional one would otherwise be ignored silently.
_FIELDS = {"repo", "feature_request", "flow_type", "block_family", "context"}
_TAGS = ["flows"]


def flow_for(request: Request, flow_id: str) -> Flow:
    """The flow ``flow_id``, within the caller's reach."""
    flow = Flow.objects.select_related("repo").filter(pk=flow_id).first()
    if flow is None or not caller_of(request).reaches(flow.repo):
        # A foreign flow and an unknown one are answered alike, so that ids cannot be probed.
        raise Problem(
            404,
            "flow:not-found",
            f"There is no flow {flow_id!r} within your reach.",
            cure="`blocks status flows` lists yours.",
        )
    return flow


class FlowListView(GenericAPIView[Flow]):
    """All flows within the caller's reach."""

    scopes = {"GET": TokenScope.FLOWS_READ, "POST": TokenScope.FLOWS_WRITE}
    queryset = Flow.objects.select_related("repo")
    serializer_class = FlowSummarySerializer
    filter_backends = [StrictFilterBackend]
    filterset_class = FlowFilter
    pagination_class = NewestFirstPagination

    def get_queryset(self) -> QuerySet[Flow]:
        """Every flow for an operator; for a token of a repo, those of the repo."""
        caller = caller_of(self.request)
        rows = super().get_queryset()
        return rows if caller.is_operator else rows.filter(repo=caller.token.repo)

    @extend_schema(
        operation_id="flows_list",
        tags=_TAGS,
        responses=FlowPageSerializer,
        parameters=[
            OpenApiParameter("status", description="One or several, comma-separated."),
            OpenApiParameter("repo"),
            OpenApiParameter("since", description="An ISO 8601 time, or how long ago: 1h, 24h, 7d."),
            OpenApiParameter("failed", OpenApiTypes.BOOL),
            OpenApiParameter("limit", OpenApiTypes.INT),
            OpenApiParameter("cursor"),
        ],
    )
    def get(self, request: Request) -> Response:  # noqa: ARG002 - DRF's signature
        """List flows, newest first, a page at a time."""
        page = self.paginate_queryset(self.filter_queryset(self.get_queryset())) or []
        # One query for the reasons of the whole page, instead of one for each flow that waits.
        context = {"wait_reasons": representation.read_wait_reasons(page)}
        lines = FlowSummarySerializer(page, many=True, context=context)  # type: ignore[arg-type]
        return self.get_paginated_response(lines.data)

    @extend_schema(
        operation_id="flows_create",
        tags=_TAGS,
        request=NewFlowSerializer,
        responses={202: FlowSummarySerializer},
        parameters=[
            OpenApiParameter(
                "Idempotency-Key", location="header", description="The same key and body give the same flow."
            ),
        ],
    )
    def post(self, request: Request) -> Response:
        """Start a flow. 202: it runs on; follow it under ``Location``."""
        # A copy, because the name of the repo may be filled in.
        body = dict(request.data)
        repo = repo_for(request, _name_of_repo(request, body))
        if unknown := sorted(set(body) - _FIELDS):
            raise Problem(
                422,
                "request:unknown-field",
                f"There is no field {unknown[0]!r}.",
                cure=f"Send only {', '.join(sorted(_FIELDS))}.",
            )
        # The digest covers the body with its repo, and is compared before the checks: a replay of a request
        # is answered even where the settings have changed since.
        key, digest = idempotency.read_key(request), idempotency.digest_body(body)
        if flow := _find_created(repo, key, digest):
            # The flow as it is now, not as it was at the first answer.
            return _answer_accepted(flow, replayed=True)
        wanted = validation.check_new_flow(repo, body)
        # Two requests with one key at the same moment: the engine refuses the second with
        # IdempotencyConflict.
        flow = engine.create(
            wanted.repo,
            wanted.feature_request,
            flow_type=wanted.flow_type,
            block_family=wanted.block_family,
            snapshot=wanted.snapshot,
            settings=wanted.settings,
            created_by=caller_of(request).name,
            idempotency_key=key,
            request_digest=digest,
            limits=repo_settings.read_limits(wanted.repo.name),
        )
        return _answer_accepted(flow, replayed=False)


def _name_of_repo(request: Request, body: dict[str, Any]) -> str:
    """The repo that ``body`` names.

    A token that is bound to a repo fills it in, so that the digest has it too.
    """
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


def _find_created(repo: Repo, key: str | None, digest: str) -> Flow | None:
    """The flow that an earlier request with ``key`` has created."""
    if key is None:
        return None
    flow = Flow.objects.select_related("repo").filter(repo=repo, idempotency_key=key).first()
    # The same answer that the engine gives where two such requests arrive at once.
    if flow is not None and flow.request_digest != digest:
        raise Problem(
            409,
            engine.IdempotencyConflict.code,
            f"The key {key!r} came before with another body and made {flow.id}.",
            cure=engine.IdempotencyConflict.cure,
            flow=flow.id,
        )
    return flow


def _answer_accepted(flow: Flow, *, replayed: bool) -> Response:
    headers = {"Location": f"/api/v1/flows/{flow.id}/"}
    if replayed:
        headers["Idempotent-Replayed"] = "true"
    return Response(FlowSummarySerializer(flow).data, status=202, headers=headers)


class FlowDetailView(APIView):
    """One flow with its stages, attempts, waits, cost and error."""

    scopes = {"GET": TokenScope.FLOWS_READ}

    @extend_schema(operation_id="flows_get", tags=_TAGS, responses=FlowSerializer)
    def get(self, request: Request, flow_id: str) -> Response:
        """Show a flow."""
        return Response(FlowSerializer(flow_for(request, flow_id)).data)


class AnyAcceptNegotiation(DefaultContentNegotiation):
    """Accepts every ``Accept`` header, for answers that are not JSON.

    The view sends what it has, in its own format.
    """

    def select_renderer(
        self,
        request: Request,  # noqa: ARG002
        renderers: Any,
        format_suffix: str | None = None,  # noqa: ARG002
    ) -> Any:
        """The first renderer, for errors only."""
        # DRF would answer 406 where a client lists only the type of the file that it wants.
        return renderers[0], renderers[0].media_type


class FlowEventsView(APIView):
    """A flow's events."""

    scopes = {"GET": TokenScope.FLOWS_READ}
    query_names = ("after",)
    renderer_classes = [JSONRenderer, event_stream.EventStreamRenderer]
    content_negotiation_class: type[BaseContentNegotiation] = AnyAcceptNegotiation

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
        last_seen = event_stream.read_last_event_id(
            request.headers.get("Last-Event-ID"), request.query_params.get("after")
        )
        caller = caller_of(request)
        seat = seats.take(f"token:{caller.token.pk}", operator=caller.is_operator)
        return event_stream.answer_with_events(flow.id, last_seen, seat)


class FlowGatesView(GenericAPIView[GateResult]):
    """What the gates found."""

    scopes = {"GET": TokenScope.FLOWS_READ}
    queryset = GateResult.objects.order_by("round", "id")
    serializer_class = FlowGatesSerializer
    filter_backends = [StrictFilterBackend]
    filterset_class = GateResultFilter

    @extend_schema(operation_id="flows_gates", tags=_TAGS, responses=FlowGatesSerializer)
    def get(self, request: Request, flow_id: str) -> Response:
        """Every gate's report, in the order of the rounds."""
        flow = flow_for(request, flow_id)
        rows = self.filter_queryset(self.get_queryset().filter(flow=flow))
        found = {"flow": flow.id, "status": flow.status, "gates": rows}
        return Response(FlowGatesSerializer(found).data)


class FlowCallsView(GenericAPIView[ProviderCall]):
    """What was asked of the providers."""

    scopes = {"GET": TokenScope.FLOWS_READ}
    queryset = ProviderCall.objects.order_by("created_at")
    serializer_class = FlowCallsSerializer
    filter_backends = [StrictFilterBackend]
    filterset_class = ProviderCallFilter

    @extend_schema(operation_id="flows_calls", tags=_TAGS, responses=FlowCallsSerializer)
    def get(self, request: Request, flow_id: str) -> Response:
        """Every provider call with tokens and cost."""
        flow = flow_for(request, flow_id)
        rows = self.filter_queryset(self.get_queryset().filter(flow_id=flow.id))
        found = {"flow": flow.id, "cost_usd": flow.cost_usd, "calls": rows}
        return Response(FlowCallsSerializer(found).data)


class FlowEvidenceView(APIView):
    """What proves that the gates passed."""

    scopes = {"GET": TokenScope.BLOCKS_READ}
    query_names = ("format",)
    content_negotiation_class: type[BaseContentNegotiation] = AnyAcceptNegotiation

    @extend_schema(
        operation_id="flows_evidence",
        tags=_TAGS,
        responses=FlowEvidenceSerializer,
        parameters=[
            OpenApiParameter("format", enum=["json", "zip"], description="Or Accept: application/zip.")
        ],
    )
    def get(self, request: Request, flow_id: str) -> HttpResponseBase:
        """The evidence files; also those of a failed flow, up to where it failed."""
        flow = flow_for(request, flow_id)
        files = downloads.collect_evidence(flow)
        # ``AnyAcceptNegotiation`` ignores the header, so it is read here.
        accepted = request.headers.get("Accept", "")
        if request.query_params.get("format") == "zip" or "application/zip" in accepted:
            return _answer_with_file(downloads.pack_zip(files), "application/zip", f"{flow.id}-evidence.zip")
        found = {"flow": flow.id, "status": flow.status, "files": snapshot.encode_files(files)}
        return Response(FlowEvidenceSerializer(found).data)


class FlowBlockView(APIView):
    """The block itself."""

    scopes = {"GET": TokenScope.BLOCKS_READ}
    content_negotiation_class: type[BaseContentNegotiation] = AnyAcceptNegotiation

    @extend_schema(
        operation_id="flows_block", tags=_TAGS, responses={(200, "application/gzip"): OpenApiTypes.BINARY}
    )
    def get(self, request: Request, flow_id: str) -> HttpResponseBase:
        """The block as tar.gz: its files, its evidence under ``evidence/``, and ``manifest.json`` with every
        SHA-256.
        """
        flow = flow_for(request, flow_id)
        return _answer_with_file(read_block(flow), "application/gzip", f"{flow.id}-block.tar.gz")


def read_block(flow: Flow) -> bytes:
    """The sealed block of ``flow``; a problem where it has none, which says whether waiting helps."""
    sealed = downloads.sealed_block(flow)
    if sealed is not None:
        return sealed
    if flow.finished_at is None:
        raise Problem(
            409,
            "flow:no-block",
            f"{flow.id} has no block yet ({flow.status}).",
            cure="Wait until it has passed.",
        )
    raise Problem(
        404,
        "flow:no-block",
        f"{flow.id} ended without a block ({flow.status}).",
        cure=f"See why: `blocks verify show {flow.id} --verbose`.",
    )


def _answer_with_file(content: bytes, media_type: str, name: str) -> HttpResponse:
    return HttpResponse(
        content, content_type=media_type, headers={"Content-Disposition": f'attachment; filename="{name}"'}
    )


class FlowCancelView(APIView):
    """End a flow."""

    scopes = {"POST": TokenScope.FLOWS_WRITE}

    @extend_schema(operation_id="flows_cancel", tags=_TAGS, request=None, responses=FlowSummarySerializer)
    def post(self, request: Request, flow_id: str) -> Response:
        """Cancel a flow; cancelling it again changes nothing; one that passed or failed stays so."""
        flow = flow_for(request, flow_id)
        engine.cancel(flow.id, actor=caller_of(request).name)
        # Cancelling is a compare-and-set in the engine: only the row tells which end came first.
        flow.refresh_from_db()
        if flow.status != FlowStatus.CANCELLED:
            raise Problem(
                409, "flow:ended", f"{flow.id} has ended: {flow.status}.", cure="Nothing is left to cancel."
            )
        return Response(FlowSummarySerializer(flow).data)


class FlowRetryView(APIView):
    """Run a failed or cancelled flow again, or end the wait of one that waits."""

    scopes = {"POST": TokenScope.FLOWS_WRITE}

    @extend_schema(
        operation_id="flows_retry", tags=_TAGS, request=None, responses={202: FlowSummarySerializer}
    )
    def post(self, request: Request, flow_id: str) -> Response:
        """Run a failed flow again from the stage that failed, or ask again at once where one waits for a
        provider.

        What passed and what was paid is kept.
        """
        flow = flow_for(request, flow_id)
        return _answer_accepted(engine.retry(flow.id, actor=caller_of(request).name), replayed=False)
