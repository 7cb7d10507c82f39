"""What onboarding asks of a code host, in one form for all.

The address of the API comes from the operator's settings alone; of what a person types, only the path of the
repo is used. Each call has a time-out. What a person or an operator has to cure is ``CodeHostRefused``; what
passes by itself is ``FarSideTrouble``.
"""

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Final, Protocol

from onboarding.step_protocol import MARK
from orchestrator.core.errors import FixedBy, OrchestratorError
from orchestrator.core.registry import Registry

CALL_SECONDS: Final = 10
"""How long one call may take, to connect and between two parts of the answer."""
MOST_FILE_BYTES: Final = 1024 * 1024
# As both hosts write it: an owner or groups, and a name; no part is only dots.
_PATH: Final = re.compile(r"(?!\.+(/|\Z))[A-Za-z0-9_.-]+(/(?!\.+(/|\Z))[A-Za-z0-9_.-]+)+")


class CodeHostRefused(OrchestratorError):
    """The code host does not let us do this. The cure says who changes what."""

    code = "onboarding:code-host-refused"
    fixed_by = FixedBy.REPO_OWNER
    http_status = 409


class CodeHostNotConfigured(OrchestratorError):
    """This deployment has no access to the code host."""

    code = "onboarding:code-host-not-configured"
    fixed_by = FixedBy.OPERATOR
    http_status = 503


@dataclass(frozen=True, slots=True)
class HostedRepo:
    """A repo as its code host has it now; ``path`` is the one that it has today, also where it was renamed.

    ``default_branch`` is empty where the repo is.
    """

    number: str
    path: str
    default_branch: str
    web_url: str
    clone_url: str
    is_private: bool = False
    is_archived: bool = False
    is_empty: bool = False
    is_protected: bool = False
    """Whether the default branch takes changes by pull or merge requests only."""
    may_write: bool = True


@dataclass(frozen=True, slots=True)
class FileProposal:
    """Files for a branch of their own, offered in one commit and one pull or merge request.

    ``replaces`` are those of ``files`` that the default branch has, in another form.
    """

    branch: str
    title: str
    body: str
    reference: str
    files: Mapping[str, bytes] = field(repr=False)
    replaces: frozenset[str] = frozenset()

    @property
    def mark(self) -> str:
        """What the commit and the request carry, so that they are found again."""
        return build_mark(self.reference)


class ProposalState(StrEnum):
    """Where a pull or merge request stands."""

    OPEN = "open"
    MERGED = "merged"
    # By a person, without a merge.
    CLOSED = "closed"


@dataclass(frozen=True, slots=True)
class OpenedProposal:
    """A pull or merge request."""

    number: int
    url: str
    state: ProposalState


@dataclass(frozen=True, slots=True)
class DeployAccess:
    """A user name and a secret with which git reads one repo; ``number`` is how the host knows it."""

    number: str
    username: str
    secret: str = field(repr=False)


def write_freely() -> None:
    """What a caller without a claim gives to ``connect_host``: nobody can take its work over."""


class RepoHost(Protocol):
    """A code host. Every method that writes may be called again after it was cut off anywhere.

    Right before each single write it asks ``still_ours`` of ``connect_host``: one method makes several.
    """

    name: str

    def find_repo(self, path: str) -> HostedRepo | None:
        """The repo at ``path``; None where there is none, or none that we may see."""
        ...

    def list_folder(self, repo: HostedRepo, folder: str) -> list[str]:
        """The names in a folder of the default branch; empty where there is no such folder."""
        ...

    def read_file(self, repo: HostedRepo, path: str) -> bytes | None:
        """A file of the default branch; None where there is none."""
        ...

    def propose_files(self, repo: HostedRepo, proposal: FileProposal) -> OpenedProposal:
        """Offer files; what is offered already is found by its mark. Raises ``CodeHostRefused``."""
        ...

    def withdraw_proposal(self, repo: HostedRepo, branch: str, reference: str) -> ProposalState | None:
        """Close what is open and delete its branch, where both carry our mark; its state before."""
        ...

    def put_secret(self, repo: HostedRepo, name: str, value: str, reference: str) -> None:
        """Write a secret of the CI. Raises ``CodeHostRefused`` where one is there that is not ours."""
        ...

    def delete_secret(self, repo: HostedRepo, name: str, reference: str) -> bool:
        """Delete a secret of the CI that is ours; whether there was one."""
        ...


def build_mark(reference: str) -> str:
    """What we write on an object for the request ``reference``."""
    return f"{MARK} {reference}"


def check_path(path: str) -> str:
    """``path`` where it has the form of one. Raises ``CodeHostRefused``: it becomes part of an address."""
    # Also where the form has checked it: an address is built from it here.
    if not _PATH.fullmatch(path):
        raise CodeHostRefused(
            "That is not the path of a repo.", cure="Name it as its code host does: owner/name."
        )
    return path


# Lazy, so that a process without onboarding never loads the client of a code host.
CODE_HOSTS: Registry[Callable[[Callable[[], None]], RepoHost]] = Registry(
    "code host",
    {
        "github": "onboarding.code_hosts.github:connect",
        "gitlab": "onboarding.code_hosts.gitlab:connect",
    },
)


def connect_host(name: str, still_ours: Callable[[], None] = write_freely) -> RepoHost:
    """The code host called ``name``. Raises ``CodeHostNotConfigured``.

    ``still_ours`` is called right before each write, and raises where another attempt has taken over.
    """
    return CODE_HOSTS.get(name)(still_ours)
