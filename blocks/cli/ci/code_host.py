"""What a job asks of GitHub or GitLab: one proposal (pull or merge request) a branch, one comment each."""

from dataclasses import dataclass
from enum import StrEnum
from typing import Protocol


class SubjectKind(StrEnum):
    """What can be commented on."""

    ISSUE = "issue"
    PROPOSAL = "proposal"


@dataclass(frozen=True, slots=True)
class CommentSubject:
    """An issue, or a proposal, by its number."""

    kind: SubjectKind
    number: int


@dataclass(frozen=True, slots=True)
class ProposalText:
    """What people read of a proposal."""

    title: str
    body: str


@dataclass(frozen=True, slots=True)
class Proposal:
    """An open proposal."""

    number: int
    url: str


@dataclass(frozen=True, slots=True)
class Comment:
    """A comment; ``mine``: it was written by the account that the job has."""

    id: int
    body: str
    mine: bool


class NothingToPropose(Exception):
    """The branch has no commit that its target lacks."""


class CodeHost(Protocol):
    """One platform. Every method raises ``Failure`` where the platform refuses for good."""

    def find_proposal(self, branch: str, base: str) -> Proposal | None:
        """The open proposal of ``branch`` for ``base``."""
        ...

    def open_proposal(self, text: ProposalText, branch: str, base: str) -> Proposal:
        """A new one; the one that is there where another job was quicker. Raises ``NothingToPropose``."""
        ...

    def change_proposal(self, proposal: Proposal, text: ProposalText) -> Proposal:
        """Give an open one another text."""
        ...

    def list_comments(self, subject: CommentSubject) -> list[Comment]:
        """Its comments, oldest first."""
        ...

    def add_comment(self, subject: CommentSubject, body: str) -> None:
        """A new comment."""
        ...

    def change_comment(self, subject: CommentSubject, comment: Comment, body: str) -> None:
        """Give a comment another text."""
        ...


def keep_comment(host: CodeHost, subject: CommentSubject, marker: str, body: str) -> None:
    """Have exactly one comment with ``marker``, and let it say ``body``.

    Only a comment by the account of the job counts: anybody could write the marker into theirs.
    """
    marked = f"<!-- {marker} -->\n{body}"
    found = [one for one in host.list_comments(subject) if one.mine and f"<!-- {marker} -->" in one.body]
    if not found:
        host.add_comment(subject, marked)
    elif found[0].body != marked:
        host.change_comment(subject, found[0], marked)


def keep_proposal(host: CodeHost, text: ProposalText, branch: str, base: str) -> Proposal | None:
    """Have exactly one open proposal of ``branch``, with this text; ``None`` where nothing differs."""
    found = host.find_proposal(branch, base)
    if found is not None:
        return host.change_proposal(found, text)
    try:
        return host.open_proposal(text, branch, base)
    except NothingToPropose:
        return None
