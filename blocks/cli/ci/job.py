"""A job of GitHub Actions or GitLab CI: what started it, for which repo, and where its platform is.

Everything comes from the environment and from the file of the event, and is parsed here once. Texts of
others, such as the title of an issue, stay values: no shell ever sees them.
"""

import json
import os
import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from pathlib import Path
from typing import Any

from blocks.cli.errors import Failure
from blocks.format.limits import MIB
from blocks.format.plain_files import read_given_file

_MOST_EVENT_BYTES = 25 * MIB  # what GitHub sends at most
_COMMIT = re.compile(r"[0-9a-f]{40}([0-9a-f]{24})?")
_BRANCH = re.compile(r"(?!-)[\w./#+@=~-]{1,244}")
# What both platforms send for "there was none before": a new branch.
_NO_COMMIT = re.compile(r"0+")


class Platform(StrEnum):
    """Whose job this is."""

    GITHUB = "github"
    GITLAB = "gitlab"


@dataclass(frozen=True, slots=True)
class Issue:
    """An issue as it was when the event was sent; an edit since then does not count."""

    number: int
    title: str
    text: str
    labels: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class CiJob:
    """The facts of one job.

    ``branch`` is the branch that changes are proposed to: the one that was pushed, or the one that a pull
    request comes from. ``before`` is the commit that changed files are compared with; empty where there is
    none. ``proposal`` is the number of the pull or merge request that the job runs for, or ``None``, and
    ``target`` the branch that it would be merged into.
    """

    platform: Platform
    api_url: str
    project: str
    branch: str
    before: str
    web_url: str
    run_url: str
    token: str = field(repr=False)
    issue: Issue | None = None
    proposal: int | None = None
    target: str = ""

    def folder_url(self, branch: str, folder: str) -> str:
        """The page of a folder in a branch."""
        between = "tree" if self.platform is Platform.GITHUB else "-/tree"
        return f"{self.web_url}/{between}/{branch}/{folder}"


def read_job(environment: Mapping[str, str] = os.environ) -> CiJob:
    """The job that this process runs in; raises ``Failure`` outside of one."""
    if environment.get("GITHUB_ACTIONS") == "true":
        return _read_github(environment)
    if environment.get("GITLAB_CI") == "true":
        return _read_gitlab(environment)
    raise Failure(
        "This is not a job of GitHub Actions or GitLab CI.",
        cure="In another CI, use `blocks flow run` and `blocks verify attestation`.",
        code="ci:no-job",
    )


def _read_github(environment: Mapping[str, str]) -> CiJob:
    event = _read_event(environment.get("GITHUB_EVENT_PATH", ""))
    issue, pull = _member(event, "issue"), _member(event, "pull_request")
    repository = _need(environment, "GITHUB_REPOSITORY")
    server = environment.get("GITHUB_SERVER_URL", "https://github.com")
    base = _member(pull, "base").get("sha")
    return CiJob(
        Platform.GITHUB,
        api_url=environment.get("GITHUB_API_URL", "https://api.github.com").rstrip("/"),
        project=repository,
        branch=_check_branch(environment.get("GITHUB_HEAD_REF") or _need(environment, "GITHUB_REF_NAME")),
        before=_check_commit(base or event.get("before")),
        web_url=f"{server}/{repository}",
        run_url=f"{server}/{repository}/actions/runs/{environment.get('GITHUB_RUN_ID', '')}",
        token=environment.get("GITHUB_TOKEN", ""),
        issue=_read_issue(issue, "number", "body", "name") if issue else None,
        proposal=_to_number(pull.get("number")) if pull else None,
        target=_check_branch(_need(environment, "GITHUB_BASE_REF")) if pull else "",
    )


def _read_gitlab(environment: Mapping[str, str]) -> CiJob:
    event = _read_event(environment.get("TRIGGER_PAYLOAD", ""))
    issue = None
    if event.get("object_kind") == "issue":
        facts = _member(event, "object_attributes")
        issue = _read_issue(facts | {"labels": event.get("labels")}, "iid", "description", "title")
    merge_request = environment.get("CI_MERGE_REQUEST_IID")
    branch = environment.get("CI_MERGE_REQUEST_SOURCE_BRANCH_NAME") or _need(
        environment, "CI_COMMIT_REF_NAME"
    )
    before = environment.get("CI_MERGE_REQUEST_DIFF_BASE_SHA") or environment.get("CI_COMMIT_BEFORE_SHA")
    return CiJob(
        Platform.GITLAB,
        api_url=_need(environment, "CI_API_V4_URL").rstrip("/"),
        project=_need(environment, "CI_PROJECT_ID"),
        branch=_check_branch(branch),
        before=_check_commit(before),
        web_url=environment.get("CI_PROJECT_URL", ""),
        run_url=environment.get("CI_JOB_URL", ""),
        token=environment.get("GITLAB_TOKEN", ""),
        issue=issue,
        proposal=_to_number(merge_request) if merge_request else None,
        target=_check_branch(_need(environment, "CI_MERGE_REQUEST_TARGET_BRANCH_NAME"))
        if merge_request
        else "",
    )


def _read_issue(facts: Mapping[str, Any], number: str, text: str, label: str) -> Issue:
    labels = facts.get("labels")
    found = [one.get(label) for one in labels if isinstance(one, dict)] if isinstance(labels, list) else []
    return Issue(
        _to_number(facts.get(number)),
        str(facts.get("title") or ""),
        str(facts.get(text) or ""),
        tuple(str(one) for one in found),
    )


def _read_event(path: str) -> dict[str, Any]:
    """The event that started the job; empty where there is no file of it."""
    if not path:
        return {}
    try:
        found = json.loads(read_given_file(Path(path), _MOST_EVENT_BYTES))
    except (OSError, ValueError, RecursionError) as error:
        raise _refuse_event(f"The event in {path} cannot be read: {error}.") from error
    if not isinstance(found, dict):
        raise _refuse_event(f"The event in {path} is not a JSON object.")
    return found


def _member(facts: Mapping[str, Any], name: str) -> dict[str, Any]:
    found = facts.get(name)
    return found if isinstance(found, dict) else {}


def _need(environment: Mapping[str, str], name: str) -> str:
    if value := environment.get(name):
        return value
    raise _refuse_event(f"{name} is not set, although this looks like a job.")


def _to_number(value: Any) -> int:
    if str(value).isascii() and str(value).isdigit():
        return int(value)
    raise _refuse_event(f"{str(value)[:80]!r} is not the number of an issue or of a request.")


def _check_commit(value: Any) -> str:
    """A commit, or an empty text for none."""
    text = str(value or "")
    if not text or _NO_COMMIT.fullmatch(text):
        return ""
    if not _COMMIT.fullmatch(text):
        raise _refuse_event(f"{text[:80]!r} is not a commit.")
    return text


def _check_branch(name: str) -> str:
    # It goes to git as an argument, and names in CI come from the person who opened a pull request.
    if _BRANCH.fullmatch(name) and ".." not in name:
        return name
    raise _refuse_event(f"{name[:80]!r} is not a name of a branch that `blocks` takes.")


def _refuse_event(message: str) -> Failure:
    return Failure(message, cure="Run it in a job as docs/how-to/run-in-ci.md shows.", code="ci:bad-event")
