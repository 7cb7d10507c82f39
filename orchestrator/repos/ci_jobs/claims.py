"""What the OIDC token of a CI job says of the job, as typed and bounded values."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, Final

from orchestrator.core.registry import Registry

_LONGEST: Final = 255


class ClaimRefused(Exception):
    """A claim is missing or odd, or such jobs get no token. Its text is for people."""


@dataclass(frozen=True, slots=True)
class JobClaims:
    """A job, in one form for all vendors.

    ``ref`` is a whole one, ``refs/heads/main``. ``repository_id`` stays when a repository is renamed, and is
    another one where somebody takes the old name.
    """

    repository: str
    repository_id: str
    ref: str
    environment: str


ClaimReader = Callable[[Mapping[str, Any]], JobClaims]
"""Reads the verified claims of one vendor; raises ``ClaimRefused``."""

CLAIM_READERS: Registry[ClaimReader] = Registry(
    "vendor of CI",
    {
        "github": "orchestrator.repos.ci_jobs.vendors.github:read_claims",
        "gitlab": "orchestrator.repos.ci_jobs.vendors.gitlab:read_claims",
    },
)


def read_text(claims: Mapping[str, Any], name: str, *, default: str | None = None) -> str:
    """The text of a claim; raises ``ClaimRefused`` where it is missing, too long, or not a plain text."""
    value = claims.get(name, default)
    if not isinstance(value, str) or len(value) > _LONGEST or not value.isprintable():
        raise ClaimRefused(f"its claim {name} is missing or cannot be read")
    if value == "" and default is None:
        raise ClaimRefused(f"its claim {name} is empty")
    return value
