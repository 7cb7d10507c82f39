"""GitLab, by its REST API of version 4."""

from collections.abc import Mapping
from typing import Any
from urllib.parse import quote

from blocks.cli.ci.code_host import (
    Comment,
    CommentSubject,
    NothingToPropose,
    Proposal,
    ProposalText,
    SubjectKind,
)
from blocks.cli.ci.http import PlatformRefusal, Session, explain_refusal
from blocks.cli.errors import Failure

_FOLDERS = {SubjectKind.ISSUE: "issues", SubjectKind.PROPOSAL: "merge_requests"}
_CURES = {
    401: "Set GITLAB_TOKEN to a project access token with the scopes api and write_repository.",
    403: "The project access token in GITLAB_TOKEN needs the role Developer and the scope api.",
    404: "Check that GITLAB_TOKEN reaches this project: GitLab answers 404 where it does not.",
}


def open_session(api_url: str, token: str) -> Session:
    """A session with GitLab."""
    return Session(api_url, token)


class GitLab:
    """A project at GitLab."""

    def __init__(self, session: Session, project: str) -> None:
        self._session = session
        self._project = f"/projects/{quote(project, safe='')}"
        self._user_id = 0

    def find_proposal(self, branch: str, base: str) -> Proposal | None:
        """The open merge request of ``branch`` for ``base``."""
        params = {"state": "opened", "source_branch": branch, "target_branch": base}
        try:
            found = self._session.get(f"{self._project}/merge_requests", params)
        except PlatformRefusal as refused:
            raise _explain(refused, "list merge requests") from refused
        return _read_request(found[0]) if found else None

    def open_proposal(self, text: ProposalText, branch: str, base: str) -> Proposal:
        """A new merge request."""
        # GitLab opens one for a branch without commits of its own, and GitHub does not.
        if not self._has_commits(branch, base):
            raise NothingToPropose
        body = {
            "title": text.title,
            "description": text.body,
            "source_branch": branch,
            "target_branch": base,
            "remove_source_branch": True,
        }
        try:
            return _read_request(self._session.post(f"{self._project}/merge_requests", body))
        except PlatformRefusal as refused:
            if refused.status == 409:
                found = self.find_proposal(branch, base)
                if found is not None:
                    return self.change_proposal(found, text)
            raise _explain(refused, "open a merge request") from refused

    def change_proposal(self, proposal: Proposal, text: ProposalText) -> Proposal:
        """Give a merge request another title and description."""
        body = {"title": text.title, "description": text.body}
        try:
            return _read_request(self._session.put(f"{self._project}/merge_requests/{proposal.number}", body))
        except PlatformRefusal as refused:
            raise _explain(refused, "change a merge request") from refused

    def list_comments(self, subject: CommentSubject) -> list[Comment]:
        """The notes of an issue or a merge request."""
        try:
            found = list(self._session.list(self._notes(subject), {"sort": "asc", "order_by": "created_at"}))
            user_id = self._find_user()
        except PlatformRefusal as refused:
            raise _explain(refused, "read comments") from refused
        return [
            Comment(int(one["id"]), str(one.get("body") or ""), _author_of(one) == user_id) for one in found
        ]

    def add_comment(self, subject: CommentSubject, body: str) -> None:
        """A new note."""
        try:
            self._session.post(self._notes(subject), {"body": body})
        except PlatformRefusal as refused:
            raise _explain(refused, "comment") from refused

    def change_comment(self, subject: CommentSubject, comment: Comment, body: str) -> None:
        """Give a note another text."""
        try:
            self._session.put(f"{self._notes(subject)}/{comment.id}", {"body": body})
        except PlatformRefusal as refused:
            raise _explain(refused, "change a comment") from refused

    def _notes(self, subject: CommentSubject) -> str:
        return f"{self._project}/{_FOLDERS[subject.kind]}/{subject.number}/notes"

    def _has_commits(self, branch: str, base: str) -> bool:
        try:
            found = self._session.get(f"{self._project}/repository/compare", {"from": base, "to": branch})
        except PlatformRefusal as refused:
            raise _explain(refused, "compare branches") from refused
        return bool(found["commits"])

    def _find_user(self) -> int:
        """The account of the token."""
        if not self._user_id:
            self._user_id = int(self._session.get("/user")["id"])
        return self._user_id


def _author_of(note: Mapping[str, Any]) -> int:
    author = note.get("author")
    return int(author["id"]) if isinstance(author, dict) else 0


def _read_request(found: Mapping[str, Any]) -> Proposal:
    return Proposal(int(found["iid"]), str(found["web_url"]))


def _explain(refused: PlatformRefusal, what: str) -> Failure:
    return explain_refusal(refused, "GitLab", what, _CURES)
