"""GitLab as a job meets it: one project, a token with the scopes of the job."""

from collections.abc import Mapping
from typing import Any

from orchestrator.dev.far_sides.git_storage import Remote
from orchestrator.dev.far_sides.gitlab import BOT, GitLabProject, LocalGitLab, write_note

PROJECT = "42"


class GitLabServer(LocalGitLab):
    """One project. ``tokens`` maps a token to its scopes."""

    def __init__(self, remote: Remote, tokens: dict[str, set[str]]) -> None:
        self.project = GitLabProject("acme/compliance-service", remote, number=int(PROJECT))
        super().__init__(projects=[self.project], tokens=dict(tokens))

    @property
    def merge_requests(self) -> list[dict[str, Any]]:
        return self.project.merge_requests

    @property
    def notes(self) -> list[dict[str, Any]]:
        return self.project.notes

    @property
    def issues(self) -> set[int]:
        return self.project.issues

    def add_note(
        self, subject: tuple[str, int], body: str, author: Mapping[str, Any] = BOT
    ) -> dict[str, Any]:
        """A note that is there, or that a person writes."""
        return write_note(self.project, subject, body, author)
