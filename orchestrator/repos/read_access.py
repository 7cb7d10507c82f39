"""Credentials with which private repos are cloned: sealed, of one repo each, opened by the clone alone."""

from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Final

from django.utils import timezone

from orchestrator.core.errors import FixedBy, OrchestratorError
from orchestrator.core.sealing import seal, unseal
from orchestrator.repos.clone_credentials import CloneCredential
from orchestrator.repos.models import Repo, RepoReadAccess

_PURPOSE: Final = "read access"
LIFETIME: Final = timedelta(hours=1)
"""How long GitHub's tokens of an installation last."""
RENEW_BEFORE: Final = timedelta(minutes=25)
"""Longer than the longest clone, and long enough for a worker that is away for some minutes."""


class ReadAccessOver(OrchestratorError):
    """The credential with which this repo is cloned has ended, and was not renewed."""

    code = "repo:read-access-over"
    cure = "Retry in some minutes. If it stays so, an operator looks whether the process `onboarding` runs."
    fixed_by = FixedBy.OPERATOR
    retryable = True
    http_status = 503


@dataclass(frozen=True, slots=True)
class MadeAccess:
    """A credential that a code host has just given: ``kind`` is the host, ``number`` how it knows it."""

    kind: str
    number: str
    clone_url: str
    credential: CloneCredential
    lasts_hour: bool


def keep_access(repo: Repo, made: MadeAccess) -> None:
    """Keep a credential in the place of the one that is there."""
    ends: datetime | None = timezone.now() + LIFETIME if made.lasts_hour else None
    RepoReadAccess.objects.update_or_create(
        repo=repo,
        defaults={
            "kind": made.kind,
            "number": made.number,
            "clone_url": made.clone_url,
            "username": made.credential.username,
            "sealed": seal(made.credential.secret.encode(), _PURPOSE),
            "expires_at": ends,
        },
    )


def forget_access(repo_name: str) -> None:
    """Delete the credential of a repo, where there is one."""
    RepoReadAccess.objects.filter(repo__name=repo_name).delete()


def find_credential(repo_name: str, clone_url: str) -> CloneCredential | None:
    """The credential of a repo for its clone URL; None where it is cloned without, or by another URL.

    Raises ``ReadAccessOver`` and ``SealBroken``.
    """
    # By both: neither another repo nor another address gets what opens this one.
    found = RepoReadAccess.objects.filter(repo__name=repo_name, clone_url=clone_url).first()
    if found is None:
        return None
    if found.expires_at is not None and found.expires_at <= timezone.now():
        raise ReadAccessOver
    return CloneCredential(found.username, unseal(bytes(found.sealed), _PURPOSE).decode())
