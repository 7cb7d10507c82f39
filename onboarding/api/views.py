"""Onboarding over REST: ask, list, show, decide, schedule."""

from collections.abc import Callable
from dataclasses import asdict, replace
from functools import partial
from typing import Any, Final

from django.contrib.auth.models import User
from django.core.exceptions import ValidationError
from django.db.models import QuerySet
from drf_spectacular.utils import OpenApiParameter
from rest_framework.exceptions import ValidationError as RefusedFields
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.views import APIView

from onboarding import batch, engine, rollout
from onboarding.api.filters import OnboardingFilter
from onboarding.api.serializers import (
    NewOnboardingBatchSerializer,
    NewOnboardingRequestSerializer,
    OnboardingBatchSerializer,
    OnboardingDetailSerializer,
    OnboardingReasonSerializer,
    OnboardingRequestSerializer,
)
from onboarding.errors import BatchRefused, PortalClosed, UnknownOnboardingRequest
from onboarding.models import OnboardingRequest
from orchestrator.repos.access import TokenHolder, caller_of
from orchestrator.repos.scopes import TokenScope
from orchestrator.rest import idempotency
from orchestrator.rest.filters import StrictFilterBackend
from orchestrator.rest.links import build_url
from orchestrator.rest.openapi import describe_operation
from orchestrator.rest.pagination import NewestFirstPagination
from orchestrator.rest.problems import Problem, read_status
from orchestrator.rest.refusals import INVALID, ProblemKind, refusal_by
from orchestrator.rest.request_bodies import read_valid
from orchestrator.rest.sparse_fields import SparseListView

_TAGS: Final = ["onboarding"]
_REFERENCE: Final = OpenApiParameter(
    "reference", location=OpenApiParameter.PATH, description="The request's reference, such as ONB-7K3QF."
)
_UNKNOWN: Final = refusal_by(UnknownOnboardingRequest)
_WRONG_STATE: Final = refusal_by(engine.NotInThatState)
_DECIDED: Final = refusal_by(engine.AlreadyDecided)
_KEY: Final = OpenApiParameter(
    "Idempotency-Key",
    location=OpenApiParameter.HEADER,
    description="1 to 255 visible ASCII characters. The same key and body give the same request.",
    pattern="^[!-~]{1,255}$",
)


def _within_reach(request: Request) -> QuerySet[OnboardingRequest]:
    """Every request for an operator; for the token of a repo, those that have become that repo."""
    rows = OnboardingRequest.objects.all()
    caller = caller_of(request)
    return rows if caller.is_operator else rows.filter(repo=caller.token.repo)


def _find(request: Request, reference: str) -> OnboardingRequest:
    # The same answer for one of others and for none, so that references cannot be probed.
    found = _within_reach(request).filter(reference=reference.upper()[:12].replace("\0", "")).first()
    if found is None:
        raise UnknownOnboardingRequest(f"There is no request {reference[:40]!r} within your reach.")
    return found


def _show(request: Request, found: OnboardingRequest, **more: Any) -> Response:
    # Read again: the door has changed it, and its steps, in another object.
    rows = OnboardingRequest.objects.prefetch_related("steps", "events")
    shown = OnboardingDetailSerializer(rows.get(pk=found.pk), context={"request": request})
    return Response(shown.data, **more)


class OnboardingListView(SparseListView[OnboardingRequest]):
    """Requests within the caller's reach."""

    scopes = {"GET": TokenScope.FLOWS_READ, "POST": TokenScope.OPS_WRITE}
    sparse_serializer = OnboardingRequestSerializer
    orderings = {"-created_at": ("-pk",), "created_at": ("pk",)}
    filter_backends = [StrictFilterBackend]
    filterset_class = OnboardingFilter
    queryset = OnboardingRequest.objects.all()
    serializer_class = OnboardingRequestSerializer
    pagination_class = NewestFirstPagination

    def get_queryset(self) -> QuerySet[OnboardingRequest]:
        """Those within the caller's reach."""
        return _within_reach(self.request)

    @describe_operation(
        "onboarding_list",
        tags=_TAGS,
        responses=OnboardingRequestSerializer(many=True),
        summary="List the repos that are being onboarded.",
    )
    def get(self, request: Request) -> Response:
        """A page of requests, newest first."""
        return self.answer_page(request, self.filter_queryset(self.get_queryset()))

    @describe_operation(
        "onboarding_create",
        tags=_TAGS,
        refused=(
            INVALID,
            refusal_by(PortalClosed),
            refusal_by(engine.AlreadyRequested),
            refusal_by(engine.AlreadyEnabled),
            refusal_by(engine.KeyUsedAgain),
            ProblemKind(
                400, "idempotency:invalid-key", "Idempotency-Key is not 1 to 255 visible ASCII characters."
            ),
        ),
        parameters=[_KEY],
        request=NewOnboardingRequestSerializer,
        responses={202: OnboardingDetailSerializer},
        summary="Ask for a repo to be enabled.",
    )
    def post(self, request: Request) -> Response:
        """202: its checks run; follow it under ``Location``."""
        caller, key = caller_of(request), idempotency.read_key(request) or ""
        # Of the body as it came, and compared before anything is checked: a request that is sent again is
        # answered even where the portal has been closed since.
        digest = idempotency.digest_body(dict(request.data))
        known = engine.find_created(caller.name, key, digest)
        if known is not None:
            return self._answer(request, known, replayed=True)
        given = read_valid(NewOnboardingRequestSerializer, request)
        closed = rollout.find_closure()
        if closed:
            raise PortalClosed(closed)
        try:
            new = _read_new(given, caller.name, key, digest)
            made = engine.create_request(replace(new, token_maker=_find_maker(caller)))
        except ValidationError as error:
            raise RefusedFields(_name_fields(error.message_dict)) from error
        return self._answer(request, made, replayed=False)

    def _answer(self, request: Request, found: OnboardingRequest, *, replayed: bool) -> Response:
        headers = {"Location": build_url(request, f"/api/v1/onboarding/{found.reference}/")}
        if replayed:
            headers["Idempotent-Replayed"] = "true"
        return _show(request, found, status=202, headers=headers)


def _find_maker(caller: TokenHolder) -> User | None:
    """The account of the person who has made the caller's token, where it has an address to compare."""
    maker = caller.token.created_by
    return User.objects.filter(username=maker).exclude(email="").first() if maker else None


def _read_new(given: dict[str, Any], actor: str, key: str, digest: str) -> engine.NewRequest:
    # With a slash it is the code host's name; without one, ours alone.
    path = given["repo"] if "/" in given["repo"] else ""
    return engine.NewRequest(
        repo_name="" if path else given["repo"],
        code_host_path=path,
        block_family=given["block_family"],
        team_lead=given["team_lead"],
        code_host=given["code_host"],
        clone_url=given["clone_url"],
        ci_system=given["ci_system"],
        ci_credentials=given["ci_credentials"],
        clones_privately=given["clones_privately"],
        phase=given.get("phase", ""),
        wanted_on=given.get("wanted_on"),
        requested_from=actor,
        idempotency_key=key,
        body_digest=digest,
    )


def _name_fields(messages: dict[str, list[str]]) -> dict[str, list[str]]:
    """The messages under the names of the body."""
    # The client has sent one name, which the model keeps as two.
    own = {"repo_name": "repo", "code_host_path": "repo"}
    named: dict[str, list[str]] = {}
    for field, said in messages.items():
        named.setdefault(own.get(field, field), []).extend(said)
    return named


class OnboardingDetailView(APIView):
    """One request."""

    scopes = {"GET": TokenScope.FLOWS_READ}

    @describe_operation(
        "onboarding_read",
        tags=_TAGS,
        refused=(_UNKNOWN,),
        parameters=[_REFERENCE],
        responses=OnboardingDetailSerializer,
        summary="Show a request: its steps with their logs, and its timeline.",
    )
    def get(self, request: Request, reference: str) -> Response:
        """The request."""
        return _show(request, _find(request, reference))


class OnboardingActionView(APIView):
    """What an SRE does to a request, with a reason that is kept."""

    scopes = {"POST": TokenScope.OPS_WRITE}

    def act(
        self, request: Request, reference: str, door: Callable[..., OnboardingRequest], reason: str = "reason"
    ) -> Response:
        """Go through a door of the engine; the reason is its argument of that name."""
        # The body before the row: who sends nonsense does not learn which references there are.
        given = read_valid(OnboardingReasonSerializer, request)
        found = _find(request, reference)
        door(found.pk, actor=caller_of(request).name, **{reason: given["reason"]})
        return _show(request, found)


# How all of them are asked, and what they answer.
_describe_action = partial(
    describe_operation,
    tags=_TAGS,
    parameters=[_REFERENCE],
    request=OnboardingReasonSerializer,
    responses=OnboardingDetailSerializer,
)


class OnboardingApprovalView(OnboardingActionView):
    """Says yes on behalf of the team lead."""

    @_describe_action(
        "onboarding_approve",
        refused=(_UNKNOWN, _DECIDED, INVALID),
        summary="Approve on behalf of the team lead.",
    )
    def post(self, request: Request, reference: str) -> Response:
        """200: the timeline has who did it, and why."""
        return self.act(request, reference, engine.approve, "on_behalf")


class OnboardingRejectionView(OnboardingActionView):
    """Says no."""

    @_describe_action(
        "onboarding_reject",
        refused=(_UNKNOWN, _DECIDED, INVALID),
        summary="Reject: the request is over, and may be made again.",
    )
    def post(self, request: Request, reference: str) -> Response:
        """200."""
        return self.act(request, reference, engine.reject)


class OnboardingRetryView(OnboardingActionView):
    """Continues from the step that failed."""

    @_describe_action(
        "onboarding_retry",
        refused=(_UNKNOWN, _WRONG_STATE, INVALID),
        summary="Retry from the step that failed.",
    )
    def post(self, request: Request, reference: str) -> Response:
        """200: what has passed is not run again."""
        return self.act(request, reference, engine.retry)


class OnboardingCancellationView(OnboardingActionView):
    """Ends a request before anything was provisioned."""

    @_describe_action(
        "onboarding_cancel",
        refused=(_UNKNOWN, _WRONG_STATE, INVALID),
        summary="Cancel a request of which nothing was provisioned yet.",
    )
    def post(self, request: Request, reference: str) -> Response:
        """200, also where it was cancelled before."""
        return self.act(request, reference, engine.cancel)


class OffboardingView(OnboardingActionView):
    """Takes back what was provisioned."""

    @_describe_action(
        "onboarding_offboard",
        refused=(_UNKNOWN, _WRONG_STATE, INVALID),
        summary="Offboard: delete what carries our mark, in reverse order.",
    )
    def post(self, request: Request, reference: str) -> Response:
        """200, also where it is under way."""
        return self.act(request, reference, engine.offboard)


class OnboardingBatchView(APIView):
    """Takes a list of repos."""

    scopes = {"POST": TokenScope.OPS_WRITE}

    @describe_operation(
        "onboarding_batch",
        tags=_TAGS,
        refused=(INVALID, refusal_by(BatchRefused)),
        request=NewOnboardingBatchSerializer,
        responses={202: OnboardingBatchSerializer},
        summary="Schedule a list of repos.",
    )
    def post(self, request: Request) -> Response:
        """The whole list or no line of it.

        A refusal lists every line that is wrong under `lines`, with its number, column and reason.
        """
        given = read_valid(NewOnboardingBatchSerializer, request)
        caller = caller_of(request)
        try:
            made = batch.schedule_batch(
                given["repos"],
                actor=caller.name,
                token_maker=_find_maker(caller),
                wanted_on=given.get("wanted_on"),
            )
        except BatchRefused as error:
            # Beside the standard members of a problem, so that a script finds each line.
            lines = [asdict(line) for line in error.bad_lines]
            raise Problem(
                read_status(error), error.code, error.message, cure=error.cure, lines=lines
            ) from error
        shown = OnboardingBatchSerializer({"requests": made}, context={"request": request})
        # Where all of them are, newest first.
        headers = {"Location": build_url(request, "/api/v1/onboarding/")}
        return Response(shown.data, status=202, headers=headers)
