"""What a token may do: a view names the scope that each of its methods needs, a token lists those it has.

A scope never widens the reach of a token: with ``flows:read`` the token of a repo reads the flows of that
repo, and the token of an operator those of every repo.
"""

from collections.abc import Iterable
from enum import StrEnum
from typing import Final

ANY_TOKEN: Final = None
"""What a view declares for a method that every live token may call."""
EVERYTHING: Final = "all"
"""Stored for a token without limits: every scope of its reach, as tokens had it before there were scopes."""


class TokenScope(StrEnum):
    """One thing that a token may be allowed to do."""

    FLOWS_READ = "flows:read"
    FLOWS_WRITE = "flows:write"
    BLOCKS_READ = "blocks:read"
    CONFIG_WRITE = "config:write"
    REPO_ADMIN = "repo:admin"
    OPS_READ = "ops:read"
    OPS_WRITE = "ops:write"
    ALERTS_WRITE = "alerts:write"
    ORG_ADMIN = "org:admin"


DESCRIPTIONS: Final[dict[TokenScope, str]] = {
    TokenScope.FLOWS_READ: "Read flows, their events, gates and calls, and the repo with its settings.",
    TokenScope.FLOWS_WRITE: "Start, cancel, retry and replay flows.",
    TokenScope.BLOCKS_READ: "Fetch blocks and their evidence.",
    TokenScope.CONFIG_WRITE: "Change the settings that a repo may change itself.",
    TokenScope.REPO_ADMIN: "Manage the tokens and the webhooks of a repo, and which CI jobs it trusts.",
    TokenScope.OPS_READ: "Read what only operators see, such as messages that were sent.",
    TokenScope.OPS_WRITE: "Pause providers, send messages, test alerts, lead incidents.",
    TokenScope.ALERTS_WRITE: "Report alerts, as Alertmanager does, and nothing else.",
    TokenScope.ORG_ADMIN: "Register repos, change settings of the organisation, make tokens of operators.",
}
# Without effect on the token of one repo, and never given to it.
OPERATOR_SCOPES: Final = frozenset(
    {TokenScope.OPS_READ, TokenScope.OPS_WRITE, TokenScope.ALERTS_WRITE, TokenScope.ORG_ADMIN}
)
REPO_SCOPES: Final = frozenset(TokenScope) - OPERATOR_SCOPES
ALL_SCOPES: Final = tuple(TokenScope)
# What a repo can let CI jobs do. Not the making of tokens: a job's own token ends with the job.
TRUSTED_SCOPES: Final = tuple(
    scope for scope in TokenScope if scope in REPO_SCOPES and scope is not TokenScope.REPO_ADMIN
)
# What a CI job needs: start a flow, follow it, fetch its block.
CI_SCOPES: Final = (TokenScope.FLOWS_READ, TokenScope.FLOWS_WRITE, TokenScope.BLOCKS_READ)


def list_possible_scopes(*, of_operator: bool) -> tuple[TokenScope, ...]:
    """Every scope that a token of one repo, or of an operator, can have."""
    return tuple(scope for scope in TokenScope if of_operator or scope in REPO_SCOPES)


def read_stored_scopes(stored: Iterable[str], *, of_operator: bool) -> tuple[TokenScope, ...]:
    """The scopes behind a stored list, in their usual order; a name that is unknown gives nothing."""
    names = set(stored)
    possible = list_possible_scopes(of_operator=of_operator)
    if EVERYTHING in names:
        return possible
    return tuple(scope for scope in possible if scope.value in names)
