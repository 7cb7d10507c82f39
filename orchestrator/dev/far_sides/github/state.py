"""What GitHub keeps here, and who may see and do what with it."""

import hashlib
import itertools
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any, ClassVar, Final

from nacl.public import PrivateKey

from orchestrator.dev.far_sides.git_storage import Remote
from orchestrator.dev.far_sides.server import Answer, Asked, FarSide

ACTIONS: Final = "github-actions[bot]"
EVERYTHING: Final = frozenset(
    {"contents", "pull_requests", "issues", "secrets", "variables", "workflows", "metadata"}
)
"""What a token for onboarding has."""


class GitHubRefusal(Exception):
    """An answer other than success."""

    def __init__(self, status: int, message: str, *errors: Mapping[str, str]) -> None:
        super().__init__(message)
        self.answer = Answer(status, {"message": message, "documentation_url": "x", "status": str(status)})
        if errors:
            self.answer.body["errors"] = list(errors)


@dataclass
class GitHubRepository:
    """One repository. ``private`` ones are seen by the tokens in ``seen_by`` and by installations alone."""

    path: str
    remote: Remote
    number: int = 0
    default_branch: str = "main"
    private: bool = False
    archived: bool = False
    protected: set[str] = field(default_factory=set)
    seen_by: set[str] | None = None
    installations: dict[str, int] = field(default_factory=dict)
    """The id of an app to the id of its installation here."""
    pulls: list[dict[str, Any]] = field(default_factory=list)
    comments: list[dict[str, Any]] = field(default_factory=list)
    issues: set[int] = field(default_factory=set)
    secrets: dict[str, str] = field(default_factory=dict)
    """By name, opened with the repository's key as GitHub does when a job runs."""
    variables: dict[str, str] = field(default_factory=dict)
    may_create_pulls: bool = True
    key: PrivateKey = field(default_factory=PrivateKey.generate, repr=False)

    @property
    def key_id(self) -> str:
        """The name of the key that secrets are sealed for."""
        return hashlib.sha256(bytes(self.key.public_key)).hexdigest()[:18]

    def find_tree(self, commit: str) -> str:
        """The id of the tree of a commit."""
        return self.remote.ask("rev-parse", f"{commit}^{{tree}}")

    def refuse_empty(self) -> None:
        """Raise ``GitHubRefusal`` where there is no commit yet."""
        if not self.remote.ask("for-each-ref", "--count=1"):
            raise GitHubRefusal(409, "Git Repository is empty.")


@dataclass
class InstallationToken:
    """What an installation of an app was given: until ``ends``, for the repositories with these numbers.

    ``permissions`` are ``read`` or ``write``, by name.
    """

    installation: int
    repositories: frozenset[int]
    permissions: Mapping[str, str]
    ends: datetime


@dataclass(frozen=True, slots=True)
class GitHubCall:
    """A request that is allowed so far: its name in the description, and its repository."""

    operation: str
    asked: Asked
    repository: GitHubRepository
    variables: Mapping[str, str]


@dataclass
class GitHubState(FarSide):
    """Repositories and tokens. A token has permissions, such as ``contents``; ``apps`` have a public key."""

    title: ClassVar[str] = "GitHub"
    repositories: list[GitHubRepository] = field(default_factory=list)
    tokens: dict[str, frozenset[str] | set[str]] = field(default_factory=dict)
    moved: dict[str, int] = field(default_factory=dict)
    """Old paths to the number of the repository."""
    apps: dict[str, str] = field(default_factory=dict)
    """The id of an app to its public key in PEM."""
    app_permissions: dict[str, str] = field(
        default_factory=lambda: dict.fromkeys(sorted(EVERYTHING), "write")
    )
    """What every installation was granted: ``read`` or ``write``, by name."""
    minted: dict[str, InstallationToken] = field(default_factory=dict)
    ahead: timedelta = timedelta(0)
    """By how much GitHub's clock is ahead of this machine's."""
    refusals: list[Answer] = field(default_factory=list)
    wants_version: bool = False
    request_token: str = ""
    sign: Callable[[str], str] = str
    """Makes the identity token of a job for an audience; ``request_token`` is what asks for it."""
    requests: int = 0
    numbers: "itertools.count[int]" = field(default_factory=lambda: itertools.count(1))

    def add_repository(self, path: str, folder: Path, **facts: Any) -> GitHubRepository:
        """A repository that is empty; ``folder`` is where all are kept."""
        branch = facts.get("default_branch", "main")
        remote = Remote.create(folder / f"{path.replace('/', '+')}.git", branch)
        made = GitHubRepository(path, remote, number=1000 + len(self.repositories), **facts)
        self.repositories.append(made)
        return made

    def rename(self, repository: GitHubRepository, path: str) -> None:
        """Move a repository; its old address leads to it."""
        self.moved[repository.path.lower()] = repository.number
        repository.path = path

    def dump(self) -> dict[str, Any]:
        """Repositories with branches, open pull requests, secrets as digests, variables."""
        return {one.path: _dump_repository(one) for one in self.repositories}

    def read_clock(self) -> datetime:
        """The time as GitHub has it."""
        return datetime.now(UTC) + self.ahead

    def find_repository(self, path: str, token: str) -> GitHubRepository | None:
        """The repository at ``path``; None where ``token`` sees none."""
        for one in self.repositories:
            # Owners and names have no case at GitHub.
            if one.path.lower() == path.lower():
                return one if self._is_visible(one, token) else None
        return None

    def _is_visible(self, repository: GitHubRepository, token: str) -> bool:
        if not repository.private or token.count(".") == 2:
            return True
        if token in self.minted:
            return self._is_for(self.minted[token], repository)
        return token in self.tokens and (repository.seen_by is None or token in repository.seen_by)

    def _is_for(self, token: InstallationToken, repository: GitHubRepository) -> bool:
        # Of what it was made for, only where the app is still installed.
        is_installed = token.installation in repository.installations.values()
        return is_installed and repository.number in token.repositories

    def is_live(self, token: str) -> bool:
        """Whether ``token`` is known, and has not ended."""
        if token in self.minted:
            return self.minted[token].ends > self.read_clock()
        return token in self.tokens

    def is_permitted(
        self, token: str, permission: str, repository: GitHubRepository | None, *, writes: bool = False
    ) -> bool:
        """Whether ``token`` has the permission, to read or to write."""
        if token not in self.minted:
            return permission in self.tokens.get(token, ())
        minted = self.minted[token]
        # Checked at each request: such a token ends while a clone may still run.
        if not self.is_live(token) or repository is None or not self._is_for(minted, repository):
            return False
        level = minted.permissions.get(permission)
        return level == "write" or (level == "read" and not writes)

    def need(self, call: GitHubCall, permission: str) -> None:
        """Raise ``GitHubRefusal`` where the caller does not have the permission for this request."""
        writes = call.asked.method != "GET"
        if not self.is_permitted(call.asked.bearer, permission, call.repository, writes=writes):
            raise GitHubRefusal(403, "Resource not accessible by integration")


def _dump_repository(one: GitHubRepository) -> dict[str, Any]:
    digests = {name: hashlib.sha256(value.encode()).hexdigest() for name, value in one.secrets.items()}
    return {
        "branches": one.remote.dump(),
        "open_pulls": [[pull["number"], pull["title"]] for pull in one.pulls if pull["state"] == "open"],
        "secrets": digests,
        "variables": dict(one.variables),
    }
