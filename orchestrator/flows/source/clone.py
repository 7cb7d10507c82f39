"""The newest commit of a repo, cloned over HTTPS and read from git's objects.

Nothing is checked out, so no code of the repo runs: no hook, filter, submodule, alternate, credential or
configuration takes part. What arrives is bounded while it arrives; see ``git``.
``docs/explanation/threat-model.md`` says what each option protects against.
"""

import base64
import re
import tempfile
import time
from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from urllib.parse import urlsplit

from django.conf import settings

from blocks.format.limits import MIB
from blocks.format.paths import is_safe_path
from blocks.format.selection import UNREADABLE, select_files
from gates.sandbox.command import can_have_own_network
from orchestrator.core.errors import FixedBy, OrchestratorError
from orchestrator.flows.source.git import Git, GitFailed, Network, SecretHeader, TooLarge, TooSlow
from orchestrator.repos.clone_credentials import CloneCredential
from orchestrator.repos.clone_urls import CloneUrl, CloneUrlRefused, parse_clone_url, resolve_addresses

LARGEST_BYTES = 256 * MIB
"""What git may write on disk, packed."""
LISTING_BYTES = 32 * MIB
"""What the list of all files may take: some 300,000 of them."""
OLDEST_GIT = (2, 37)
"""The first version that keeps to the addresses that were checked (``http.curloptResolve``); an older one
ignores the option.
"""
_REF = "refs/snapshot"
_PLAIN_FILE_MODES = frozenset({"100644", "100755"})
_CREDENTIALS_WANTED = ("could not read Username", "Authentication failed", "error: 403")
_REDIRECTED = ("error: 30", "unable to update url base from redirection")
_NOT_FOUND = ("not found", "couldn't find remote ref")


class CloneFailed(OrchestratorError):
    """The repo cannot be cloned. Retryable where only the network was in the way."""

    code = "context:clone-failed"
    fixed_by = FixedBy.OPERATOR


class CloneRefused(CloneFailed):
    """The repo, or its address, is one that is not cloned."""

    code = "context:clone-refused"
    fixed_by = FixedBy.REPO_OWNER


class CloneTooLarge(CloneFailed):
    """The repo is too large to be cloned."""

    code = "context:clone-too-large"
    cure = "Send the files along instead: `blocks flow run` in a clone sends what matters."
    fixed_by = FixedBy.REQUESTER


@dataclass(frozen=True, slots=True)
class ClonedRepo:
    """``files`` (path to bytes) of ``commit`` (40 or 64 hexadecimal digits); ``reasons`` counts the files
    left out, by reason.
    """

    url: str
    commit: str
    files: Mapping[str, bytes] = field(repr=False)
    reasons: Mapping[str, int]

    @property
    def origin(self) -> str:
        """Address and commit of the files, as SLSA writes them."""
        return f"git+{self.url}@{self.commit}"


def clone(url: str, credential: CloneCredential | None = None) -> ClonedRepo:
    """The tracked files of the default branch at ``url``, selected as ``blocks flow run`` selects them;
    raises ``CloneFailed``. ``credential`` is what a private repo wants; its host alone is told.
    """
    checked, pinned = _resolve_url(url)
    try:
        with tempfile.TemporaryDirectory(prefix="clone-") as folder:
            ends_at = time.monotonic() + settings.CLONE_TIMEOUT_SECONDS
            network = Network(pinned, checked.port, own=_is_isolated(checked))
            options = _list_options(checked, ("127.0.0.1",) if network.own else pinned)
            header = None if credential is None else _build_header(checked, credential)
            git = Git(Path(folder), options, network, header, max_bytes=LARGEST_BYTES, ends_at=ends_at)
            return _fetch_repo(git, checked)
    except TooLarge as error:
        raise CloneTooLarge(
            f"The newest commit takes more than {LARGEST_BYTES // MIB} MB, "
            f"or lists more than {LISTING_BYTES // MIB} MB of files."
        ) from error
    except TooSlow as error:
        raise CloneFailed(
            f"{checked.host} did not give the repo within {settings.CLONE_TIMEOUT_SECONDS} s.",
            cure="Retry. If the repo is that large, ask an operator to raise CLONE_TIMEOUT_SECONDS, "
            "or send the files along with the request.",
            retryable=True,
        ) from error
    except GitFailed as error:
        raise CloneFailed(
            "git could not read the repo.",
            cure="Check that git is installed where the context stage runs, and that the repo is whole; "
            "then retry.",
            retryable=True,
        ) from error
    except OSError as error:
        raise _unreachable(checked.host) from error


def _build_header(url: CloneUrl, credential: CloneCredential) -> SecretHeader:
    """HTTP Basic, for this address and no other; redirects are not followed either."""
    pair = base64.b64encode(f"{credential.username}:{credential.secret}".encode()).decode()
    return SecretHeader(str(url), f"Authorization: Basic {pair}")


def _resolve_url(url: str) -> tuple[CloneUrl, tuple[str, ...]]:
    """The checked form of ``url``, and the addresses of its host."""
    try:
        checked = parse_clone_url(url)
        # Looked up once and pinned: git connects to the addresses that were checked, not to what the name
        # says a moment later.
        return checked, resolve_addresses(checked)
    except CloneUrlRefused as error:
        raise CloneRefused(str(error), code=error.code, cure=error.cure) from error
    except OSError as error:
        raise _unreachable(urlsplit(url).hostname or url) from error


def _is_isolated(url: CloneUrl) -> bool:
    """Whether git gets a network of its own: where the kernel lets us, and the host can be led elsewhere."""
    # curl takes no address of version 6 in place of a name.
    return not url.host.startswith("[") and can_have_own_network()


def _list_options(url: CloneUrl, pinned: tuple[str, ...]) -> dict[str, str]:
    """git's configuration for this one clone."""
    hosts = ",".join(f"[{address}]" if ":" in address else address for address in pinned)
    # An address of version 6 in place of a name is its own answer, and curl takes no other one for it.
    resolve = {} if url.host.startswith("[") else {"http.curloptResolve": f"{url.host}:{url.port}:{hosts}"}
    return resolve | {
        "protocol.allow": "never",
        f"protocol.{url.scheme}.allow": "always",
        "http.followRedirects": "false",  # covers the alternates of dumb servers, too
        "http.proxy": "",
        # git checks the clock itself, because a worker that was killed no longer does.
        "http.lowSpeedLimit": "1",
        "http.lowSpeedTime": str(settings.CLONE_TIMEOUT_SECONDS),
        "credential.helper": "",
        "core.hooksPath": "/dev/null",
        "core.bigFileThreshold": "16m",  # larger files are streamed, not held in memory
        "fetch.unpackLimit": "1",
        "fetch.recurseSubmodules": "false",
        "gc.auto": "0",
        "maintenance.auto": "false",
        "pack.threads": "1",
    }


def _fetch_repo(git: Git, url: CloneUrl) -> ClonedRepo:
    _check_version(git)
    git("init", "--quiet", "--bare", "--template=", ".")
    options = ("--quiet", "--depth=1", "--no-tags", "--no-auto-maintenance", "--no-write-fetch-head")
    try:
        git("fetch", *options, str(url), f"+HEAD:{_REF}", online=True)
    except GitFailed as failed:
        raise _explain_failure(url, failed.stderr, has_credential=git.header is not None) from failed
    commit = git("rev-parse", "--verify", f"{_REF}^{{commit}}").decode().strip()
    reasons: Counter[str] = Counter()
    ids, lengths = _list_tree(git, commit, reasons)
    wanted = [(path, ids[path]) for path in select_files(lengths, reasons)]
    return ClonedRepo(str(url), commit, _read_contents(git, wanted), dict(sorted(reasons.items())))


def _check_version(git: Git) -> None:
    said = git("version").decode(errors="replace").strip()
    found = re.search(r"(\d+)\.(\d+)", said)
    if found is not None and (int(found[1]), int(found[2])) >= OLDEST_GIT:
        return
    oldest = ".".join(map(str, OLDEST_GIT))
    raise CloneFailed(
        f"Repos are cloned with git {oldest} or newer; this worker has {said or 'none'}.",
        cure="An operator installs a newer git where the context stage runs; then retry.",
    )


def _list_tree(git: Git, commit: str, reasons: Counter[str]) -> tuple[dict[str, str], dict[str, int | None]]:
    """Path to object id, and path to length in bytes; ``None`` for what is not a plain file: a link, a
    submodule.
    """
    ids: dict[str, str] = {}
    lengths: dict[str, int | None] = {}
    listing = git("ls-tree", "-r", "-l", "-z", "--full-tree", commit, max_bytes=LISTING_BYTES)
    for line in listing.split(b"\0"):
        facts, _, raw = line.partition(b"\t")
        if not raw:
            continue
        mode, _, object_id, size = facts.decode().split()
        path = raw.decode("utf-8", "surrogateescape")
        # A tree may name its files as it likes: `..`, `a\b`, bytes that are not text.
        if not is_safe_path(path):
            reasons[UNREADABLE] += 1
            continue
        ids[path] = object_id
        lengths[path] = int(size) if mode in _PLAIN_FILE_MODES else None
    return ids, lengths


def _read_contents(git: Git, wanted: list[tuple[str, str]]) -> dict[str, bytes]:
    """Path to bytes of ``wanted`` (path, object id), as they are in the commit."""
    if not wanted:
        return {}
    asked = "".join(f"{object_id}\n" for _, object_id in wanted)
    raw = git("cat-file", "--batch", "--buffer", stdin=asked.encode())
    # For each object a line `<id> <type> <length>`, its bytes, and a newline.
    found, place = {}, 0
    for path, _ in wanted:
        start = raw.index(b"\n", place) + 1
        length = int(raw[place:start].split()[2])
        found[path] = raw[start : start + length]
        place = start + length + 1
    return found


def _unreachable(host: str) -> CloneFailed:
    message = f"{host} cannot be found, or this worker cannot write a clone."
    return CloneFailed(message, cure=_advise_on_network(host), retryable=True)


def _advise_on_network(host: str) -> str:
    return (
        f"Check whether the workers of the context stage reach {host}, then retry; "
        "or send the files along with the request."
    )


def _explain_failure(url: CloneUrl, stderr: str, *, has_credential: bool) -> CloneFailed:
    """The failure of a fetch, by who can fix it. git has no codes for these, so its words decide."""
    is_refused = any(words in stderr for words in _CREDENTIALS_WANTED)
    if is_refused and has_credential:
        # It may have ended while it was used; a newer one is made every hour.
        return CloneFailed(
            f"{url.host} does not take the credential that the repo was given.",
            cure="Retry in some minutes. If it stays so, an owner of the repo looks whether the GitHub App "
            "is still installed on it, or its deploy token still there.",
            fixed_by=FixedBy.REPO_OWNER,
            retryable=True,
        )
    if is_refused:
        return CloneRefused(
            f"{url.host} wants credentials for the repo, or refuses it.",
            cure="Send the files along; or let the repo be onboarded with private clones, which gives the "
            "orchestrator a credential that reads it.",
        )
    if any(words in stderr for words in _REDIRECTED):
        return CloneRefused(
            f"{url.host} redirects to another address; that is not followed.",
            cure="Set the clone URL to the address that the repo has now.",
        )
    if any(words in stderr for words in _NOT_FOUND):
        return CloneRefused(
            f"{url.host} has no such repo, or the repo is empty.", cure="Correct the clone URL."
        )
    message = f"{url.host} did not give the repo."
    return CloneFailed(message, cure=_advise_on_network(url.host), retryable=True)
