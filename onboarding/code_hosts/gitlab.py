"""GitLab through python-gitlab, with GITLAB_TOKEN: of a group or of an account, with the scope api."""

import base64
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from typing import Any, Final
from urllib.parse import urlsplit

import gitlab
import requests
from django.conf import settings
from gitlab.v4.objects import Project

from onboarding.code_hosts.base import (
    CALL_SECONDS,
    MOST_FILE_BYTES,
    CodeHostNotConfigured,
    CodeHostRefused,
    DeployAccess,
    FileProposal,
    HostedRepo,
    OpenedProposal,
    ProposalState,
    build_mark,
    check_path,
)
from onboarding.step_protocol import FarSideTrouble

_NOT_FOUND: Final = 404
_TOO_MANY: Final = 429
_SERVER_ERROR: Final = 500
_DEVELOPER: Final = 30
# Else python-gitlab sleeps in our worker; the engine waits without one.
_AT_ONCE: Final[dict[str, Any]] = {"obey_rate_limit": False, "retry_transient_errors": False}
_STATES: Final = {"opened": ProposalState.OPEN, "merged": ProposalState.MERGED}


def connect(still_ours: Callable[[], None]) -> "GitLabHost":
    """GitLab as the settings name it. Raises ``CodeHostNotConfigured``."""
    if not settings.GITLAB_TOKEN:
        raise CodeHostNotConfigured(
            "This orchestrator has no access to GitLab.",
            cure="An operator sets GITLAB_TOKEN; docs/operate/onboarding.md says which rights it needs.",
        )
    return GitLabHost(still_ours)


class GitLabHost:
    """See ``base.RepoHost``."""

    name = "gitlab"

    def __init__(self, still_ours: Callable[[], None]) -> None:
        self._still_ours = still_ours
        session = requests.Session()
        # python-gitlab keeps no header of an answer that it raises for.
        session.hooks["response"].append(_refuse_when_limited)
        self._client = gitlab.Gitlab(
            settings.GITLAB_API_URL.removesuffix("/api/v4"),
            private_token=settings.GITLAB_TOKEN,
            timeout=CALL_SECONDS,
            retry_transient_errors=False,
            user_agent="multi-llm-orchestrator",
            session=session,
        )

    def find_repo(self, path: str) -> HostedRepo | None:
        """The project at ``path``, also under an old name; None where we see none."""
        with _translate_errors():
            try:
                # python-gitlab encodes the path, so its slashes stay in one part of the address.
                found = self._client.projects.get(check_path(path), **_AT_ONCE)
            except gitlab.GitlabGetError as error:
                if error.response_code == _NOT_FOUND:
                    return None
                raise
            return self._describe(found)

    def list_folder(self, repo: HostedRepo, folder: str) -> list[str]:
        """The names in a folder of the default branch."""
        with _translate_errors():
            try:
                rows = self._open(repo).repository_tree(
                    path=folder, ref=repo.default_branch, get_all=True, **_AT_ONCE
                )
            except gitlab.GitlabGetError as error:
                if error.response_code == _NOT_FOUND:
                    return []
                raise
        return [str(one["name"]) for one in rows]

    def read_file(self, repo: HostedRepo, path: str) -> bytes | None:
        """A file of the default branch."""
        with _translate_errors():
            try:
                found = self._open(repo).files.get(path, ref=repo.default_branch, **_AT_ONCE)
            except gitlab.GitlabGetError as error:
                if error.response_code == _NOT_FOUND:
                    return None
                raise
        # Nothing that we look for is that large.
        if int(found.size) > MOST_FILE_BYTES:
            return None
        return base64.b64decode(found.content)

    def propose_files(self, repo: HostedRepo, proposal: FileProposal) -> OpenedProposal:
        """One branch with one commit, and one merge request; each is made where it is not there yet."""
        with _translate_errors():
            there = self._open(repo)
            self._ensure_branch(there, repo, proposal)
            found = self._find_request(there, proposal.branch, proposal.mark)
            # Closed by a person, and then retried: people want it again.
            if found is not None and found.state != ProposalState.CLOSED:
                return found
            fields = {
                "source_branch": proposal.branch,
                "target_branch": repo.default_branch,
                "title": proposal.title,
                "description": f"{proposal.body}\n\n<!-- {proposal.mark} -->",
                "remove_source_branch": True,
            }
            self._still_ours()
            try:
                made = there.mergerequests.create(fields, **_AT_ONCE)
            except gitlab.GitlabCreateError:
                # Another attempt was faster, or the answer to it was lost: then it is there now.
                again = self._find_request(there, proposal.branch, proposal.mark)
                if again is not None:
                    return again
                raise
            return OpenedProposal(made.iid, made.web_url, ProposalState.OPEN)

    def withdraw_proposal(self, repo: HostedRepo, branch: str, reference: str) -> ProposalState | None:
        """Close the merge request and delete its branch. What people have merged stays: it is theirs."""
        mark = build_mark(reference)
        with _translate_errors():
            there = self._open(repo)
            found = self._find_request(there, branch, mark)
            if found is not None and found.state == ProposalState.OPEN:
                self._still_ours()
                there.mergerequests.update(found.number, {"state_event": "close"}, **_AT_ONCE)
            if self._is_branch_ours(there, branch, mark):
                self._still_ours()
                there.branches.delete(branch, **_AT_ONCE)
            return None if found is None else found.state

    def put_secret(self, repo: HostedRepo, name: str, value: str, reference: str) -> None:
        """Write a variable of the CI that is masked; protected where the default branch is."""
        mark = build_mark(reference)
        with _translate_errors():
            there = self._open(repo)
            found = self._find_variable(there, name)
            if found is not None and found.description != mark:
                raise CodeHostRefused(
                    f"{repo.path} has a variable {name} already, and not from this request.",
                    cure=f"Delete the variable {name} in the CI settings of the project, or choose keyless; "
                    "then retry.",
                )
            # `raw`: a $ in a value would be taken for the name of another variable.
            fields = {"value": value, "masked": True, "raw": True, "protected": repo.is_protected}
            self._still_ours()
            if found is None:
                # The mark and the secret in one request, so none is left without the other.
                there.variables.create({"key": name, "description": mark, **fields}, **_AT_ONCE)
            else:
                there.variables.update(name, fields, **_AT_ONCE)

    def delete_secret(self, repo: HostedRepo, name: str, reference: str) -> bool:
        """Delete the variable where its description says that it is ours."""
        with _translate_errors():
            there = self._open(repo)
            found = self._find_variable(there, name)
            if found is None or found.description != build_mark(reference):
                return False
            self._still_ours()
            there.variables.delete(name, **_AT_ONCE)
            return True

    def make_deploy_token(self, repo: HostedRepo, reference: str) -> DeployAccess:
        """A token with which git reads this project. One that an earlier attempt has made is replaced."""
        with _translate_errors():
            there = self._open(repo)
            # Its secret is shown once: where that answer was lost, only another token helps.
            self._delete_deploy_tokens(there, reference)
            self._still_ours()
            made = there.deploytokens.create(
                {"name": build_mark(reference), "scopes": ["read_repository"]}, **_AT_ONCE
            )
        return DeployAccess(str(made.id), str(made.username), str(made.token))

    def delete_deploy_tokens(self, repo: HostedRepo, reference: str) -> int:
        """Delete the deploy tokens that carry our mark; how many."""
        with _translate_errors():
            return self._delete_deploy_tokens(self._open(repo), reference)

    def _delete_deploy_tokens(self, there: Project, reference: str) -> int:
        ours = [
            one
            for one in there.deploytokens.list(get_all=True, **_AT_ONCE)
            if one.name == build_mark(reference)
        ]
        for one in ours:
            self._still_ours()
            there.deploytokens.delete(one.id, **_AT_ONCE)
        return len(ours)

    def _open(self, repo: HostedRepo) -> Project:
        # Lazy: the number is known, so nothing has to be asked.
        return self._client.projects.get(int(repo.number), lazy=True)

    def _describe(self, found: Project) -> HostedRepo:
        branch, is_protected = found.default_branch or "", False
        if branch:
            with suppress(gitlab.GitlabGetError):
                is_protected = bool(found.branches.get(branch, **_AT_ONCE).protected)
        return HostedRepo(
            number=str(found.id),
            path=str(found.path_with_namespace),
            default_branch=branch,
            web_url=str(found.web_url),
            clone_url=str(found.http_url_to_repo),
            # What is internal wants a login, too.
            is_private=found.visibility != "public",
            is_archived=bool(found.archived),
            is_empty=bool(found.empty_repo) or branch == "",
            is_protected=is_protected,
            may_write=_may_write(found),
        )

    def _ensure_branch(self, there: Project, repo: HostedRepo, proposal: FileProposal) -> None:
        if self._has_branch(there, proposal.branch):
            if not self._is_branch_ours(there, proposal.branch, proposal.mark):
                raise CodeHostRefused(
                    f"{repo.path} has a branch {proposal.branch} already, and not from this request.",
                    cure=f"Delete or rename the branch {proposal.branch}, then retry.",
                )
            return
        actions = [
            {
                # A file that is there meanwhile is not overwritten: the whole commit is refused.
                "action": "update" if path in proposal.replaces else "create",
                "file_path": path,
                "encoding": "base64",
                "content": base64.b64encode(content).decode(),
            }
            for path, content in proposal.files.items()
        ]
        fields = {
            "branch": proposal.branch,
            "start_branch": repo.default_branch,
            "commit_message": f"{proposal.title}\n\n{proposal.mark}",
            "actions": actions,
        }
        self._still_ours()
        try:
            there.commits.create(fields, **_AT_ONCE)
        except gitlab.GitlabCreateError:
            # Another attempt was faster; that the branch is ours is looked at once more.
            if not self._is_branch_ours(there, proposal.branch, proposal.mark):
                raise

    def _has_branch(self, there: Project, branch: str) -> bool:
        return self._find_branch(there, branch) is not None

    def _find_branch(self, there: Project, branch: str) -> Any | None:
        try:
            return there.branches.get(branch, **_AT_ONCE)
        except gitlab.GitlabGetError as error:
            if error.response_code == _NOT_FOUND:
                return None
            raise

    def _is_branch_ours(self, there: Project, branch: str, mark: str) -> bool:
        """Whether the newest commit is the one that we made. People who add to it make the branch theirs."""
        found = self._find_branch(there, branch)
        return found is not None and mark in str(found.commit.get("message", "")).splitlines()

    def _find_request(self, there: Project, branch: str, mark: str) -> OpenedProposal | None:
        for one in there.mergerequests.list(source_branch=branch, get_all=True, **_AT_ONCE):
            if f"<!-- {mark} -->" in (one.description or ""):
                state = _STATES.get(one.state, ProposalState.CLOSED)
                return OpenedProposal(one.iid, one.web_url, state)
        return None

    def _find_variable(self, there: Project, name: str) -> Any | None:
        try:
            return there.variables.get(name, **_AT_ONCE)
        except gitlab.GitlabGetError as error:
            if error.response_code == _NOT_FOUND:
                return None
            raise


def _may_write(found: Project) -> bool:
    """Whether the token's account is a developer of the project, by itself or through a group."""
    # By itself and through its group; the higher of the two counts.
    levels = [
        (access or {}).get("access_level", 0)
        for access in (found.attributes.get("permissions") or {}).values()
    ]
    return max(levels, default=0) >= _DEVELOPER


def _refuse_when_limited(answer: requests.Response, **_: Any) -> None:
    if answer.status_code == _TOO_MANY:
        wished = answer.headers.get("Retry-After", "")
        host = urlsplit(settings.GITLAB_API_URL).hostname
        raise FarSideTrouble(
            f"{host} asks us to wait.", retry_after_seconds=float(wished) if wished.isdigit() else None
        )


@contextmanager
def _translate_errors() -> Iterator[None]:
    """What python-gitlab raises, as ours."""
    host = urlsplit(settings.GITLAB_API_URL).hostname
    try:
        yield
    except gitlab.GitlabAuthenticationError as error:
        raise CodeHostNotConfigured(
            f"{host} does not accept our credential.",
            cure="An operator renews GITLAB_TOKEN; then retry.",
        ) from error
    except gitlab.GitlabError as error:
        raise _translate_answer(str(host), error) from error
    except (requests.exceptions.RequestException, OSError) as error:
        raise FarSideTrouble(f"{host} cannot be reached, or answers too slowly.") from error


def _translate_answer(host: str, error: gitlab.GitlabError) -> Exception:
    # Without a status the answer was cut off.
    status = error.response_code or _SERVER_ERROR
    if status >= _SERVER_ERROR:
        return FarSideTrouble(f"{host} answers {status}.")
    return CodeHostRefused(
        f"{host} refuses this ({status}): {str(error.error_message)[:200]}",
        cure="Give the operators' token the role Maintainer in the project, and the scope api; then retry.",
    )
