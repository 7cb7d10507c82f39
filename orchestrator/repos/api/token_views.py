"""Tokens over REST: make, list, rotate, revoke. A token gives at most what it has itself."""

from datetime import timedelta
from typing import Any

from django.db.models import QuerySet
from drf_spectacular.utils import OpenApiExample, extend_schema
from rest_framework import status
from rest_framework.generics import GenericAPIView
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.views import APIView

from orchestrator.repos import tokens
from orchestrator.repos.access import caller_of, repo_for, require_operator
from orchestrator.repos.api.filters import TokenFilter
from orchestrator.repos.api.token_serializers import (
    CreatedTokenSerializer,
    NewTokenSerializer,
    TokenRotationSerializer,
    TokenSerializer,
)
from orchestrator.repos.models import Repo, Token
from orchestrator.repos.scopes import OPERATOR_SCOPES, TokenScope
from orchestrator.rest.filters import StrictFilterBackend
from orchestrator.rest.pagination import NewestFirstPagination
from orchestrator.rest.problems import Problem

_TAGS = ["tokens"]
_EXAMPLE = {
    "id": 12,
    "name": "nightly build",
    "repo": "auth-service",
    "operator": False,
    "scopes": ["flows:read", "flows:write", "blocks:read"],
    "status": "live",
    "replaces": None,
    "created_by": "sre",
    "created_at": "2026-03-02T08:00:00Z",
    "expires_at": "2026-05-31T08:00:00Z",
    "last_used_at": None,
    "last_used_from": None,
    "revoked_at": None,
}
_SHOWN = OpenApiExample("A token", value=_EXAMPLE, response_only=True)
_MADE = OpenApiExample("A new token", value={**_EXAMPLE, "secret": "blk_..."}, response_only=True)


class TokenListView(GenericAPIView[Token]):
    """The tokens within the caller's reach."""

    scopes = {"GET": TokenScope.REPO_ADMIN, "POST": TokenScope.REPO_ADMIN}
    queryset = Token.objects.select_related("repo")
    serializer_class = TokenSerializer
    filter_backends = [StrictFilterBackend]
    filterset_class = TokenFilter
    pagination_class = NewestFirstPagination

    def get_queryset(self) -> QuerySet[Token]:
        """Those of the caller's repo; for an operator all, those of operators with ``org:admin`` only."""
        return _tokens_within_reach(self.request)

    @extend_schema(
        operation_id="tokens_list",
        tags=_TAGS,
        responses=TokenSerializer(many=True),
        summary="List tokens, newest first.",
        examples=[_SHOWN],
    )
    def get(self, request: Request) -> Response:  # noqa: ARG002 - DRF's signature
        """A page of tokens, with when and from where each was used last. Secrets are never shown."""
        page: Any = self.paginate_queryset(self.filter_queryset(self.get_queryset()))
        return self.get_paginated_response(TokenSerializer(page, many=True).data)

    @extend_schema(
        operation_id="tokens_create",
        tags=_TAGS,
        request=NewTokenSerializer,
        responses={201: CreatedTokenSerializer},
        summary="Make a token.",
        examples=[
            OpenApiExample(
                "For a CI job that cannot exchange an OIDC token",
                value={
                    "name": "nightly build",
                    "repo": "auth-service",
                    "scopes": ["flows:read", "flows:write", "blocks:read"],
                },
                request_only=True,
            ),
            _MADE,
        ],
    )
    def post(self, request: Request) -> Response:
        """201 with the secret, which is shown this once and stored as a digest only."""
        wanted = NewTokenSerializer(data=request.data)
        wanted.is_valid(raise_exception=True)
        given = wanted.validated_data
        repo = _choose_repo(request, given)
        _refuse_scopes(request, given["scopes"], repo)
        token, secret = tokens.create_token(
            given["name"],
            repo,
            scopes=given["scopes"],
            expires_at=given["expires_at"],
            created_by=caller_of(request).name,
        )
        return answer_with_secret(token, secret)


class TokenDetailView(APIView):
    """One token."""

    scopes = {"GET": TokenScope.REPO_ADMIN, "DELETE": TokenScope.REPO_ADMIN}

    @extend_schema(
        operation_id="tokens_get",
        tags=_TAGS,
        responses=TokenSerializer,
        summary="Show a token.",
        examples=[_SHOWN],
    )
    def get(self, request: Request, number: int) -> Response:
        """When and from where it was used last, and how long it lives."""
        return Response(TokenSerializer(_find_token(request, number)).data)

    @extend_schema(operation_id="tokens_revoke", tags=_TAGS, responses={204: None}, summary="Revoke a token.")
    def delete(self, request: Request, number: int) -> Response:
        """204: it ends at once; revoking it again changes nothing. Its row stays, for the history."""
        tokens.revoke_token(_find_token(request, number))
        return Response(status=status.HTTP_204_NO_CONTENT)


class TokenRotationView(APIView):
    """Gives a token a successor."""

    scopes = {"POST": TokenScope.REPO_ADMIN}

    @extend_schema(
        operation_id="tokens_rotate",
        tags=_TAGS,
        request=TokenRotationSerializer,
        responses={201: CreatedTokenSerializer},
        summary="Rotate a token without downtime.",
        examples=[
            OpenApiExample("An hour to change over", value={"overlap_seconds": 3600}, request_only=True),
            _MADE,
        ],
    )
    def post(self, request: Request, number: int) -> Response:
        """201 with the secret of a successor, which has the same name, repo, scopes and length of life.

        Both work until the overlap is over. `last_used_at` of the old one tells whether it is still in use.
        """
        wanted = TokenRotationSerializer(data=request.data)
        wanted.is_valid(raise_exception=True)
        old = _find_token(request, number)
        _refuse_scopes(request, old.granted_scopes, old.repo)
        overlap = timedelta(seconds=wanted.validated_data["overlap_seconds"])
        made, secret = tokens.rotate_token(old, created_by=caller_of(request).name, overlap=overlap)
        return answer_with_secret(made, secret)


def answer_with_secret(token: Token, secret: str) -> Response:
    """201 with the token and its secret, which no cache may keep."""
    headers = {"Location": f"/api/v1/tokens/{token.pk}/", "Cache-Control": "no-store"}
    shown = CreatedTokenSerializer(token, context={"secret": secret})
    return Response(shown.data, status=status.HTTP_201_CREATED, headers=headers)


def _choose_repo(request: Request, given: dict[str, Any]) -> Repo | None:
    """The repo that the new token is for; None for an operator's."""
    if given["operator"]:
        require_operator(request, TokenScope.ORG_ADMIN)
        return None
    own = caller_of(request).token.repo
    if "repo" in given:
        return repo_for(request, given["repo"])
    if own is None:
        raise Problem(
            422,
            "request:invalid",
            "repo: a repo must be named.",
            cure='Send {"repo": "<name>", ...}, or {"operator": true, ...} to reach every repo.',
        )
    return own


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


def _tokens_within_reach(request: Request) -> QuerySet[Token]:
    caller = caller_of(request)
    rows = Token.objects.select_related("repo")
    if not caller.is_operator:
        return rows.filter(repo=caller.token.repo)
    if TokenScope.ORG_ADMIN not in caller.token.granted_scopes:
        return rows.filter(repo__isnull=False)
    return rows


def _find_token(request: Request, number: int) -> Token:
    found = _tokens_within_reach(request).filter(pk=number).first()
    if found is None:
        # A foreign token and none are answered alike.
        raise Problem(
            404,
            "token:not-found",
            f"There is no token {number} within your reach.",
            cure="`GET /api/v1/tokens/` lists yours.",
        )
    return found
