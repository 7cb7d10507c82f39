"""What a job is asked to run: an issue with a label, or request files that changed."""

import re
from dataclasses import dataclass
from pathlib import Path

from blocks.cli.ci.code_host import CommentSubject, SubjectKind
from blocks.cli.ci.job import CiJob
from blocks.cli.ci.work_branch import Repository
from blocks.cli.errors import Failure
from blocks.cli.flow_request import read_request
from blocks.cli.plain_files import refuse_links
from blocks.format.limits import MAX_REQUEST_BYTES

_LONGEST_NAME = 60
# More at once is rather a mistake of the pattern than that many wishes.
_MOST_FILES = 10


@dataclass(frozen=True, slots=True)
class FlowRequest:
    """One request. ``name`` is the same each time: it names the branch and the comment.

    ``subject`` is what asked and is told the result; ``None`` where nothing can be commented on.
    """

    name: str
    text: str
    origin: str
    subject: CommentSubject | None

    @property
    def branch(self) -> str:
        """The branch of its proposal."""
        return f"blocks/{self.name}"

    @property
    def marker(self) -> str:
        """What its comment is found by."""
        return f"blocks:run:{self.name}"


def find_requests(job: CiJob, repository: Repository, label: str, pattern: str) -> list[FlowRequest]:
    """Those of the event that started the job; none where it has none."""
    if job.issue is not None:
        return [_read_issue(job)] if label in job.issue.labels else []
    paths = repository.list_changed_files(job.before, pattern)
    if len(paths) > _MOST_FILES:
        raise Failure(
            f"{len(paths)} request files changed at once, and each costs a flow.",
            cure=f"Name those to run with --request, or change at most {_MOST_FILES} at a time.",
            code="ci:too-many-requests",
        )
    return [read_request_file(job, repository.root, Path(path)) for path in paths]


def read_request_file(job: CiJob, root: Path, path: Path) -> FlowRequest:
    """The request in a file of the repo; never through a link, which may lead to a secret of the job."""
    try:
        refuse_links(root, root / path)
    except ValueError as error:
        raise Failure(
            f"{path} is not in this repo.", cure="Name a file of the repo.", code="ci:bad-event"
        ) from error
    subject = None if job.proposal is None else CommentSubject(SubjectKind.PROPOSAL, job.proposal)
    name = re.sub(r"[^a-z0-9]+", "-", path.with_suffix("").as_posix().lower()).strip("-")[:_LONGEST_NAME]
    return FlowRequest(name or "request", read_request(root / path), f"`{path.as_posix()}`", subject)


def _read_issue(job: CiJob) -> FlowRequest:
    issue = job.issue
    if issue is None:
        raise ValueError("the job has no issue")
    text = issue.text.replace("\r\n", "\n").strip()
    # A request begins with its title. One that was pasted whole has its own.
    if not text.startswith("# "):
        text = f"# {' '.join(issue.title.split())}\n\n{text}".strip()
    size = len(text.encode())
    if size > MAX_REQUEST_BYTES:
        raise Failure(
            f"Issue {issue.number} has {size:,} bytes; a request has at most {MAX_REQUEST_BYTES:,}.",
            cure="Split it into several issues.",
            code="flow:request-too-large",
        )
    subject = CommentSubject(SubjectKind.ISSUE, issue.number)
    return FlowRequest(f"issue-{issue.number}", f"{text}\n", f"#{issue.number}", subject)
