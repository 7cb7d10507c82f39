"""Tokens over REST: make, list, rotate, revoke. A token gives at most what it has itself."""

from datetime import timedelta
from typing import Any

from django.db.models import QuerySet
from rest_framework import status
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.views import APIView

from orchestrator.repos import tokens
from orchestrator.repos.access import caller_of, choose_repo, limit_to_reach
from orchestrator.repos.api.filters import TokenFilter
from orchestrator.repos.api.refusals import FOR_OPERATORS, OF_A_REPO
from orchestrator.repos.api.token_serializers import (
    CreatedTokenSerializer,
    NewTokenSerializer,
    TokenRotationSerializer,
    TokenSerializer,
)
from orchestrator.repos.models import Repo, Token
from orchestrator.repos.scopes import OPERATOR_SCOPES, TokenScope
from orchestrator.rest.filters import StrictFilterBackend
from orchestrator.rest.links import build_url
from orchestrator.rest.openapi import describe_number, describe_operation
from orchestrator.rest.pagination import NewestFirstPagination
from orchestrator.rest.problems import Problem
from orchestrator.rest.refusals import INVALID, ProblemKind, refusal_by
from orchestrator.rest.request_bodies import read_valid
from orchestrator.rest.sparse_fields import SparseFields, SparseListView

_TAGS = ["tokens"]
_NAME_A_REPO = 'Send {"repo": "<name>", ...}, or {"operator": true, ...} to reach every repo.'
_UNKNOWN = ProblemKind(404, "token:not-found", "There is no such token within your reach.")
_SCOPES = (
    ProblemKind(422, "token:operator-scope", "The token of a repo cannot have a scope of operators."),
    refusal_by(tokens.ScopeNotHeld),
)
_ENDED = tuple(map(refusal_by, (tokens.TokenNotLive, tokens.TokenReplaced)))
_NUMBER = describe_number("The token's number.")


class TokenListView(SparseListView[Token]):
    """The tokens within the caller's reach."""

    scopes = {"GET": TokenScope.REPO_ADMIN, "POST": TokenScope.REPO_ADMIN}
    sparse_serializer = TokenSerializer
    queryset = Token.objects.select_related("repo")
    serializer_class = TokenSerializer
    filter_backends = [StrictFilterBackend]
    filterset_class = TokenFilter
    pagination_class = NewestFirstPagination

    def get_queryset(self) -> QuerySet[Token]:
        """Those of the caller's repo; for an operator all, those of operators with ``org:admin`` only."""
        return limit_to_reach(self.request, super().get_queryset())

    @describe_operation(
        "tokens_list",
        tags=_TAGS,
        responses=TokenSerializer(many=True),
        summary="List tokens, newest first.",
    )
    def get(self, request: Request) -> Response:
        """A page of tokens, with when and from where each was used last. Secrets are never shown."""
        return self.answer_page(request, self.filter_queryset(self.get_queryset()))

    @describe_operation(
        "tokens_create",
        refused=(*OF_A_REPO, *FOR_OPERATORS, INVALID, *_SCOPES),
        tags=_TAGS,
        request=NewTokenSerializer,
        responses={201: CreatedTokenSerializer},
        summary="Make a token.",
    )
    def post(self, request: Request) -> Response:
        """201 with the secret, which is shown this once and stored as a digest only."""
        given = read_valid(NewTokenSerializer, request)
        repo = choose_repo(request, given, for_all="operator", cure=_NAME_A_REPO)
        _refuse_scopes(request, given["scopes"], repo)
        token, secret = tokens.create_token(
            given["name"],
            repo,
            scopes=given["scopes"],
            expires_at=given["expires_at"],
            created_by=caller_of(request).name,
        )
        return answer_with_secret(request, token, secret)


class TokenDetailView(SparseFields, APIView):
    """One token."""

    sparse_serializer = TokenSerializer
    scopes = {"GET": TokenScope.REPO_ADMIN, "DELETE": TokenScope.REPO_ADMIN}

    @describe_operation(
        "tokens_get",
        refused=(_UNKNOWN,),
        parameters=[_NUMBER],
        tags=_TAGS,
        responses=TokenSerializer,
        summary="Show a token.",
    )
    def get(self, request: Request, number: int) -> Response:
        """When and from where it was used last, and how long it lives."""
        return Response(self.keep_fields(request, TokenSerializer(_find_token(request, number))).data)

    @describe_operation(
        "tokens_revoke",
        refused=(_UNKNOWN,),
        parameters=[_NUMBER],
        tags=_TAGS,
        responses={204: None},
        summary="Revoke a token.",
    )
    def delete(self, request: Request, number: int) -> Response:
        """204: it ends at once; revoking it again changes nothing. Its row stays, for the history."""
        tokens.revoke_token(_find_token(request, number), revoked_by=caller_of(request).name)
        return Response(status=status.HTTP_204_NO_CONTENT)


class TokenRotationView(APIView):
    """Gives a token a successor."""

    scopes = {"POST": TokenScope.REPO_ADMIN}

    @describe_operation(
        "tokens_rotate",
        refused=(_UNKNOWN, INVALID, *_SCOPES, *map(refusal_by, (tokens.TokenNotLive, tokens.TokenReplaced))),
        parameters=[_NUMBER],
        tags=_TAGS,
        request=TokenRotationSerializer,
        responses={201: CreatedTokenSerializer},
        summary="Rotate a token without downtime.",
    )
    def post(self, request: Request, number: int) -> Response:
        """201 with the secret of a successor, which has the same name, repo, scopes and length of life.

        Both work until the overlap is over. `last_used_at` of the old one tells whether it is still in use.
        """
        given = read_valid(TokenRotationSerializer, request)
        old = _find_token(request, number)
        _refuse_scopes(request, old.granted_scopes, old.repo)
        overlap = timedelta(seconds=given["overlap_seconds"])
        made, secret = tokens.rotate_token(old, created_by=caller_of(request).name, overlap=overlap)
        return answer_with_secret(request, made, secret)


def answer_with_secret(request: Request, token: Token, secret: str) -> Response:
    """201 with the token and its secret, which no cache may keep."""
    headers = {"Location": build_url(request, f"/api/v1/tokens/{token.pk}/"), "Cache-Control": "no-store"}
    shown = CreatedTokenSerializer(token, context={"secret": secret})
    return Response(shown.data, status=status.HTTP_201_CREATED, headers=headers)


def _refuse_scopes(request: Request, wanted: Any, repo: Repo | None) -> None:
    """Refuse scopes that a token of ``repo`` cannot have, and those that the caller does not have."""
    caller = caller_of(request)
    beyond = sorted(scope for scope in wanted if repo is not None and scope in OPERATOR_SCOPES)
    if beyond:
        raise Problem(
            422,
            "token:operator-scope",
            f"The token of a repo cannot have {', '.join(beyond)}.",
            cure="Leave it out, or make the token of an operator.",
        )
    tokens.refuse_scopes_not_held(wanted, caller.token.granted_scopes)


def _find_token(request: Request, number: int) -> Token:
    found = limit_to_reach(request, Token.objects.select_related("repo")).filter(pk=number).first()
    if found is None:
        # A foreign token and none are answered alike.
        raise Problem(
            404,
            "token:not-found",
            f"There is no token {number} within your reach.",
            cure="`GET /api/v1/tokens/` lists yours.",
        )
    return found
