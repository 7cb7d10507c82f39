"""Repos and their settings over REST."""

from typing import Any

from django.core.exceptions import ValidationError
from drf_spectacular.types import OpenApiTypes
from drf_spectacular.utils import extend_schema, inline_serializer
from rest_framework import serializers
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.views import APIView

from orchestrator.repos import repo_settings
from orchestrator.repos.access import Caller, caller_of, repo_for, require_operator
from orchestrator.repos.models import REPO_NAME, Phase, Repo, RepoSetting
from orchestrator.repos.registration import register
from orchestrator.rest.pagination import ByNewest
from orchestrator.rest.problems import Problem

_HISTORY = 50


class RepoShown(serializers.ModelSerializer[Repo]):
    """A repo as the API shows it."""

    enabled = serializers.BooleanField(
        source="is_enabled", help_text="Switched on, and named in REPO_ALLOWLIST where that is set."
    )

    class Meta:
        model = Repo
        fields = ["name", "domain", "team_lead", "clone_url", "phase", "enabled", "paused", "onboarded_at"]


class RepoAsked(serializers.Serializer[Any]):
    """What it takes to register a repo."""

    name = serializers.CharField(max_length=100, validators=[REPO_NAME])
    domain = serializers.CharField(max_length=100, required=False, default="", allow_blank=True)
    team_lead = serializers.EmailField(required=False, default="", allow_blank=True)
    clone_url = serializers.CharField(max_length=500, required=False, default="", allow_blank=True)
    phase = serializers.ChoiceField(choices=Phase.choices, required=False, default=None, allow_null=True)


class Repos(APIView):
    """The repos within the caller's reach."""

    @extend_schema(operation_id="repos_list", responses=RepoShown(many=True), tags=["repos"])
    def get(self, request: Request) -> Response:
        """List repos, newest first, a page at a time."""
        caller, rows = caller_of(request), Repo.objects.all()
        if not caller.is_operator:
            rows = rows.filter(tokens=caller.token)
        pages = ByNewest()
        page = pages.paginate_queryset(rows, request, self)
        return pages.get_paginated_response(RepoShown(page, many=True).data)

    @extend_schema(
        operation_id="repos_register",
        request=RepoAsked,
        responses={201: RepoShown, 200: RepoShown},
        tags=["repos"],
    )
    def post(self, request: Request) -> Response:
        """Register a repo; one that is there already is answered with 200 and left as it is. For operators."""
        require_operator(request)
        asked = RepoAsked(data=request.data)
        asked.is_valid(raise_exception=True)
        try:
            repo, new = register(**asked.validated_data)
        except ValidationError as error:
            raise Problem(
                422, "request:invalid", "; ".join(error.messages), cure="Correct the named fields."
            ) from error
        return Response(
            RepoShown(repo).data,
            status=201 if new else 200,
            headers={"Location": f"/api/v1/repos/{repo.name}/"},
        )


class OneRepo(APIView):
    """One repo."""

    @extend_schema(operation_id="repos_get", responses=RepoShown, tags=["repos"])
    def get(self, request: Request, name: str) -> Response:
        """Show a repo."""
        return Response(RepoShown(repo_for(request, name)).data)


class Change(serializers.ModelSerializer[RepoSetting]):
    """One row of the history."""

    at = serializers.DateTimeField(source="created_at")

    class Meta:
        model = RepoSetting
        fields = ["key", "value", "actor", "at"]


_KEYS_ASKED = {"application/json": OpenApiTypes.OBJECT}
_SHOWN = inline_serializer(
    "Config",
    {
        "repo": serializers.CharField(allow_null=True),
        "enabled": serializers.BooleanField(required=False),
        "config": serializers.DictField(
            child=inline_serializer(
                "Setting",
                {
                    "value": serializers.JSONField(),
                    "source": serializers.ChoiceField(choices=["env", "org", "repo"]),
                },
            )
        ),
        "history": Change(many=True),
    },
)


class Config(APIView):
    """The settings in force for a repo."""

    @extend_schema(operation_id="repos_config_get", responses=_SHOWN, tags=["config"])
    def get(self, request: Request, name: str) -> Response:
        """Every key with its value, its source (``env``, ``org``, ``repo``), and who changed what when."""
        return Response(_config(repo_for(request, name)))

    @extend_schema(operation_id="repos_config_put", request=_KEYS_ASKED, responses=_SHOWN, tags=["config"])
    def put(self, request: Request, name: str) -> Response:
        """Set keys: ``{"context.max_size_kb": 180}``; ``null`` takes a value away. All are set, or none."""
        repo = repo_for(request, name)
        caller = require_operator(request) if "enabled" in request.data else caller_of(request)
        return _put(repo, request, caller)


class OrganisationConfig(APIView):
    """The settings that hold for every repo, unless it sets its own."""

    @extend_schema(operation_id="config_get", responses=_SHOWN, tags=["config"])
    def get(self, request: Request) -> Response:
        """Every key with its value, its source (``env``, ``org``), and who changed what when."""
        caller_of(request)
        return Response(_config(None))

    @extend_schema(operation_id="config_put", request=_KEYS_ASKED, responses=_SHOWN, tags=["config"])
    def put(self, request: Request) -> Response:
        """Set keys for every repo. For operators."""
        return _put(None, request, require_operator(request))


class WhoAmI(APIView):
    """The token that is used."""

    @extend_schema(
        operation_id="whoami",
        tags=["repos"],
        responses=inline_serializer(
            "WhoAmI",
            {
                "name": serializers.CharField(),
                "operator": serializers.BooleanField(),
                "repo": serializers.CharField(allow_null=True),
            },
        ),
    )
    def get(self, request: Request) -> Response:
        """Whose token this is and which repo it is bound to."""
        caller = caller_of(request)
        repo = caller.token.repo
        return Response(
            {
                "name": caller.token.name,
                "operator": caller.is_operator,
                "repo": None if repo is None else repo.name,
            }
        )


def _put(repo: Repo | None, request: Request, caller: Caller) -> Response:
    try:
        repo_settings.put_all(repo, dict(request.data), actor=caller.name)
    except repo_settings.SettingRefused as error:
        raise Problem(422, error.code, str(error), cure=error.cure) from error
    return Response(_config(repo))


def _config(repo: Repo | None) -> dict[str, Any]:
    found = repo_settings.in_force(repo)
    history = RepoSetting.objects.filter(repo=repo)[:_HISTORY]
    body: dict[str, Any] = {"repo": None if repo is None else repo.name}
    if repo is not None:
        body["enabled"] = found["enabled"].value
    body["config"] = {name: {"value": one.value, "source": one.source} for name, one in found.items()}
    body["history"] = Change(history, many=True).data
    return body
