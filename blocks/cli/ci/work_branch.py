"""The repo of a job, by git: what changed, and a branch with a block for a proposal.

The commit is built in an index of its own, with the bytes as they are: the job's work tree and its branch
stay as they are, and no filter or hook of the checkout takes part.
"""

import base64
import os
import subprocess
import tempfile
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path

from blocks.cli.ci.job import CiJob, Platform
from blocks.cli.errors import Failure

_TIMEOUT_SECONDS = 300
_AUTHOR = {"NAME": "blocks", "EMAIL": "blocks@noreply.invalid"}
_PLAIN_FILE = "100644"


@dataclass(frozen=True, slots=True)
class Repository:
    """The checkout of a job."""

    root: Path
    job: CiJob

    def list_changed_files(self, before: str, pattern: str) -> list[str]:
        """The files that match ``pattern`` and were added or changed since ``before``; none without it."""
        if not before:
            return []
        self._have_commit(before)
        words = ("diff", "--name-only", "-z", "--no-renames", "--diff-filter=AM", before, "HEAD", "--")
        return _split(self._run(*words, f":(top,glob){pattern}"))

    def read_folder(self, commit: str, folder: str) -> dict[str, bytes]:
        """Path to bytes of the plain files below ``folder`` as they are in ``commit``."""
        self._have_commit(commit)
        found = {}
        for line in _split(self._run("ls-tree", "-r", "-z", commit, "--", folder)):
            facts, _, path = line.partition("\t")
            if facts.startswith(_PLAIN_FILE):
                found[path] = self._read(("cat-file", "blob", facts.split()[2]))
        return found

    def push_files(
        self, branch: str, base: str, files: Mapping[str, bytes], replaced: str, message: str, *, on_top: bool
    ) -> bool:
        """Push a commit in which ``files`` are all that is below the folder ``replaced``; whether it
        was needed.

        With ``on_top`` it follows what the branch has, so that changes of people stay. Else the branch begins
        again at ``base``: what it has was merged or given up.
        """
        remote = self.fetch_head(branch)
        parent = remote if on_top and remote else self.fetch_head(base)
        if not parent:
            raise Failure(
                f"The repo has no branch {base!r} to propose changes to.",
                cure="Run the job for a branch, not for a tag.",
                code="ci:bad-event",
            )
        tree = self._write_tree(parent, files, replaced)
        if tree == self._run("rev-parse", f"{parent}^{{tree}}").strip():
            if parent == remote or not remote:
                return False
            commit = parent
        else:
            commit = self._run("commit-tree", tree, "-p", parent, "-m", message).strip()
        target = f"refs/heads/{branch}"
        # With a lease: what another job has pushed meanwhile is never overwritten.
        self._run("push", "--quiet", f"--force-with-lease={target}:{remote}", "origin", f"{commit}:{target}")
        return True

    def _write_tree(self, parent: str, files: Mapping[str, bytes], replaced: str) -> str:
        with tempfile.TemporaryDirectory() as folder:
            index = {"GIT_INDEX_FILE": str(Path(folder, "index"))}
            self._run("read-tree", parent, more=index)
            entries = [
                f"0 {'0' * 40}\t{path}"
                for path in _split(self._run("ls-files", "-z", "--", replaced, more=index))
            ]
            for path, content in sorted(files.items()):
                blob = self._run("hash-object", "-w", "--no-filters", "--stdin", given=content).strip()
                entries.append(f"{_PLAIN_FILE} {blob}\t{path}")
            lines = "".join(f"{entry}\0" for entry in entries).encode()
            self._run("update-index", "-z", "--index-info", given=lines, more=index)
            return self._run("write-tree", more=index).strip()

    def fetch_head(self, branch: str) -> str:
        """The newest commit of a branch of the remote, fetched; empty where there is no such branch."""
        if not self._run("ls-remote", "origin", f"refs/heads/{branch}").strip():
            return ""
        self._fetch(f"refs/heads/{branch}")
        return self._run("rev-parse", "FETCH_HEAD").strip()

    def _have_commit(self, commit: str) -> None:
        if self._run("cat-file", "-t", commit, fails=True).strip() != "commit":
            self._fetch(commit)

    def _fetch(self, what: str) -> None:
        # A checkout in CI has one commit. A whole clone must stay whole.
        depth = ["--depth=1"] if self._run("rev-parse", "--is-shallow-repository").strip() == "true" else []
        self._run("fetch", "--quiet", "--no-tags", *depth, "origin", what)

    def _run(
        self, *words: str, given: bytes = b"", more: Mapping[str, str] | None = None, fails: bool = False
    ) -> str:
        # Paths of a repo need not be UTF-8, and come back as they were.
        return self._read(words, given, more, fails=fails).decode("utf-8", "surrogateescape")

    def _read(
        self,
        words: Iterable[str],
        given: bytes = b"",
        more: Mapping[str, str] | None = None,
        *,
        fails: bool = False,
    ) -> bytes:
        words = list(words)
        argv = ["git", "-c", "core.hooksPath=/dev/null", *words]
        environment = {**_environment(self.job), **(more or {})}
        try:
            done = subprocess.run(
                argv,
                cwd=self.root,
                env=environment,
                input=given,
                capture_output=True,
                timeout=_TIMEOUT_SECONDS,
                check=False,
            )
        except (OSError, subprocess.TimeoutExpired) as error:
            raise Failure(
                f"git {words[0]} could not be run: {type(error).__name__}.",
                cure="The job needs git and a checkout of the repo.",
                code="ci:git-failed",
            ) from error
        if done.returncode != 0 and not fails:
            said = done.stderr.decode("utf-8", "replace").strip()[-500:]
            raise Failure(
                f"git {words[0]} failed: {said}",
                cure="To push, the job needs `contents: write` at GitHub, or at GitLab a GITLAB_TOKEN with "
                "write_repository.",
                code="ci:git-failed",
            )
        return done.stdout


def _environment(job: CiJob) -> dict[str, str]:
    """What git runs with: nothing that a hook or a job set for another repository, and never a prompt."""
    kept = {name: value for name, value in os.environ.items() if not name.startswith("GIT_")}
    for role in ("AUTHOR", "COMMITTER"):
        kept |= {f"GIT_{role}_{name}": value for name, value in _AUTHOR.items()}
    kept["GIT_TERMINAL_PROMPT"] = "0"
    if job.platform is Platform.GITLAB and job.token:
        # In the environment, because everybody on the machine can read arguments.
        pair = base64.b64encode(f"oauth2:{job.token}".encode()).decode()
        kept |= {
            "GIT_CONFIG_COUNT": "1",
            "GIT_CONFIG_KEY_0": "http.extraHeader",
            "GIT_CONFIG_VALUE_0": f"Authorization: Basic {pair}",
        }
    return kept


def _split(text: str) -> list[str]:
    return [part for part in text.split("\0") if part]
