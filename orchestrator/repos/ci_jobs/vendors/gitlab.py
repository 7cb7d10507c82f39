"""GitLab CI: claims as in GitLab's page on ID tokens."""

from collections.abc import Mapping
from typing import Any, Final

from orchestrator.repos.ci_jobs.claims import ClaimRefused, JobClaims, read_text

# Their ref is the name of the branch that is proposed, which a fork may call ``main``.
_FOR_PROPOSED_CODE: Final = {"merge_request_event", "external_pull_request_event"}
_PLACES: Final = {"branch": "refs/heads/", "tag": "refs/tags/"}


def read_claims(claims: Mapping[str, Any]) -> JobClaims:
    """The job of a pipeline."""
    source = read_text(claims, "pipeline_source")
    if source in _FOR_PROPOSED_CODE:
        raise ClaimRefused(f"its pipeline is for {source}, which may run code that nobody has accepted")
    kind = read_text(claims, "ref_type")
    if kind not in _PLACES:
        raise ClaimRefused("its ref is neither a branch nor a tag")
    return JobClaims(
        repository=read_text(claims, "project_path"),
        repository_id=read_text(claims, "project_id"),
        ref=_PLACES[kind] + read_text(claims, "ref"),
        environment=read_text(claims, "environment", default=""),
    )
