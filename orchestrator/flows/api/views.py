"""Flows over REST: create, list, show, follow, judge, fetch, cancel, retry."""

from collections.abc import Collection
from typing import Any

from django.db.models import QuerySet
from django.http import HttpResponse
from django.http.response import HttpResponseBase
from drf_spectacular.types import OpenApiTypes
from drf_spectacular.utils import OpenApiParameter
from rest_framework.generics import GenericAPIView
from rest_framework.negotiation import BaseContentNegotiation
from rest_framework.renderers import JSONRenderer
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.views import APIView

from blocks.format import snapshot
from orchestrator.flows import engine, representation
from orchestrator.flows.api import event_stream, refusals, validation, waiting
from orchestrator.flows.api.filters import FlowFilter, GateResultFilter, ProviderCallFilter
from orchestrator.flows.api.follower_seats import Seat, seats
from orchestrator.flows.api.serializers.evidence import FlowEvidenceSerializer
from orchestrator.flows.api.serializers.flows import (
    FlowSerializer,
    FlowSummarySerializer,
    NewFlowSerializer,
)
from orchestrator.flows.api.serializers.gate_results import FlowGatesSerializer
from orchestrator.flows.api.serializers.provider_calls import FlowCallsSerializer
from orchestrator.flows.evidence import downloads
from orchestrator.flows.models import Flow, GateResult
from orchestrator.flows.models.states import FlowStatus
from orchestrator.repos.access import caller_of, repo_for
from orchestrator.repos.api.refusals import OF_A_REPO
from orchestrator.repos.models import Repo
from orchestrator.repos.scopes import TokenScope
from orchestrator.rest import idempotency
from orchestrator.rest.etags import tag_weakly
from orchestrator.rest.filters import StrictFilterBackend, refuse_filter
from orchestrator.rest.links import build_url
from orchestrator.rest.negotiation import AnyAcceptNegotiation
from orchestrator.rest.openapi import describe_operation
from orchestrator.rest.pagination import NewestFirstPagination
from orchestrator.rest.problems import Problem
from orchestrator.rest.query_names import ORDERING
from orchestrator.rest.refusals import INVALID
from orchestrator.rest.sparse_fields import SparseFields
from providers.models import ProviderCall

_TAGS = ["flows"]
_CLOCKS = frozenset({"duration_seconds", "estimate", "time"})
"""Fields that change while nothing happens."""
_EVENT_ID = {"type": "integer", "minimum": 0, "maximum": 10**18 - 1}
FLOW_ID = OpenApiParameter("flow_id", location=OpenApiParameter.PATH, description="The flow's id.")
_ORDERINGS = {
    # Ids ascend with time, and unlike times no two are the same.
    "-created_at": ("-pk",),
    "created_at": ("pk",),
    "-finished_at": ("-finished_at", "-pk"),
    "finished_at": ("finished_at", "pk"),
}


def flow_for(request: Request, flow_id: str, *, related: tuple[str, ...] = ()) -> Flow:
    """The flow ``flow_id``, within the caller's reach, with its repo and the rows named in ``related``."""
    flow = Flow.objects.select_related("repo", *related).filter(pk=flow_id).first()
    if flow is None or not caller_of(request).reaches(flow.repo):
        # A foreign flow and an unknown one are answered alike, so that ids cannot be probed.
        raise Problem(
            404,
            "flow:not-found",
            f"There is no flow {flow_id!r} within your reach.",
            cure="`blocks status flows` lists yours.",
        )
    return flow


class FlowListView(SparseFields, GenericAPIView[Flow]):
    """All flows within the caller's reach."""

    scopes = {"GET": TokenScope.FLOWS_READ, "POST": TokenScope.FLOWS_WRITE}
    sparse_serializer = FlowSummarySerializer
    orderings = _ORDERINGS

    queryset = Flow.objects.select_related("repo")
    serializer_class = FlowSummarySerializer
    filter_backends = [StrictFilterBackend]
    filterset_class = FlowFilter
    pagination_class = NewestFirstPagination

    def get_queryset(self) -> QuerySet[Flow]:
        """Every flow for an operator; for a token of a repo, those of the repo."""
        caller = caller_of(self.request)
        rows = super().get_queryset()
        if "finished_at" in self.request.query_params.get(ORDERING, ""):
            rows = rows.filter(finished_at__isnull=False)
        return rows if caller.is_operator else rows.filter(repo=caller.token.repo)

    @describe_operation(
        "flows_list", tags=_TAGS, refused=OF_A_REPO, responses=FlowSummarySerializer(many=True)
    )
    def get(self, request: Request) -> Response:
        """List flows, newest first, a page at a time.

        Ordered by `finished_at`, only flows that have ended are listed.
        """
        page = self.paginate_queryset(self.filter_queryset(self.get_queryset())) or []
        # One query for the reasons of the whole page, instead of one for each flow that waits.
        context = {"request": request, "wait_reasons": representation.read_wait_reasons(page)}
        lines = FlowSummarySerializer(page, many=True, context=context)  # type: ignore[arg-type]
        answer = self.get_paginated_response(self.keep_fields(request, lines).data)
        return tag_weakly(answer, _CLOCKS)

    @describe_operation(
        "flows_create",
        tags=_TAGS,
        refused=(*OF_A_REPO, INVALID, *refusals.CREATION),
        request=NewFlowSerializer,
        responses={202: FlowSummarySerializer},
        parameters=[
            OpenApiParameter(
                "Idempotency-Key",
                location="header",
                description="1 to 255 visible ASCII characters. The same key and request give the same flow.",
                pattern="^[!-~]{1,255}$",
            ),
        ],
    )
    def post(self, request: Request) -> Response:
        """Start a flow. 202: it runs on; follow it under ``Location``."""
        # A copy, because the name of the repo may be filled in.
        body = dict(request.data)
        repo = repo_for(request, _name_of_repo(request, body))
        # The digest covers the body with its repo, and is compared before the checks: a replay of a request
        # is answered even where the settings have changed since.
        key, digest = idempotency.read_key(request), idempotency.digest_body(validation.drop_defaults(body))
        # A flow from before defaults were left out has the digest of the body as it came.
        if flow := _find_created(repo, key, {digest, idempotency.digest_body(body)}):
            # The flow as it is now, not as it was at the first answer.
            return answer_accepted(request, flow, replayed=True)
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
            limits=wanted.limits,
        )
        return answer_accepted(request, flow, replayed=False)


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


def _find_created(repo: Repo, key: str | None, digests: Collection[str]) -> Flow | None:
    """The flow that an earlier request with ``key`` has created; its digest must be one of ``digests``."""
    if key is None:
        return None
    flow = Flow.objects.select_related("repo").filter(repo=repo, idempotency_key=key).first()
    # The same answer that the engine gives where two such requests arrive at once.
    if flow is not None and flow.request_digest not in digests:
        raise Problem(
            409,
            engine.IdempotencyConflict.code,
            f"The key {key!r} came before with another body and made {flow.id}.",
            cure=engine.IdempotencyConflict.cure,
            flow=flow.id,
        )
    return flow


def answer_accepted(request: Request, flow: Flow, *, replayed: bool = False) -> Response:
    """202: the flow runs on, and is found under ``Location``."""
    headers = {"Location": build_url(request, f"/api/v1/flows/{flow.id}/")}
    if replayed:
        headers["Idempotent-Replayed"] = "true"
    lines = FlowSummarySerializer(flow, context={"request": request})
    return Response(lines.data, status=202, headers=headers)


class FlowDetailView(SparseFields, APIView):
    """One flow with its stages, attempts, waits, cost and error."""

    scopes = {"GET": TokenScope.FLOWS_READ}
    sparse_serializer = FlowSerializer
    query_names = (waiting.NAME,)

    @describe_operation(
        "flows_get",
        tags=_TAGS,
        refused=(refusals.UNKNOWN_FLOW, refusals.TOO_MANY_FOLLOWERS, refusals.NO_ROOM),
        responses=FlowSerializer,
        parameters=[
            FLOW_ID,
            OpenApiParameter(
                waiting.NAME,
                {"type": "integer", "minimum": 0, "maximum": waiting.MOST_SECONDS, "default": 0},
                description="Seconds to wait for the flow's end before it is shown. The answer then begins "
                "with white space and has no ETag. It counts as following the flow.",
            ),
        ],
    )
    def get(self, request: Request, flow_id: str) -> HttpResponseBase:
        """Show a flow; with `wait`, when it has ended or the time is over."""
        flow = self._read_flow(request, flow_id)
        seconds = waiting.read_seconds(request.query_params.get(waiting.NAME))
        # Also before the wait, because an answer that has begun cannot be refused.
        serializer = self._represent(request, flow)
        if not seconds or flow.finished_at is not None:
            return tag_weakly(Response(serializer.data), _CLOCKS)
        return waiting.answer_at_end(
            flow.id,
            seconds,
            lambda: JSONRenderer().render(self._represent(request, self._read_flow(request, flow_id)).data),
            _take_seat(request),
        )

    def _read_flow(self, request: Request, flow_id: str) -> Flow:
        return flow_for(request, flow_id, related=("block",))

    def _represent(self, request: Request, flow: Flow) -> FlowSerializer:
        found: FlowSerializer = self.keep_fields(request, FlowSerializer(flow, context={"request": request}))
        return found


def _take_seat(request: Request) -> Seat:
    caller = caller_of(request)
    return seats.take(f"token:{caller.token.pk}", operator=caller.is_operator)


class FlowEventsView(APIView):
    """A flow's events."""

    scopes = {"GET": TokenScope.FLOWS_READ}
    query_names = ("after",)
    renderer_classes = [JSONRenderer, event_stream.EventStreamRenderer]
    content_negotiation_class: type[BaseContentNegotiation] = AnyAcceptNegotiation

    @describe_operation(
        "flows_events",
        tags=_TAGS,
        refused=(refusals.UNKNOWN_FLOW, *refusals.FOLLOWING),
        responses={(200, "text/event-stream"): OpenApiTypes.ANY},
        parameters=[
            FLOW_ID,
            OpenApiParameter("after", _EVENT_ID, description="Only events after this id."),
            OpenApiParameter(
                "Last-Event-ID", _EVENT_ID, location="header", description="The same; it wins over `after`."
            ),
        ],
    )
    def get(self, request: Request, flow_id: str) -> HttpResponseBase:
        """Follow a flow as server-sent events until it has ended; the last event is ``end``."""
        flow = flow_for(request, flow_id)
        last_seen = event_stream.read_last_event_id(
            request.headers.get("Last-Event-ID"), request.query_params.get("after")
        )
        return event_stream.answer_with_events(flow.id, last_seen, _take_seat(request))


class FlowGatesView(GenericAPIView[GateResult]):
    """What the gates found."""

    scopes = {"GET": TokenScope.FLOWS_READ}
    queryset = GateResult.objects.order_by("round", "id")
    serializer_class = FlowGatesSerializer
    filter_backends = [StrictFilterBackend]
    filterset_class = GateResultFilter

    @describe_operation(
        "flows_gates",
        tags=_TAGS,
        refused=(refusals.UNKNOWN_FLOW,),
        parameters=[FLOW_ID],
        responses=FlowGatesSerializer,
    )
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

    @describe_operation(
        "flows_calls",
        tags=_TAGS,
        refused=(refusals.UNKNOWN_FLOW,),
        parameters=[FLOW_ID],
        responses=FlowCallsSerializer,
    )
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

    @describe_operation(
        "flows_evidence",
        tags=_TAGS,
        refused=(refusals.UNKNOWN_FLOW,),
        responses={
            (200, "application/json"): FlowEvidenceSerializer,
            (200, "application/zip"): OpenApiTypes.BINARY,
        },
        parameters=[
            FLOW_ID,
            OpenApiParameter("format", enum=["json", "zip"], description="Or Accept: application/zip."),
        ],
    )
    def get(self, request: Request, flow_id: str) -> HttpResponseBase:
        """The evidence files; also those of a failed flow, up to where it failed."""
        flow = flow_for(request, flow_id)
        files = downloads.collect_evidence(flow)
        # ``AnyAcceptNegotiation`` ignores the header, so it is read here.
        accepted = request.headers.get("Accept", "")
        wanted = request.query_params.get("format")
        if wanted not in (None, "json", "zip"):
            refuse_filter(f"format={wanted[:40]!r} is not offered.", cure="Send json or zip.")
        if wanted == "zip" or (wanted is None and "application/zip" in accepted):
            return _answer_with_file(downloads.pack_zip(files), "application/zip", f"{flow.id}-evidence.zip")
        found = {"flow": flow.id, "status": flow.status, "files": snapshot.encode_files(files)}
        return Response(FlowEvidenceSerializer(found).data)


class FlowBlockView(APIView):
    """The block itself."""

    scopes = {"GET": TokenScope.BLOCKS_READ}
    content_negotiation_class: type[BaseContentNegotiation] = AnyAcceptNegotiation

    @describe_operation(
        "flows_block",
        tags=_TAGS,
        refused=(refusals.UNKNOWN_FLOW, refusals.NO_BLOCK, refusals.BLOCK_TO_COME),
        parameters=[FLOW_ID],
        responses={(200, "application/gzip"): OpenApiTypes.BINARY},
    )
    def get(self, request: Request, flow_id: str) -> HttpResponseBase:
        """Download the block as tar.gz.

        It holds the files, the evidence under ``evidence/``, and ``manifest.json`` with every SHA-256.
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

    @describe_operation(
        "flows_cancel",
        tags=_TAGS,
        refused=(refusals.UNKNOWN_FLOW, refusals.ENDED),
        parameters=[FLOW_ID],
        request=None,
        responses=FlowSummarySerializer,
    )
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
        return Response(FlowSummarySerializer(flow, context={"request": request}).data)


class FlowRetryView(APIView):
    """Run a failed or cancelled flow again, or end the wait of one that waits."""

    scopes = {"POST": TokenScope.FLOWS_WRITE}

    @describe_operation(
        "flows_retry",
        tags=_TAGS,
        refused=(refusals.UNKNOWN_FLOW, refusals.NOT_RETRYABLE, refusals.TOO_MANY_OPEN, refusals.HALTED),
        parameters=[FLOW_ID],
        request=None,
        responses={202: FlowSummarySerializer},
    )
    def post(self, request: Request, flow_id: str) -> Response:
        """Run a failed flow again from the stage that failed.

        One that waits for a provider asks again at once. What passed and what was paid is kept.
        """
        flow = flow_for(request, flow_id)
        retried = engine.retry(flow.id, actor=caller_of(request).name)
        return answer_accepted(request, retried)
