"""GitHub as a job meets it: one repository, a token with the permissions of the job."""

from collections.abc import Iterator
from typing import Any

from orchestrator.dev.far_sides.git_storage import Remote
from orchestrator.dev.far_sides.github import ACTIONS, GitHubRepository, LocalGitHub, write_comment

REPOSITORY = "acme/compliance-service"


class GitHubServer(LocalGitHub):
    """One repository. ``tokens`` maps a token to the permissions that its job has."""

    def __init__(self, remote: Remote, tokens: dict[str, set[str]]) -> None:
        self.repository = GitHubRepository(REPOSITORY, remote)
        # The action and the command name the version, so a request without it is a fault.
        super().__init__(repositories=[self.repository], tokens=dict(tokens), wants_version=True)

    @property
    def pulls(self) -> list[dict[str, Any]]:
        return self.repository.pulls

    @property
    def comments(self) -> list[dict[str, Any]]:
        return self.repository.comments

    @property
    def issues(self) -> set[int]:
        return self.repository.issues

    @property
    def may_create_pulls(self) -> bool:
        return self.repository.may_create_pulls

    @may_create_pulls.setter
    def may_create_pulls(self, allowed: bool) -> None:
        self.repository.may_create_pulls = allowed

    def add_comment(self, number: int, body: str, login: str = ACTIONS) -> dict[str, Any]:
        """A comment that is there, or that a person writes."""
        return write_comment(self.repository, number, body, login)


def list_bodies(server: GitHubServer, number: int) -> Iterator[str]:
    """The texts of the comments of an issue."""
    return (one["body"] for one in server.comments if one["issue"] == number)
