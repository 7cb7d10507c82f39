"""Who calls the API, and which repos they reach."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final, TypeVar

from django.db.models import Model, QuerySet
from rest_framework.permissions import BasePermission
from rest_framework.request import Request

from orchestrator.repos import tokens
from orchestrator.repos.models import Repo, Token, TokenStatus
from orchestrator.repos.scopes import OPERATOR_SCOPES, TokenScope
from orchestrator.rest.authentication import BearerAuthentication
from orchestrator.rest.problems import Problem
from orchestrator.rest.refusals import ProblemKind

if TYPE_CHECKING:  # views import the classes named in settings, those of this module among them
    from rest_framework.views import APIView


_Row = TypeVar("_Row", bound=Model)
OPERATORS_ONLY: Final = ProblemKind(403, "auth:operators-only", "Only an operator's token may do this.")
MISSING_SCOPE: Final = ProblemKind(
    403, "auth:missing-scope", "The token does not have the scope; `scope` names it."
)


@dataclass(frozen=True, slots=True)
class TokenHolder:
    """The holder of a token, as DRF's user. Without a repo: an operator."""

    token: Token
    is_authenticated: bool = True
    is_active: bool = True

    @property
    def name(self) -> str:
        """How the caller is written down as the author of what they do."""
        # 150 characters is what the columns of authors take.
        return f"token:{self.token.name}"[:150]

    @property
    def is_operator(self) -> bool:
        """Whether every repo is within reach."""
        return self.token.is_operator

    def reaches(self, repo: Repo) -> bool:
        """Whether ``repo`` is within reach."""
        return self.is_operator or self.token.repo_id == repo.pk

    def require(self, scope: TokenScope) -> None:
        """Raise a problem where the token does not have ``scope``."""
        if scope in OPERATOR_SCOPES and not self.is_operator:
            raise Problem(
                403,
                "auth:operators-only",
                f"A token of {self.token.repo} may not do this.",
                cure="Ask an operator, or use a token that is not bound to one repo.",
            )
        if scope not in self.token.granted_scopes:
            raise Problem(
                403,
                "auth:missing-scope",
                f"The token {self.token.name!r} does not have the scope {scope}.",
                cure=f"Use a token that has {scope}; `GET /api/v1/whoami/` shows what this one has.",
                scope=scope.value,
            )

    def __str__(self) -> str:
        return self.name


class TokenAuthentication(BearerAuthentication):
    """Tokens of ``repos.Token``."""

    def owner(self, secret: str, request: Request) -> tuple[Any, Any] | None:
        """The caller and the token; a problem where the token has expired."""
        # Behind trusted proxies, the address is the client's.
        token = tokens.find_token(secret, request.META.get("REMOTE_ADDR"))
        if token is None:
            return None
        if token.status == TokenStatus.EXPIRED:
            raise Problem(
                401,
                "auth:expired-token",
                f"The token {token.name!r} expired at {token.expires_at:%Y-%m-%d %H:%M:%S} UTC.",
                cure="Use its successor, or make a new one; a CI job exchanges its OIDC token again.",
                headers={"WWW-Authenticate": 'Bearer error="invalid_token"'},
            )
        return TokenHolder(token), token


class ScopeRequired(BasePermission):
    """The token must have the scope that the view declares for the method.

    A view has ``scopes = {"GET": TokenScope.FLOWS_READ}``; ``ANY_TOKEN`` is for what every live token may do.
    A method without a row fails for everybody; a test compares the rows with the methods.
    """

    def has_permission(self, request: Request, view: "APIView") -> bool:
        """True, or a problem that names the scope."""
        method = "GET" if request.method == "HEAD" else str(request.method)
        handler = getattr(view, method.lower(), None)
        # What the view does not answer is refused as such, and OPTIONS tells what the schema tells everybody.
        if handler is None or method == "OPTIONS":
            return True
        scope: TokenScope | None = view.scopes[method]  # type: ignore[attr-defined]
        if scope is not None:
            caller_of(request).require(scope)
        return True

    @staticmethod
    def describe(view: "APIView", method: str) -> tuple[str, tuple[ProblemKind, ...]]:
        """For OpenAPI: the scope that ``method`` needs, and how a token without it is refused."""
        scope: TokenScope | None = view.scopes[method]  # type: ignore[attr-defined]
        if scope is None:
            return "", ()
        return scope.value, (OPERATORS_ONLY, MISSING_SCOPE) if scope in OPERATOR_SCOPES else (MISSING_SCOPE,)


def caller_of(request: Request) -> TokenHolder:
    """The caller of a request that carries a token."""
    if not isinstance(request.user, TokenHolder):
        raise Problem(
            401, "auth:missing-token", "No token was sent.", cure="Send `Authorization: Bearer blk_...`."
        )
    return request.user


def require_operator(request: Request, scope: TokenScope) -> TokenHolder:
    """The caller, who must be an operator with ``scope``."""
    caller = caller_of(request)
    caller.require(scope)
    return caller


def choose_repo(request: Request, given: Mapping[str, Any], for_all: str, cure: str) -> Repo | None:
    """The repo that a new row is for: the named one, or that of the caller's token.

    None where the field ``for_all`` of the body is true: for no single repo, which takes ``org:admin``.
    ``cure`` shows an operator who says neither how to say it.
    """
    if given[for_all]:
        require_operator(request, TokenScope.ORG_ADMIN)
        return None
    if "repo" in given:
        return repo_for(request, given["repo"])
    own = caller_of(request).token.repo
    if own is None:
        raise Problem(422, "request:invalid", "repo: a repo must be named.", cure=cure)
    return own


def limit_to_reach(request: Request, rows: QuerySet[_Row]) -> QuerySet[_Row]:
    """Those of ``rows`` that belong to the caller's repo, or to any repo where an operator calls.

    Rows of no single repo take ``org:admin``.
    """
    caller = caller_of(request)
    if not caller.is_operator:
        return rows.filter(repo=caller.token.repo)
    if TokenScope.ORG_ADMIN not in caller.token.granted_scopes:
        return rows.filter(repo__isnull=False)
    return rows


def repo_for(request: Request, name: str) -> Repo:
    """The repo called ``name``, within the caller's reach."""
    repo = caller_of(request).token.repo
    if repo is None:
        return _find_repo(name)
    # Read with the token a moment ago.
    if repo.name == name:
        return repo
    # The same answer for a foreign repo and for none, so that names cannot be probed.
    raise Problem(
        403,
        "auth:wrong-repo",
        f"The token belongs to {repo} and does not reach {name!r}.",
        cure=f"Use a token of {name!r}, or run with --repo {repo}.",
    )


def _find_repo(name: str) -> Repo:
    repo = Repo.objects.filter(name=name).first()
    if repo is None:
        raise Problem(
            404,
            "repo:unknown",
            f"No repo is registered as {name!r}.",
            cure="Ask for it at /onboarding/, or pick one that `GET /api/v1/repos/` lists.",
        )
    return repo
