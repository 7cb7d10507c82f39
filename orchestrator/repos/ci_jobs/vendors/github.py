"""GitHub Actions: claims as in GitHub's OpenID Connect reference."""

from collections.abc import Mapping
from typing import Any, Final

from orchestrator.repos.ci_jobs.claims import ClaimRefused, JobClaims, read_text

# They run for code that anybody may propose. ``pull_request_target`` has the ref of the branch that the pull
# request is for, so its ref says nothing about whose code runs.
_FOR_PROPOSED_CODE: Final = {"pull_request", "pull_request_target"}


def read_claims(claims: Mapping[str, Any]) -> JobClaims:
    """The job of a workflow."""
    event = read_text(claims, "event_name")
    if event in _FOR_PROPOSED_CODE:
        raise ClaimRefused(f"its job is for {event}, which may run code that nobody has accepted")
    return JobClaims(
        repository=read_text(claims, "repository"),
        repository_id=read_text(claims, "repository_id"),
        ref=read_text(claims, "ref"),
        environment=read_text(claims, "environment", default=""),
    )
