"""The OIDC token of a CI job becomes a token of a repo for 15 minutes, where the repo trusts such jobs.

1. The token is verified; its claims say which repository, ref and environment the job has.
2. A trust of a repo has to match all three. The first exchange writes down the vendor's number of the
   repository, and later ones must have it: a name that was given up and taken by others opens nothing.
3. The new token carries the digest of the one that it was made for, which is unique: of two exchanges of one
   OIDC token, one is refused, whenever and wherever they come.
"""

from datetime import timedelta
from fnmatch import fnmatchcase
from typing import Final

from django.db import IntegrityError, transaction
from django.utils import timezone

from orchestrator.core.errors import FixedBy, OrchestratorError
from orchestrator.core.periodic import PeriodicWork
from orchestrator.repos import tokens
from orchestrator.repos.ci_jobs.claims import JobClaims
from orchestrator.repos.ci_jobs.id_tokens import LONGEST_LIFE, VerifiedToken, verify_id_token
from orchestrator.repos.models import CiTrust, Token

LIFETIME: Final = timedelta(minutes=15)
# Longer than an OIDC token lives, so that none is used twice; and long enough to look somebody up.
KEPT: Final = LONGEST_LIFE + timedelta(days=1)


class NoTrust(OrchestratorError):
    """No repo trusts this job."""

    code = "exchange:no-trust"
    fixed_by = FixedBy.REPO_OWNER
    http_status = 403


class SeveralRepos(OrchestratorError):
    """Several repos trust this job."""

    code = "exchange:several-repos"
    fixed_by = FixedBy.REQUESTER
    http_status = 422


class IdTokenUsed(OrchestratorError):
    """The OIDC token was exchanged before."""

    code = "exchange:used"
    cure = "Keep the token of the first exchange, or let the job ask its CI for a new OIDC token."
    fixed_by = FixedBy.REQUESTER
    http_status = 409


def exchange_id_token(id_token: str, repo_name: str = "") -> tuple[Token, str]:
    """A token of the repo that trusts the job, and its secret. ``repo_name`` is asked for where several do.

    Raises ``NoTrust``, ``SeveralRepos``, ``IdTokenUsed``, and what ``verify_id_token`` raises.
    """
    verified = verify_id_token(id_token)
    trust = _find_trust(verified, repo_name)
    try:
        with transaction.atomic():
            _pin_repository(trust, verified.job)
            return tokens.create_token(
                _name_token(verified),
                trust.repo,
                scopes=trust.scopes,
                expires_at=timezone.now() + LIFETIME,
                created_by=f"oidc:{verified.subject}"[:150],
                trust=trust,
                id_token_digest=verified.digest,
            )
    except IntegrityError as error:
        raise IdTokenUsed from error


def _find_trust(verified: VerifiedToken, repo_name: str) -> CiTrust:
    job = verified.job
    rows = CiTrust.objects.select_related("repo").filter(
        issuer=verified.issuer, repository__iexact=job.repository
    )
    matching = [trust for trust in rows.order_by("id") if _does_match(trust, job, repo_name)]
    repos = sorted({trust.repo.name for trust in matching})
    if not matching:
        where = f" and environment {job.environment}" if job.environment else ""
        raise NoTrust(
            f"No repo trusts jobs of {job.repository} on {job.ref}{where}.",
            cure="The repo's owner adds a trust: `POST /api/v1/repos/REPO/ci-trusts/`.",
        )
    if len(repos) > 1:
        raise SeveralRepos(
            f"{', '.join(repos)} trust jobs of {job.repository}.", cure='Name one: {"repo": "..."}.'
        )
    # Of several trusts of one repo, the oldest: which one counts must not depend on chance.
    return matching[0]


def _does_match(trust: CiTrust, job: JobClaims, repo_name: str) -> bool:
    is_same = trust.repository_id in {"", job.repository_id}
    is_wanted = repo_name in {"", trust.repo.name}
    is_there = trust.environment in {"", job.environment}
    return is_same and is_wanted and is_there and any(fnmatchcase(job.ref, ref) for ref in trust.refs)


def _pin_repository(trust: CiTrust, job: JobClaims) -> None:
    """Write down the repository's number at the first exchange; refuse another number."""
    CiTrust.objects.filter(pk=trust.pk, repository_id="").update(repository_id=job.repository_id)
    # Read after the update, which waits for that of another exchange: the two may be of two repositories.
    if not CiTrust.objects.filter(pk=trust.pk, repository_id=job.repository_id).exists():
        raise NoTrust(f"{job.repository} is not the repository that was trusted at first.")


def _name_token(verified: VerifiedToken) -> str:
    ref = verified.job.ref.removeprefix("refs/heads/")
    return f"{verified.vendor}:{verified.job.repository}@{ref}"[:100]


def remove_old_tokens() -> None:
    """Delete the tokens of jobs that ended long ago. What they did keeps their names."""
    Token.objects.filter(trust__isnull=False, expires_at__lt=timezone.now() - KEPT).delete()


WORK: Final = PeriodicWork("the removal of tokens of CI jobs", 3600.0, remove_old_tokens)
