"""Who calls the API, and which repos they reach."""

from dataclasses import dataclass
from typing import Any

from rest_framework.request import Request

from orchestrator.repos import tokens
from orchestrator.repos.models import Repo, Token
from orchestrator.rest.authentication import BearerAuthentication
from orchestrator.rest.problems import Problem


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
        return self.token.repo_id is None

    def reaches(self, repo: Repo) -> bool:
        """Whether ``repo`` is within reach."""
        return self.is_operator or self.token.repo_id == repo.pk

    def __str__(self) -> str:
        return self.name


class TokenAuthentication(BearerAuthentication):
    """Tokens of ``repos.Token``."""

    def owner(self, secret: str) -> tuple[Any, Any] | None:
        """The caller and the token."""
        token = tokens.find_token(secret)
        return None if token is None else (TokenHolder(token), token)


def caller_of(request: Request) -> TokenHolder:
    """The caller of a request that carries a token."""
    if not isinstance(request.user, TokenHolder):
        raise Problem(
            401, "auth:missing-token", "No token was sent.", cure="Send `Authorization: Bearer blk_...`."
        )
    return request.user


def require_operator(request: Request) -> TokenHolder:
    """The caller, who must be an operator."""
    caller = caller_of(request)
    if not caller.is_operator:
        raise Problem(
            403,
            "auth:operators-only",
            f"A token of {caller.token.repo} may not do this.",
            cure="Ask an operator, or use a token that is not bound to one repo.",
        )
    return caller


def repo_for(request: Request, name: str) -> Repo:
    """The repo called ``name``, within the caller's reach."""
    caller = caller_of(request)
    repo = Repo.objects.filter(name=name).first()
    if repo is not None and caller.reaches(repo):
        return repo
    if not caller.is_operator:
        # The same answer for a foreign repo and for none, so that names cannot be probed.
        raise Problem(
            403,
            "auth:wrong-repo",
            f"The token belongs to {caller.token.repo} and does not reach {name!r}.",
            cure=f"Use a token of {name!r}, or run with --repo {caller.token.repo}.",
        )
    raise Problem(
        404,
        "repo:unknown",
        f"No repo is registered as {name!r}.",
        cure="Ask for it at /onboarding/, or pick one that `GET /api/v1/repos/` lists.",
    )
