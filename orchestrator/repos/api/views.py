"""Repos and their settings over REST."""

from collections.abc import Mapping
from typing import Any

from django.core.exceptions import ValidationError
from django.db.models import QuerySet
from drf_spectacular.utils import OpenApiParameter
from rest_framework.exceptions import ValidationError as RefusedFields
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.views import APIView

from orchestrator.repos import clone_urls, repo_settings
from orchestrator.repos.access import TokenHolder, caller_of, repo_for, require_operator
from orchestrator.repos.api import refusals
from orchestrator.repos.api.filters import RepoFilter
from orchestrator.repos.api.serializers import (
    NewRepoSerializer,
    OrganisationConfigSerializer,
    RepoConfigSerializer,
    RepoSerializer,
    TokenOwnerSerializer,
)
from orchestrator.repos.models import Repo, RepoSetting
from orchestrator.repos.registration import OnboardingPaused, register_repo
from orchestrator.repos.scopes import ANY_TOKEN, TokenScope
from orchestrator.rest.etags import CHANGED, build_tag, require_match
from orchestrator.rest.filters import StrictFilterBackend
from orchestrator.rest.links import build_url
from orchestrator.rest.openapi import describe_operation
from orchestrator.rest.pagination import NewestFirstPagination
from orchestrator.rest.problems import to_problem
from orchestrator.rest.refusals import INVALID, refusal_by
from orchestrator.rest.request_bodies import read_valid
from orchestrator.rest.sparse_fields import SparseFields, SparseListView

# Settings change seldom; the bound is for a script that sets one in a loop.
_HISTORY_ROWS = 50
NAME = OpenApiParameter("name", location=OpenApiParameter.PATH, description="The repo's name.")
_IF_MATCH = OpenApiParameter(
    "If-Match",
    location=OpenApiParameter.HEADER,
    description="The ETag of what was read: nothing is set where somebody has changed it since.",
)


class RepoListView(SparseListView[Repo]):
    """The repos within the caller's reach."""

    scopes = {"GET": TokenScope.FLOWS_READ, "POST": TokenScope.ORG_ADMIN}
    sparse_serializer = RepoSerializer
    orderings = {"-created_at": ("-pk",), "created_at": ("pk",), "name": ("name",), "-name": ("-name",)}
    queryset = Repo.objects.all()
    serializer_class = RepoSerializer
    filter_backends = [StrictFilterBackend]
    filterset_class = RepoFilter
    pagination_class = NewestFirstPagination

    def get_queryset(self) -> QuerySet[Repo]:
        """Every repo for an operator; for a token of a repo, that one."""
        caller = caller_of(self.request)
        rows = super().get_queryset()
        # By the token itself and not by its repo's name: a token reaches at most the one row it points to.
        return rows if caller.is_operator else rows.filter(tokens=caller.token)

    @describe_operation("repos_list", responses=RepoSerializer(many=True), tags=["repos"])
    def get(self, request: Request) -> Response:
        """List repos, newest first, a page at a time."""
        return self.answer_page(request, self.filter_queryset(self.get_queryset()))

    @describe_operation(
        "repos_register",
        refused=(INVALID, refusals.CLONE_URL, refusal_by(OnboardingPaused)),
        request=NewRepoSerializer,
        responses={201: RepoSerializer, 200: RepoSerializer},
        tags=["repos"],
    )
    def post(self, request: Request) -> Response:
        """Register a repo; one that is there already is answered with 200 and left as it is.

        For operators.
        """
        given = read_valid(NewRepoSerializer, request)
        if given["clone_url"]:
            # Whether its host is public, no description can say: it has a code and a cure of its own.
            clone_urls.parse_clone_url(given["clone_url"])
        try:
            repo, is_new = register_repo(**given)
        except ValidationError as error:
            raise RefusedFields(error.message_dict) from error
        headers = {"Location": build_url(request, f"/api/v1/repos/{repo.name}/")}
        shown = self.get_serializer(repo)
        return Response(shown.data, status=201 if is_new else 200, headers=headers)


class RepoDetailView(SparseFields, APIView):
    """One repo."""

    scopes = {"GET": TokenScope.FLOWS_READ}
    sparse_serializer = RepoSerializer

    @describe_operation(
        "repos_get",
        tags=["repos"],
        refused=refusals.OF_A_REPO,
        parameters=[NAME],
        responses=RepoSerializer,
    )
    def get(self, request: Request, name: str) -> Response:
        """Show a repo."""
        repo = RepoSerializer(repo_for(request, name), context={"request": request})
        return Response(self.keep_fields(request, repo).data)


class RepoConfigView(APIView):
    """The settings in force for a repo."""

    scopes = {"GET": TokenScope.FLOWS_READ, "PUT": TokenScope.CONFIG_WRITE}

    @describe_operation(
        "repos_config_get",
        tags=["config"],
        refused=refusals.OF_A_REPO,
        parameters=[NAME],
        responses=RepoConfigSerializer,
    )
    def get(self, request: Request, name: str) -> Response:
        """Every key with its value, its source (``env``, ``org``, ``repo``), and who changed what when."""
        return _show_config(repo_for(request, name))

    @describe_operation(
        "repos_config_put",
        tags=["config"],
        refused=(*refusals.OF_A_REPO, *refusals.FOR_OPERATORS, CHANGED, refusals.HALTED, *refusals.SETTINGS),
        parameters=[NAME, _IF_MATCH],
        request={"application/json": repo_settings.describe_keys()},
        responses=RepoConfigSerializer,
    )
    def put(self, request: Request, name: str) -> Response:
        """Set keys: ``{"context.max_size_kb": 180}``; ``null`` takes a value away. All are set, or none."""
        repo = repo_for(request, name)
        # A repo's own token may tighten its settings; what costs others, and the switch, are an operator's.
        for_operators = any(repo_settings.is_for_operators(key) for key in request.data)
        caller = require_operator(request, TokenScope.ORG_ADMIN) if for_operators else caller_of(request)
        return _change_config(repo, request, caller)


class OrganisationConfigView(APIView):
    """The settings that hold for every repo, unless it sets its own."""

    scopes = {"GET": TokenScope.FLOWS_READ, "PUT": TokenScope.ORG_ADMIN}

    @describe_operation("config_get", responses=OrganisationConfigSerializer, tags=["config"])
    def get(self, request: Request) -> Response:  # noqa: ARG002 - DRF's signature
        """Every key with its value, its source (``env``, ``org``), and who changed what when."""
        return _show_config(None)

    @describe_operation(
        "config_put",
        tags=["config"],
        refused=(CHANGED, *refusals.SETTINGS),
        parameters=[_IF_MATCH],
        request={"application/json": repo_settings.describe_keys()},
        responses=OrganisationConfigSerializer,
    )
    def put(self, request: Request) -> Response:
        """Set keys for every repo. For operators."""
        return _change_config(None, request, caller_of(request))


class TokenOwnerView(APIView):
    """The token of the request."""

    scopes = {"GET": ANY_TOKEN}

    @describe_operation("whoami", tags=["repos"], responses=TokenOwnerSerializer)
    def get(self, request: Request) -> Response:
        """Whose token this is and which repo it is bound to."""
        return Response(TokenOwnerSerializer(caller_of(request).token).data)


def _change_config(repo: Repo | None, request: Request, caller: TokenHolder) -> Response:
    _refuse_wrong_values(repo, dict(request.data))
    repo_settings.set_values(
        repo,
        dict(request.data),
        actor=caller.name,
        # Asked under the lock of the change, so that of two changes at once only one matches.
        check=lambda: require_match(request, build_tag(_read_config(repo))),
    )
    return _show_config(repo)


def _refuse_wrong_values(repo: Repo | None, values: Mapping[str, Any]) -> None:
    """Raise a problem that names every value that cannot be set, with the code and the cure of the first."""
    refused: dict[str, repo_settings.SettingRefused] = {}
    for name, value in values.items():
        try:
            repo_settings.check_value(repo, name, value)
        except repo_settings.SettingRefused as error:
            refused[name[:100]] = error
    if refused:
        problem = to_problem(next(iter(refused.values())))
        problem.extra["errors"] = {name: [error.message] for name, error in refused.items()}
        raise problem


def _show_config(repo: Repo | None) -> Response:
    found = _read_config(repo)
    return Response(found, headers={"ETag": build_tag(found)})


def _read_config(repo: Repo | None) -> Any:
    in_force = repo_settings.read_in_force(repo)
    history = RepoSetting.objects.filter(repo=repo)[:_HISTORY_ROWS]
    found: dict[str, Any] = {"repo": None, "config": in_force, "history": history}
    if repo is None:
        return OrganisationConfigSerializer(found).data
    found |= {"repo": repo.name, "enabled": in_force["enabled"].value}
    return RepoConfigSerializer(found).data
