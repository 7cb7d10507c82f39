"""GitHub through PyGithub.

A GitHub App (GITHUB_APP_ID) acts on each repo with a token of its installation there; without one,
GITHUB_TOKEN acts on all. GitHub shows no secret again, so a variable beside a secret says whose it is.
"""

import logging
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from typing import Any, Final
from urllib.parse import urlsplit

import github
import requests
from django.conf import settings
from github.PullRequest import PullRequest
from github.Repository import Repository

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
from orchestrator.core.errors import FixedBy

log = logging.getLogger(__name__)
OWNER_VARIABLE: Final = "BLOCKS_ONBOARDING"
"""The variable of Actions that says which request has made our secrets."""
CLONE_USER: Final = "x-access-token"
_UNAUTHORIZED: Final = 401
_CONFLICT: Final = 409
_UNPROCESSABLE: Final = 422
_TOO_MANY: Final = 429
_SERVER_ERROR: Final = 500
# GitHub asks for pauses where many changes follow each other. One onboarding makes six.
_OPTIONS: Final[dict[str, Any]] = {
    "timeout": CALL_SECONDS,
    # The engine tries again, with pauses that hold no worker.
    "retry": None,
    "seconds_between_requests": None,
    "seconds_between_writes": None,
    "user_agent": "multi-llm-orchestrator",
}


def connect(still_ours: Callable[[], None]) -> "GitHubHost":
    """GitHub as the settings name it. Raises ``CodeHostNotConfigured``."""
    if not settings.GITHUB_TOKEN and not settings.GITHUB_APP_ID:
        raise CodeHostNotConfigured(
            "This orchestrator has no access to GitHub.",
            cure="An operator sets GITHUB_APP_ID with GITHUB_APP_PRIVATE_KEY, or GITHUB_TOKEN; "
            "docs/operate/onboarding.md says which rights it needs.",
        )
    return GitHubHost(still_ours)


class GitHubHost:
    """See ``base.RepoHost``."""

    name = "github"

    def __init__(self, still_ours: Callable[[], None]) -> None:
        self._still_ours = still_ours

    def find_repo(self, path: str) -> HostedRepo | None:
        """The repo at ``path``, also under an old name; None where we see none."""
        with _translate_errors():
            found = self._find(check_path(path))
            if found is None:
                return None
            return self._describe(found)

    def list_folder(self, repo: HostedRepo, folder: str) -> list[str]:
        """The names in a folder of the default branch."""
        with _translate_errors():
            try:
                found = self._open(repo).get_contents(folder, ref=repo.default_branch)
            except github.UnknownObjectException:
                return []
        # A file of that name has nothing in it.
        return [one.name for one in found] if isinstance(found, list) else []

    def read_file(self, repo: HostedRepo, path: str) -> bytes | None:
        """A file of the default branch."""
        with _translate_errors():
            try:
                found = self._open(repo).get_contents(path, ref=repo.default_branch)
            except github.UnknownObjectException:
                return None
            # Larger ones come without their content, and none that we look for is.
            if isinstance(found, list) or found.size > MOST_FILE_BYTES:
                return None
            return found.decoded_content

    def propose_files(self, repo: HostedRepo, proposal: FileProposal) -> OpenedProposal:
        """One branch, one commit, one pull request; each is made where it is not there yet."""
        with _translate_errors():
            there = self._open(repo)
            self._ensure_branch(there, repo, proposal)
            found = self._find_pull(there, proposal.branch, proposal.mark)
            # Closed by a person, and then retried: people want it again.
            if found is not None and found.state != ProposalState.CLOSED:
                return found
            self._still_ours()
            try:
                made = there.create_pull(
                    repo.default_branch,
                    proposal.branch,
                    title=proposal.title,
                    body=f"{proposal.body}\n\n<!-- {proposal.mark} -->",
                )
            except github.GithubException as error:
                # Another attempt was faster, or the answer to it was lost: then it is there now.
                again = self._find_pull(there, proposal.branch, proposal.mark)
                if error.status == _UNPROCESSABLE and again is not None:
                    return again
                raise
            return OpenedProposal(made.number, made.html_url, ProposalState.OPEN)

    def withdraw_proposal(self, repo: HostedRepo, branch: str, reference: str) -> ProposalState | None:
        """Close the pull request and delete its branch. What people have merged stays: it is theirs."""
        mark = build_mark(reference)
        with _translate_errors():
            there = self._open(repo)
            pull = self._read_pull(there, branch, mark)
            state = None if pull is None else _read_state(pull)
            # Closed first: GitHub would close it with the branch, and say less.
            if pull is not None and state == ProposalState.OPEN:
                self._still_ours()
                pull.edit(state="closed")
            if self._is_branch_ours(there, branch, mark):
                ref = there.get_git_ref(f"heads/{branch}")
                # Only fetching it, as this does, gives it the address under which it is deleted.
                log.info("deleting %s of %s at %s", branch, repo.path, ref.object.sha)
                self._still_ours()
                ref.delete()
            return state

    def put_secret(self, repo: HostedRepo, name: str, value: str, reference: str) -> None:
        """Write a secret of Actions, sealed for the repo's own key."""
        with _translate_errors():
            there = self._open(repo)
            owner = self._read_owner(there)
            if owner != build_mark(reference):
                if owner is not None or self._has_secret(there, name):
                    raise CodeHostRefused(
                        f"{repo.path} has a secret {name} already, and not from this request.",
                        cure=f"Delete the secret {name} (and the variable {OWNER_VARIABLE}, if it is there) "
                        "in the settings of the repo, or choose keyless; then retry.",
                    )
                # First whose it is, then the secret: one that is left without its mark would stay for ever.
                self._still_ours()
                there.create_variable(OWNER_VARIABLE, build_mark(reference))
            self._still_ours()
            there.create_secret(name, value)

    def delete_secret(self, repo: HostedRepo, name: str, reference: str) -> bool:
        """Delete the secret where the variable says that it is ours, then the variable."""
        with _translate_errors():
            there = self._open(repo)
            # Without the mark it is somebody else's secret, also under our name.
            if self._read_owner(there) != build_mark(reference):
                return False
            self._still_ours()
            was_there = there.delete_secret(name)
            self._still_ours()
            there.delete_variable(OWNER_VARIABLE)
            return was_there

    def mint_clone_access(self, repo: HostedRepo) -> DeployAccess:
        """A token that reads this repo for an hour. Raises ``CodeHostRefused`` without an App."""
        with _translate_errors():
            if not settings.GITHUB_APP_ID:
                raise CodeHostRefused(
                    "Private repos of GitHub are cloned through a GitHub App, and none is configured.",
                    cure="An operator sets GITHUB_APP_ID and GITHUB_APP_PRIVATE_KEY; then retry. Or ask "
                    "again without private clones: then each flow brings its files.",
                    fixed_by=FixedBy.OPERATOR,
                )
            integration = _open_app()
            owner, name = repo.path.split("/")
            # An App that is not installed on this repo gets 404 here.
            installation = integration.get_repo_installation(owner, name)
            made = self._mint(installation.id, name, {"contents": "read"})
        return DeployAccess(str(installation.id), CLONE_USER, made)

    def _mint(self, installation: int, name: str, permissions: dict[str, str]) -> str:
        # PyGithub's own method takes no list of repositories; the token is to open one, not all.
        requester = _open_app().requester
        self._still_ours()
        _, found = requester.requestJsonAndCheck(
            "POST",
            f"/app/installations/{installation}/access_tokens",
            input={"repositories": [name], "permissions": permissions},
        )
        return str(found["token"])

    def _open(self, repo: HostedRepo) -> Repository:
        found = self._find(repo.path)
        if found is None:
            raise _refuse_missing(repo.path)
        return found

    def _find(self, path: str) -> Repository | None:
        try:
            client = self._connect(path)
            # Follows the redirect of a repo that was renamed.
            return None if client is None else client.get_repo(path)
        # Also where the App was uninstalled: then it has no installation to ask for.
        except github.UnknownObjectException:
            return None

    def _connect(self, path: str) -> github.Github | None:
        auth: github.Auth.Auth
        if settings.GITHUB_APP_ID:
            owner, _, name = path.partition("/")
            integration = _open_app()
            try:
                installation = integration.get_repo_installation(owner, name)
            except github.UnknownObjectException:
                return None
            auth = github.Auth.AppInstallationAuth(_read_app_auth(), installation.id)
        else:
            auth = github.Auth.Token(settings.GITHUB_TOKEN)
        return github.Github(auth=auth, base_url=settings.GITHUB_API_URL, **_OPTIONS)

    def _describe(self, found: Repository) -> HostedRepo:
        branch, is_protected = "", False
        # A repository without a commit has a default branch that is not there.
        with suppress(github.UnknownObjectException):
            head = found.get_branch(found.default_branch)
            branch, is_protected = head.name, head.protected
        return HostedRepo(
            number=str(found.id),
            path=found.full_name,
            default_branch=branch,
            web_url=found.html_url,
            clone_url=found.clone_url,
            is_private=found.private,
            is_archived=found.archived,
            is_empty=branch == "",
            is_protected=is_protected,
            may_write=self._may_write(found),
        )

    def _may_write(self, found: Repository) -> bool:
        # What the repo says is about people; of an App, the installation says what it was granted.
        if settings.GITHUB_APP_ID:
            owner, name = found.full_name.split("/")
            granted = _open_app().get_repo_installation(owner, name).permissions
            return str(granted.get("contents")) == "write"
        return found.permissions is not None and bool(found.permissions.push)

    def _ensure_branch(self, there: Repository, repo: HostedRepo, proposal: FileProposal) -> None:
        # Asked again and not taken from the check: people push meanwhile.
        base = there.get_branch(repo.default_branch).commit
        if self._has_branch(there, proposal.branch):
            if not self._is_branch_ours(there, proposal.branch, proposal.mark):
                raise CodeHostRefused(
                    f"{repo.path} has a branch {proposal.branch} already, and not from this request.",
                    cure=f"Delete or rename the branch {proposal.branch}, then retry.",
                )
            return
        # Text in the tree itself: one request in the place of one for each file.
        elements = [
            github.InputGitTreeElement(path, "100644", "blob", content.decode())
            for path, content in proposal.files.items()
        ]
        parent = there.get_git_commit(base.sha)
        base_tree = there.get_git_tree(parent.tree.sha)
        self._still_ours()
        tree = there.create_git_tree(elements, base_tree)
        self._still_ours()
        commit = there.create_git_commit(f"{proposal.title}\n\n{proposal.mark}", tree, [parent])
        self._still_ours()
        try:
            there.create_git_ref(f"refs/heads/{proposal.branch}", commit.sha)
        except github.GithubException as error:
            # Somebody was faster; that it is ours is looked at once more.
            if error.status != _UNPROCESSABLE or not self._is_branch_ours(
                there, proposal.branch, proposal.mark
            ):
                raise

    def _has_branch(self, there: Repository, branch: str) -> bool:
        try:
            there.get_branch(branch)
        except github.UnknownObjectException:
            return False
        return True

    def _is_branch_ours(self, there: Repository, branch: str, mark: str) -> bool:
        """Whether the newest commit is the one that we made. People who add to it make the branch theirs."""
        try:
            head = there.get_branch(branch).commit
        except github.UnknownObjectException:
            return False
        return mark in there.get_git_commit(head.sha).message.splitlines()

    def _find_pull(self, there: Repository, branch: str, mark: str) -> OpenedProposal | None:
        pull = self._read_pull(there, branch, mark)
        if pull is None:
            return None
        return OpenedProposal(pull.number, pull.html_url, _read_state(pull))

    def _read_pull(self, there: Repository, branch: str, mark: str) -> PullRequest | None:
        """The newest pull request of the branch that carries our mark."""
        # Without the owner GitHub ignores the name of the branch.
        owner = there.full_name.split("/")[0]
        for pull in there.get_pulls(state="all", head=f"{owner}:{branch}"):
            if f"<!-- {mark} -->" in (pull.body or ""):
                return pull
        return None

    def _read_owner(self, there: Repository) -> str | None:
        try:
            return there.get_variable(OWNER_VARIABLE).value
        except github.UnknownObjectException:
            return None

    def _has_secret(self, there: Repository, name: str) -> bool:
        try:
            # It is fetched when its first field is asked for.
            return bool(there.get_secret(name).created_at)
        except github.UnknownObjectException:
            return False


def _read_state(pull: PullRequest) -> ProposalState:
    if pull.merged_at is not None:
        return ProposalState.MERGED
    return ProposalState.OPEN if pull.state == "open" else ProposalState.CLOSED


def _open_app() -> github.GithubIntegration:
    return github.GithubIntegration(auth=_read_app_auth(), base_url=settings.GITHUB_API_URL, **_OPTIONS)


def _read_app_auth() -> github.Auth.AppAuth:
    return github.Auth.AppAuth(settings.GITHUB_APP_ID, settings.GITHUB_APP_PRIVATE_KEY)


def _refuse_missing(path: str) -> CodeHostRefused:
    return CodeHostRefused(
        f"GitHub has no repo {path}, or does not let us see it.",
        cure="Check the path. If it is right, let an owner of the organisation install the GitHub App on the "
        "repo, or let the operators give their token access to it; then retry.",
    )


@contextmanager
def _translate_errors() -> Iterator[None]:
    """What PyGithub raises, as ours. Texts of GitHub are quoted in part and never its headers."""
    host = urlsplit(settings.GITHUB_API_URL).hostname
    try:
        yield
    except github.GithubException as error:
        raise _translate_answer(str(host), error) from error
    except (requests.exceptions.RequestException, OSError) as error:
        raise FarSideTrouble(f"{host} cannot be reached, or answers too slowly.") from error


def _translate_answer(host: str, error: github.GithubException) -> Exception:
    # PyGithub knows one of its texts only; what an App has signed is refused with others.
    if error.status == _UNAUTHORIZED:
        return CodeHostNotConfigured(
            f"{host} does not accept our credential: {_quote(error)}.",
            cure="An operator renews GITHUB_TOKEN, or the key of the GitHub App, or sets the clock of this "
            "machine where GitHub speaks of a time; then retry.",
        )
    headers = error.headers or {}
    wished = str(headers.get("retry-after", ""))
    # GitHub says 403 for its second kind of limit, with the header.
    is_limited = error.status == _TOO_MANY or isinstance(error, github.RateLimitExceededException)
    if is_limited or wished or error.status >= _SERVER_ERROR or error.status == _CONFLICT:
        words = "asks us to wait" if is_limited or wished else f"answers {error.status}"
        return FarSideTrouble(
            f"{host} {words}.", retry_after_seconds=float(wished) if wished.isdigit() else None
        )
    return CodeHostRefused(
        f"{host} refuses this ({error.status}): {_quote(error)}",
        cure="Give the GitHub App, or the operators' token, write access to contents, workflows, "
        "pull requests, secrets and variables of the repo; then retry.",
    )


def _quote(error: github.GithubException) -> str:
    """What GitHub says. Of its texts only a bounded one: it is shown on a page."""
    said = error.data.get("message", "") if isinstance(error.data, dict) else ""
    return str(said)[:200] or "it does not say why"
