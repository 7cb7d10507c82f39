"""Apps: the token that one signs itself, its installations, and the tokens of those."""

import hashlib
from datetime import timedelta
from typing import Any, Final

import jwt

from orchestrator.dev.far_sides.github.description import API, make_instance
from orchestrator.dev.far_sides.github.state import (
    GitHubCall,
    GitHubRefusal,
    GitHubState,
    InstallationToken,
)
from orchestrator.dev.far_sides.server import Answer, Asked

LONGEST_SECONDS: Final = 600
"""https://docs.github.com: the longest time from now to the end of a token that an app signs."""
_LIFETIME: Final = timedelta(hours=1)
# The times are looked at by GitHub's clock, below.
_OPTIONS: Final[Any] = {"verify_exp": False, "verify_iat": False, "require": ["iat", "exp", "iss"]}


def read_app(github: GitHubState, token: str) -> str:
    """The id of the app that has signed ``token``; raises ``GitHubRefusal``."""
    # Not believed yet: it is only what the key is looked up by.
    try:
        issuer = str(jwt.decode(token, options={"verify_signature": False}).get("iss"))
    except jwt.PyJWTError as error:
        raise GitHubRefusal(401, "A JSON web token could not be decoded") from error
    # The issuer says whose key it is.
    if issuer not in github.apps:
        raise GitHubRefusal(404, "Integration not found")
    try:
        claims = jwt.decode(token, github.apps[issuer], algorithms=["RS256"], options=_OPTIONS)
    except jwt.PyJWTError as error:
        raise GitHubRefusal(401, "A JSON web token could not be decoded") from error
    _check_times(claims, github.read_clock().timestamp())
    return issuer


def _check_times(claims: dict[str, Any], now: float) -> None:
    """By GitHub's clock, and without leeway: who signs has to allow for clocks that differ."""
    if not isinstance(claims["iat"], int) or claims["iat"] > now:
        said = "must be an Integer representing the time that the assertion was issued"
        raise GitHubRefusal(401, f"'Issued at' claim ('iat') {said}")
    if not isinstance(claims["exp"], int) or claims["exp"] <= now:
        said = "must be a numeric value representing the future time at which the assertion expires"
        raise GitHubRefusal(401, f"'Expiration time' claim ('exp') {said}")
    if claims["exp"] > now + LONGEST_SECONDS:
        raise GitHubRefusal(401, "'Expiration time' claim ('exp') is too far in the future")


def _give_installation(github: GitHubState, call: GitHubCall) -> Answer:
    app = read_app(github, call.asked.bearer)
    if app not in call.repository.installations:
        raise GitHubRefusal(404, "Not Found")
    known = {
        "id": call.repository.installations[app],
        "app_id": int(app),
        "permissions": dict(github.app_permissions),
    }
    return Answer(200, make_instance(API["operations"][call.operation]["answers"]["200"], known))


def mint_token(github: GitHubState, asked: Asked, installation: int) -> Answer:
    """A token of an installation: for some of its repositories, with no more rights than it has."""
    app = read_app(github, asked.bearer)
    # The app of somebody else does not learn that this installation exists.
    reachable = [one for one in github.repositories if one.installations.get(app) == installation]
    if not reachable:
        raise GitHubRefusal(404, "Not Found")
    names = (asked.body or {}).get("repositories")
    wanted = [one for one in reachable if names is None or one.path.split("/")[1] in names]
    if names is not None and len(wanted) != len(names):
        raise GitHubRefusal(422, "There is at least one repository that does not exist.")
    permissions = (asked.body or {}).get("permissions") or dict(github.app_permissions)
    # Who may write may also hand on the right to read.
    for name, level in permissions.items():
        if github.app_permissions.get(name) not in {level, "write"}:
            raise GitHubRefusal(422, "The permissions requested are not granted to this installation.")
    # Of the form that GitHub gives them, so that redaction meets it.
    token = f"ghs_{hashlib.sha256(f'{installation}-{next(github.numbers)}'.encode()).hexdigest()[:36]}"
    ends = github.read_clock() + _LIFETIME
    numbers = frozenset(one.number for one in wanted)
    github.minted[token] = InstallationToken(installation, numbers, permissions, ends)
    known = {
        "token": token,
        "expires_at": ends.strftime("%Y-%m-%dT%H:%M:%SZ"),
        "permissions": permissions,
    }
    operation = "POST /app/installations/{installation_id}/access_tokens"
    return Answer(201, make_instance(API["operations"][operation]["answers"]["201"], known))


OPERATIONS: Final = {"GET /installation": _give_installation}
