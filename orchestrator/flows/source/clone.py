"""A repo's newest commit by git over HTTPS, read from its objects: nothing is checked out, so nothing of
the repo runs.

No hook, filter, submodule, alternate, credential or configuration takes part, and what arrives is bounded
while it arrives: see ``git``. What each of the options is against stands in
``docs/explanation/threat-model.md``.
"""

import re
import tempfile
import time
from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

from django.conf import settings

from blocks.format.paths import is_safe_path
from blocks.format.selection import UNREADABLE, select_files
from orchestrator.flows.source.git import Git, GitFailed, TooLarge, TooSlow
from orchestrator.repos.clone_urls import CloneUrl, CloneUrlRefused, addresses, parse

LARGEST_BYTES = 256 << 20
"""What git may write on disk, packed."""
LISTING_BYTES = 32 << 20
"""What the list of all files may take: some 300,000 of them."""
OLDEST_GIT = (2, 37)
"""The first that is held to the addresses that were checked (``http.curloptResolve``); an older one
ignores the option.
"""
_REF = "refs/snapshot"
_FILE_MODES = frozenset({"100644", "100755"})


class CloneFailed(Exception):
    """The repo could not be had. ``retryable``: the network's doing, which may pass."""

    def __init__(self, code: str, message: str, cure: str, *, retryable: bool = False) -> None:
        super().__init__(message)
        self.code, self.cure, self.retryable = code, cure, retryable


@dataclass(frozen=True, slots=True)
class Cloned:
    """``files`` (path to bytes) of ``commit`` (40 or 64 hexadecimal digits); ``reasons``: how many were
    left out, and why.
    """

    url: str
    commit: str
    files: Mapping[str, bytes] = field(repr=False)
    reasons: Mapping[str, int]

    @property
    def origin(self) -> str:
        """Where the files are from, as SLSA writes it."""
        return f"git+{self.url}@{self.commit}"


def clone(url: str) -> Cloned:
    """The tracked files of the default branch at ``url``, chosen as ``blocks flow run`` chooses them;
    raises ``CloneFailed``.
    """
    try:
        checked = parse(url)
    except CloneUrlRefused as error:
        raise CloneFailed(error.code, str(error), error.cure) from error
    try:
        pinned = addresses(checked)
        with tempfile.TemporaryDirectory(prefix="clone-") as folder:
            ends_at = time.monotonic() + settings.CLONE_TIMEOUT_SECONDS
            git = Git(Path(folder), _options(checked, pinned), most=LARGEST_BYTES, ends_at=ends_at)
            return _read(git, checked)
    except CloneUrlRefused as error:
        raise CloneFailed(error.code, str(error), error.cure) from error
    except TooLarge as error:
        message = f"The newest commit takes more than {LARGEST_BYTES >> 20} MB, or lists more than {LISTING_BYTES >> 20} MB of files."
        cure = "Send the files along instead: `blocks flow run` in a clone sends what matters."
        raise CloneFailed("context:clone-too-large", message, cure) from error
    except TooSlow as error:
        message = f"{checked.host} did not give the repo within {settings.CLONE_TIMEOUT_SECONDS} s."
        cure = "Retry; if the repo is that large, an operator raises CLONE_TIMEOUT_SECONDS, or send the files along."
        raise CloneFailed("context:clone-failed", message, cure, retryable=True) from error
    except GitFailed as error:
        cure = (
            "See that git is installed where the context stage runs, and that the repo is whole; then retry."
        )
        raise CloneFailed(
            "context:clone-failed", "git could not read the repo.", cure, retryable=True
        ) from error
    except OSError as error:
        message = f"{checked.host} cannot be found, or this worker cannot write a clone."
        raise CloneFailed("context:clone-failed", message, _network(checked.host), retryable=True) from error


def _options(url: CloneUrl, pinned: tuple[str, ...]) -> dict[str, str]:
    hosts = ",".join(f"[{address}]" if ":" in address else address for address in pinned)
    return {
        "protocol.allow": "never",
        f"protocol.{url.scheme}.allow": "always",
        "http.followRedirects": "false",  # covers alternates of dumb servers, too
        "http.curloptResolve": f"{url.host.strip('[]')}:{url.port}:{hosts}",
        "http.proxy": "",
        # A git whose worker was killed has nobody who looks at the clock.
        "http.lowSpeedLimit": "1",
        "http.lowSpeedTime": str(settings.CLONE_TIMEOUT_SECONDS),
        "credential.helper": "",
        "core.hooksPath": "/dev/null",
        "core.bigFileThreshold": "16m",  # larger ones pass through, and are not held in memory
        "fetch.unpackLimit": "1",
        "fetch.recurseSubmodules": "false",
        "gc.auto": "0",
        "maintenance.auto": "false",
        "pack.threads": "1",
    }


def _read(git: Git, url: CloneUrl) -> Cloned:
    _check_version(git)
    git("init", "--quiet", "--bare", "--template=", ".")
    words = ("--quiet", "--depth=1", "--no-tags", "--no-auto-maintenance", "--no-write-fetch-head", str(url))
    try:
        git("fetch", *words, f"+HEAD:{_REF}")
    except GitFailed as failed:
        raise _sorted(url, failed.said) from failed
    commit = git("rev-parse", "--verify", f"{_REF}^{{commit}}").decode().strip()
    reasons: Counter[str] = Counter()
    ids, lengths = _tree(git, commit, reasons)
    names = select_files(lengths, reasons)
    return Cloned(
        str(url), commit, _contents(git, [(name, ids[name]) for name in names]), dict(sorted(reasons.items()))
    )


def _check_version(git: Git) -> None:
    said = git("version").decode(errors="replace").strip()
    found = re.search(r"(\d+)\.(\d+)", said)
    if found is None or (int(found[1]), int(found[2])) < OLDEST_GIT:
        message = f"Repos are cloned with git {OLDEST_GIT[0]}.{OLDEST_GIT[1]} or newer; this worker has {said or 'none'}."
        raise CloneFailed(
            "context:clone-failed",
            message,
            "An operator installs a newer git where the context stage runs; then retry.",
        )


def _tree(git: Git, commit: str, reasons: Counter[str]) -> tuple[dict[str, str], dict[str, int | None]]:
    """Path to object, and path to length; without length what is no plain file: a link, a submodule."""
    ids: dict[str, str] = {}
    lengths: dict[str, int | None] = {}
    for line in git("ls-tree", "-r", "-l", "-z", "--full-tree", commit, most=LISTING_BYTES).split(b"\0"):
        about, _, raw = line.partition(b"\t")
        if not raw:
            continue
        mode, _, sha, size = about.decode().split()
        path = raw.decode("utf-8", "surrogateescape")
        if is_safe_path(path):
            ids[path], lengths[path] = sha, int(size) if mode in _FILE_MODES else None
        else:
            reasons[UNREADABLE] += 1
    return ids, lengths


def _contents(git: Git, wanted: list[tuple[str, str]]) -> dict[str, bytes]:
    """Path to bytes of ``wanted`` (path, object), as they lie in the commit."""
    if not wanted:
        return {}
    raw = git("cat-file", "--batch", "--buffer", asked="".join(f"{sha}\n" for _, sha in wanted).encode())
    found, at = {}, 0
    for name, _ in wanted:
        end = raw.index(b"\n", at)
        length = int(raw[at:end].split()[2])
        found[name] = raw[end + 1 : end + 1 + length]
        at = end + 1 + length + 1
    return found


def _network(host: str) -> str:
    return f"See whether the workers of the context stage reach {host}, then retry; or send the files along with the request."


def _sorted(url: CloneUrl, said: str) -> CloneFailed:
    """The failure of a fetch, by who can mend it."""
    if "could not read Username" in said or "Authentication failed" in said or "error: 403" in said:
        message = f"{url.host} wants credentials for the repo, or refuses it."
        return CloneFailed(
            "context:clone-refused",
            message,
            "Only repos that need no login are cloned: send the files along.",
        )
    if "error: 30" in said or "unable to update url base from redirection" in said:
        cure = "Set the clone URL to the address that the repo has now."
        return CloneFailed(
            "context:clone-refused", f"{url.host} sends on to another address; that is not followed.", cure
        )
    if "not found" in said or "couldn't find remote ref" in said:
        return CloneFailed(
            "context:clone-refused",
            f"{url.host} has no such repo, or the repo is empty.",
            "Correct the clone URL.",
        )
    return CloneFailed(
        "context:clone-failed", f"{url.host} did not give the repo.", _network(url.host), retryable=True
    )
