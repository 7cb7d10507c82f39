"""CI jobs over REST: which ones a repo trusts, and the exchange of their OIDC tokens."""

from typing import Any

from rest_framework import status
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.views import APIView

from orchestrator.core import audit
from orchestrator.repos import tokens
from orchestrator.repos.access import caller_of, repo_for
from orchestrator.repos.api.ci_job_serializers import (
    CiTrustSerializer,
    IdTokenSerializer,
    NewCiTrustSerializer,
)
from orchestrator.repos.api.refusals import OF_A_REPO
from orchestrator.repos.api.token_serializers import CreatedTokenSerializer
from orchestrator.repos.api.token_views import answer_with_secret
from orchestrator.repos.api.views import NAME
from orchestrator.repos.ci_jobs.exchange import IdTokenUsed, NoTrust, SeveralRepos, exchange_id_token
from orchestrator.repos.ci_jobs.id_tokens import ExchangeNotConfigured, IdTokenRefused
from orchestrator.repos.ci_jobs.signing_keys import KeysAway
from orchestrator.repos.models import CiTrust
from orchestrator.repos.scopes import TokenScope
from orchestrator.rest.filters import StrictFilterBackend
from orchestrator.rest.links import build_url
from orchestrator.rest.openapi import describe_number, describe_operation
from orchestrator.rest.pagination import NewestFirstPagination
from orchestrator.rest.problems import Problem
from orchestrator.rest.query_names import KnownQueryOnly
from orchestrator.rest.refusals import INVALID, ProblemKind, refusal_by
from orchestrator.rest.request_bodies import read_valid
from orchestrator.rest.sparse_fields import SparseListView
from orchestrator.rest.throttles import ExchangeThrottle

_TAGS = ["tokens"]
_NUMBER = describe_number("The trust's number.")
_UNKNOWN = ProblemKind(404, "token:unknown-trust", "The repo has no such trust.")
_EXCHANGE_REFUSED = (
    INVALID,
    refusal_by(NoTrust),
    refusal_by(SeveralRepos),
    refusal_by(IdTokenUsed),
    refusal_by(ExchangeNotConfigured),
    refusal_by(IdTokenRefused),
    refusal_by(KeysAway),
)


class CiTrustListView(SparseListView[CiTrust]):
    """The CI jobs that a repo trusts."""

    scopes = {"GET": TokenScope.REPO_ADMIN, "POST": TokenScope.REPO_ADMIN}
    sparse_serializer = CiTrustSerializer
    queryset = CiTrust.objects.select_related("repo")
    serializer_class = CiTrustSerializer
    filter_backends = [StrictFilterBackend]
    pagination_class = NewestFirstPagination

    @describe_operation(
        "ci_trusts_list",
        refused=OF_A_REPO,
        parameters=[NAME],
        tags=_TAGS,
        responses=CiTrustSerializer(many=True),
        summary="List the CI jobs that a repo trusts.",
    )
    def get(self, request: Request, name: str) -> Response:
        """A page of them, newest first."""
        return self.answer_page(request, self.get_queryset().filter(repo=repo_for(request, name)))

    @describe_operation(
        "ci_trusts_create",
        refused=(*OF_A_REPO, INVALID, refusal_by(tokens.ScopeNotHeld)),
        parameters=[NAME],
        tags=_TAGS,
        request=NewCiTrustSerializer,
        responses={201: CiTrustSerializer},
        summary="Trust the CI jobs of a repository.",
    )
    def post(self, request: Request, name: str) -> Response:
        """201: such a job can exchange its OIDC token for a token of this repo with these scopes."""
        repo = repo_for(request, name)
        given = read_valid(NewCiTrustSerializer, request)
        caller = caller_of(request)
        tokens.refuse_scopes_not_held(given["scopes"], caller.token.granted_scopes)
        with audit.act_as(caller.name):
            made = CiTrust.objects.create(repo=repo, created_by=caller.name, **given)
        headers = {"Location": build_url(request, f"/api/v1/repos/{repo.name}/ci-trusts/{made.pk}/")}
        return Response(CiTrustSerializer(made).data, status=status.HTTP_201_CREATED, headers=headers)


class CiTrustDetailView(APIView):
    """One trust."""

    scopes = {"DELETE": TokenScope.REPO_ADMIN}

    @describe_operation(
        "ci_trusts_delete",
        refused=(*OF_A_REPO, _UNKNOWN),
        parameters=[NAME, _NUMBER],
        tags=_TAGS,
        responses={204: None},
        summary="Trust jobs no longer.",
    )
    def delete(self, request: Request, name: str, number: int) -> Response:
        """204; the tokens that were given by it end at once."""
        deleted: Any = CiTrust.objects.filter(repo=repo_for(request, name), pk=number).first()
        if deleted is None:
            raise Problem(
                404,
                "token:unknown-trust",
                f"{name} has no trust {number}.",
                cure=f"`GET /api/v1/repos/{name}/ci-trusts/` lists them.",
            )
        with audit.act_as(caller_of(request).name):
            deleted.delete()
        return Response(status=status.HTTP_204_NO_CONTENT)


class TokenExchangeView(APIView):
    """Exchanges the OIDC token of a CI job. Open: the OIDC token is what the caller shows."""

    authentication_classes = []
    permission_classes = [KnownQueryOnly]

    @describe_operation(
        "tokens_exchange",
        refused=_EXCHANGE_REFUSED,
        tags=_TAGS,
        auth=[],
        request=IdTokenSerializer,
        responses={201: CreatedTokenSerializer},
        summary="Exchange the OIDC token of a CI job for a token of 15 minutes.",
    )
    def post(self, request: Request) -> Response:
        """201 with the secret of a token of the repo that trusts the job.

        The OIDC token must be of an issuer that operators have named, for the audience of this service, and
        it is exchanged once.
        """
        throttle = ExchangeThrottle()
        throttle.refuse_too_many(request)
        given = read_valid(IdTokenSerializer, request)
        try:
            token, secret = exchange_id_token(given["oidc_token"], given["repo"])
        except (IdTokenRefused, IdTokenUsed, NoTrust):
            # Only failures count: many jobs may share an address.
            throttle.count(request)
            raise
        return answer_with_secret(request, token, secret)
