"""A repo's newest commit by git over HTTPS, read from its objects: nothing is checked out, so nothing of the repo runs.

No hook, filter, submodule, alternate, credential or configuration takes part. What arrives is bounded while it arrives: by a
limit of the kernel on each file, by a look at the folder every 50 ms, by memory and by time.
"""

import contextlib
import os
import signal
import subprocess
import tempfile
import time
from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

from django.conf import settings

from orchestrator.cli.sources import CLOSED, choose
from orchestrator.flows import snapshots
from orchestrator.repos.clone_urls import CloneUrl, CloneUrlRefused, addresses, parse

LARGEST_BYTES = 256 << 20
"""What git may write on disk, packed."""
_MEMORY_BYTES = 1 << 30
_LOOK_SECONDS = 0.05
_SHELL = "/bin/sh"
_REF = "refs/snapshot"
_FILE_MODES = frozenset({"100644", "100755"})
# POSIX sh sets the limits, so that they hold from git's first instruction; its files are counted in 512 bytes, memory in KB.
_LIMITED = 'ulimit -c 0 && ulimit -f "$1" && ulimit -v "$2" && shift 2 && exec "$@"'


class CloneFailed(Exception):
    """The repo could not be had. ``retryable``: the network's doing, which may pass."""

    def __init__(self, code: str, message: str, cure: str, *, retryable: bool = False) -> None:
        super().__init__(message)
        self.code, self.cure, self.retryable = code, cure, retryable


@dataclass(frozen=True, slots=True)
class Cloned:
    """``files`` (path to bytes) of ``commit`` (40 or 64 hexadecimal digits); ``reasons``: how many were left out, and why."""

    url: str
    commit: str
    files: Mapping[str, bytes] = field(repr=False)
    reasons: Mapping[str, int]

    @property
    def origin(self) -> str:
        """Where the files are from, as SLSA writes it."""
        return f"git+{self.url}@{self.commit}"


def clone(url: str) -> Cloned:
    """The tracked files of the default branch at ``url``, chosen as ``blocks flow run`` chooses them; raises ``CloneFailed``."""
    try:
        checked = parse(url)
        pinned = addresses(checked)
    except CloneUrlRefused as error:
        raise CloneFailed(error.code, str(error), error.cure) from error
    except OSError as error:
        host = checked.host
        raise CloneFailed("context:clone-failed", f"{host} cannot be found.", _network(host), retryable=True) from error
    with tempfile.TemporaryDirectory(prefix="clone-") as folder:
        try:
            return _Clone(checked, pinned, Path(folder)).read()
        except _GitFailed as failed:
            cure = "See that git is installed where the context stage runs, and that the repo is whole; then retry."
            raise CloneFailed("context:clone-failed", "git could not read the repo.", cure, retryable=True) from failed


class _Clone:
    def __init__(self, url: CloneUrl, pinned: tuple[str, ...], folder: Path) -> None:
        self.url, self.folder = url, folder
        self.ends_at = time.monotonic() + settings.CLONE_TIMEOUT_SECONDS
        hosts = ",".join(f"[{address}]" if ":" in address else address for address in pinned)
        self.options = {
            "protocol.allow": "never",
            f"protocol.{url.scheme}.allow": "always",
            "http.followRedirects": "false",  # covers alternates of dumb servers, too
            "http.curloptResolve": f"{url.host.strip('[]')}:{url.port}:{hosts}",
            "http.proxy": "",
            "credential.helper": "",
            "core.hooksPath": "/dev/null",
            "core.bigFileThreshold": "16m",  # larger ones pass through, and are not held in memory
            "fetch.unpackLimit": "1",
            "fetch.recurseSubmodules": "false",
            "gc.auto": "0",
            "maintenance.auto": "false",
            "pack.threads": "1",
        }

    def read(self) -> Cloned:
        self._git("init", "--quiet", "--bare", "--template=", ".")
        self._fetch()
        commit = self._git("rev-parse", "--verify", f"{_REF}^{{commit}}").decode().strip()
        reasons: Counter[str] = Counter()
        ids, lengths = self._tree(commit, reasons)
        names = choose(lengths, reasons)
        return Cloned(str(self.url), commit, self._contents(names, ids), dict(sorted(reasons.items())))

    def _fetch(self) -> None:
        words = ("--quiet", "--depth=1", "--no-tags", "--no-auto-maintenance", "--no-write-fetch-head", str(self.url))
        try:
            self._git("fetch", *words, f"+HEAD:{_REF}")
        except _GitFailed as failed:
            raise _said(self.url, failed.said) from failed

    def _tree(self, commit: str, reasons: Counter[str]) -> tuple[dict[str, str], dict[str, int | None]]:
        """Path to object, and path to length; without length what is no plain file: a link, a submodule."""
        ids: dict[str, str] = {}
        lengths: dict[str, int | None] = {}
        for line in self._git("ls-tree", "-r", "-l", "-z", "--full-tree", commit).split(b"\0"):
            about, _, raw = line.partition(b"\t")
            if not raw:
                continue
            mode, _, sha, size = about.decode().split()
            path = raw.decode("utf-8", "surrogateescape")
            if snapshots.inside(path):
                ids[path], lengths[path] = sha, int(size) if mode in _FILE_MODES else None
            else:
                reasons[CLOSED] += 1
        return ids, lengths

    def _contents(self, names: list[str], ids: Mapping[str, str]) -> dict[str, bytes]:
        if not names:
            return {}
        asked = "".join(f"{ids[name]}\n" for name in names).encode()
        raw, found, at = self._git("cat-file", "--batch", "--buffer", asked=asked), {}, 0
        for name in names:
            end = raw.index(b"\n", at)
            length = int(raw[at:end].split()[2])
            found[name] = raw[end + 1 : end + 1 + length]
            at = end + 1 + length + 1
        return found

    def _git(self, *words: str, asked: bytes = b"") -> bytes:
        """What git wrote, within the limits; raises ``_GitFailed``, and ``CloneFailed`` where it would take more of anything."""
        bounds = [str(LARGEST_BYTES >> 9), str(_MEMORY_BYTES >> 10)]
        options = [word for name, value in self.options.items() for word in ("-c", f"{name}={value}")]
        command = [_SHELL, "-c", _LIMITED, "git", *bounds, "git", *options, *words]
        # Files, not pipes: they fall under the limits, and nobody has to read while git writes.
        with (self.folder / "said").open("w+b") as said, (self.folder / "wrote").open("w+b") as wrote:
            with tempfile.TemporaryFile() as stdin:
                stdin.write(asked)
                stdin.seek(0)
                process = subprocess.Popen(
                    command,
                    cwd=self.folder,
                    env=self._environment(),
                    stdin=stdin,
                    stdout=wrote,
                    stderr=said,
                    start_new_session=True,
                )
                try:
                    self._watch(process)
                finally:
                    _end(process)
            said.seek(0)
            wrote.seek(0)
            if process.returncode != 0:
                self._bounded()
                raise _GitFailed(said.read(4096).decode("utf-8", "replace"))
            return wrote.read()

    def _watch(self, process: "subprocess.Popen[bytes]") -> None:
        while True:
            try:
                process.wait(_LOOK_SECONDS)
            except subprocess.TimeoutExpired:
                self._bounded()
                if time.monotonic() > self.ends_at:
                    raise CloneFailed(
                        "context:clone-failed",
                        f"{self.url.host} did not give the repo within {settings.CLONE_TIMEOUT_SECONDS} s.",
                        "Retry; if the repo is that large, an operator raises CLONE_TIMEOUT_SECONDS, or send the files along.",
                        retryable=True,
                    ) from None
            else:
                return

    def _bounded(self) -> None:
        """Whether the folder is within its size. One block less than the limit of a file, which the kernel holds."""
        if _used(self.folder) > LARGEST_BYTES - 512:
            raise CloneFailed(
                "context:clone-too-large",
                f"The newest commit takes more than {LARGEST_BYTES >> 20} MB.",
                "Send the files along instead: `blocks flow run` in a clone sends what matters.",
            )

    def _environment(self) -> dict[str, str]:
        """Nothing of ours: no secret, no proxy, no configuration, no home. Whom to trust may be set for git as always."""
        passed = {name: os.environ[name] for name in ("PATH", "GIT_SSL_CAINFO", "GIT_SSL_CAPATH") if name in os.environ}
        return passed | {
            "HOME": str(self.folder),
            "LC_ALL": "C",
            "GIT_DIR": str(self.folder),
            "GIT_CONFIG_NOSYSTEM": "1",
            "GIT_CONFIG_GLOBAL": os.devnull,
            "GIT_ATTR_NOSYSTEM": "1",
            "GIT_TERMINAL_PROMPT": "0",
            "GIT_NO_LAZY_FETCH": "1",
            "GIT_NO_REPLACE_OBJECTS": "1",
        }


class _GitFailed(Exception):
    """git ended with an error; what it ``said`` may quote the server, so it is looked into and never shown."""

    def __init__(self, said: str) -> None:
        super().__init__("git failed")
        self.said = said


def _end(process: "subprocess.Popen[bytes]") -> None:
    """git and what it started: they are a session of their own."""
    with contextlib.suppress(ProcessLookupError):
        os.killpg(process.pid, signal.SIGKILL)
    process.wait()


def _used(folder: Path) -> int:
    total = 0
    for path in folder.rglob("*"):
        try:
            total += path.lstat().st_size
        except FileNotFoundError:  # git renames as it goes
            continue
    return total


def _network(host: str) -> str:
    return f"See whether the workers of the context stage reach {host}, then retry; or send the files along with the request."


def _said(url: CloneUrl, said: str) -> CloneFailed:
    """The failure of a fetch, sorted by who can mend it."""
    if "could not read Username" in said or "Authentication failed" in said or "error: 403" in said:
        message = f"{url.host} wants credentials for the repo, or refuses it."
        return CloneFailed("context:clone-refused", message, "Only repos that need no login are cloned: send the files along.")
    if "error: 30" in said or "unable to update url base from redirection" in said:
        cure = "Set the clone URL to the address that the repo has now."
        return CloneFailed("context:clone-refused", f"{url.host} sends on to another address; that is not followed.", cure)
    if "not found" in said or "couldn't find remote ref" in said:
        return CloneFailed(
            "context:clone-refused", f"{url.host} has no such repo, or the repo is empty.", "Correct the clone URL."
        )
    return CloneFailed("context:clone-failed", f"{url.host} did not give the repo.", _network(url.host), retryable=True)
