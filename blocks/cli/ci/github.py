"""GitHub, by its REST API of version 2022-11-28 (GitHub Enterprise Server has the same)."""

from collections.abc import Mapping
from typing import Any

from blocks.cli.ci.code_host import Comment, CommentSubject, NothingToPropose, Proposal, ProposalText
from blocks.cli.ci.http import PlatformRefusal, Session, explain_refusal
from blocks.cli.errors import Failure

_HEADERS = {"Accept": "application/vnd.github+json", "X-GitHub-Api-Version": "2022-11-28"}
# The account of the token that each job gets, which may not ask who it is.
_ACTIONS = "github-actions[bot]"
_CURES = {
    401: "Give the step `GITHUB_TOKEN: ${{ github.token }}`.",
    403: "Give the job the permissions that docs/how-to/run-in-ci.md names, and allow GitHub Actions to "
    "create pull requests in the settings of the repo.",
    404: "Check that the token reaches this repo: GitHub answers 404 where it does not.",
}


def open_session(api_url: str, token: str) -> Session:
    """A session with GitHub."""
    return Session(api_url, token, _HEADERS)


class GitHub:
    """A repo at GitHub."""

    def __init__(self, session: Session, repository: str) -> None:
        self._session = session
        self._repo, self._owner = f"/repos/{repository}", repository.split("/")[0]
        self._login = ""

    def find_proposal(self, branch: str, base: str) -> Proposal | None:
        """The open pull request of ``branch`` for ``base``."""
        params = {"state": "open", "head": f"{self._owner}:{branch}", "base": base}
        try:
            found = self._session.get(f"{self._repo}/pulls", params)
        except PlatformRefusal as refused:
            raise _explain(refused, "list pull requests") from refused
        return _read_pull(found[0]) if found else None

    def open_proposal(self, text: ProposalText, branch: str, base: str) -> Proposal:
        """A new pull request."""
        body = {"title": text.title, "body": text.body, "head": branch, "base": base}
        try:
            return _read_pull(self._session.post(f"{self._repo}/pulls", body))
        except PlatformRefusal as refused:
            if refused.status == 422 and "No commits between" in refused.text:
                raise NothingToPropose from refused
            if refused.status == 422 and "already exists" in refused.text:
                found = self.find_proposal(branch, base)
                if found is not None:
                    return self.change_proposal(found, text)
            raise _explain(refused, "open a pull request") from refused

    def change_proposal(self, proposal: Proposal, text: ProposalText) -> Proposal:
        """Give a pull request another title and body."""
        body = {"title": text.title, "body": text.body}
        try:
            return _read_pull(self._session.patch(f"{self._repo}/pulls/{proposal.number}", body))
        except PlatformRefusal as refused:
            raise _explain(refused, "change a pull request") from refused

    def list_comments(self, subject: CommentSubject) -> list[Comment]:
        """The comments of an issue or a pull request, which are the same at GitHub."""
        try:
            found = list(self._session.list(f"{self._repo}/issues/{subject.number}/comments"))
            login = self._find_login()
        except PlatformRefusal as refused:
            raise _explain(refused, "read comments") from refused
        return [
            Comment(int(one["id"]), str(one.get("body") or ""), _author_of(one) == login) for one in found
        ]

    def add_comment(self, subject: CommentSubject, body: str) -> None:
        """A new comment."""
        try:
            self._session.post(f"{self._repo}/issues/{subject.number}/comments", {"body": body})
        except PlatformRefusal as refused:
            raise _explain(refused, "comment") from refused

    def change_comment(self, subject: CommentSubject, comment: Comment, body: str) -> None:  # noqa: ARG002
        """Give a comment another text. Its id is enough here; GitLab needs the subject, too."""
        try:
            self._session.patch(f"{self._repo}/issues/comments/{comment.id}", {"body": body})
        except PlatformRefusal as refused:
            raise _explain(refused, "change a comment") from refused

    def _find_login(self) -> str:
        """The account of the token."""
        if not self._login:
            try:
                self._login = str(self._session.get("/user")["login"])
            except PlatformRefusal as refused:
                if refused.status != 403:
                    raise
                self._login = _ACTIONS
        return self._login


def _author_of(comment: Mapping[str, Any]) -> str:
    user = comment.get("user")
    return str(user.get("login")) if isinstance(user, dict) else ""


def _read_pull(found: Mapping[str, Any]) -> Proposal:
    return Proposal(int(found["number"]), str(found["html_url"]))


def _explain(refused: PlatformRefusal, what: str) -> Failure:
    return explain_refusal(refused, "GitHub", what, _CURES)
