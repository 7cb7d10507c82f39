"""The git side of a code host: a bare repository behind its REST API, and git's own protocol over HTTP."""

import os
import subprocess
import tempfile
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from orchestrator.dev.far_sides.server import Answer, Asked

# Fixed, so that the same change has the same commit wherever it is made.
COMMITTER: Final = {
    "GIT_AUTHOR_NAME": "stand-in",
    "GIT_AUTHOR_EMAIL": "stand-in@localhost",
    "GIT_COMMITTER_NAME": "stand-in",
    "GIT_COMMITTER_EMAIL": "stand-in@localhost",
    "GIT_CONFIG_GLOBAL": os.devnull,
    "GIT_CONFIG_NOSYSTEM": "1",
}


@dataclass(frozen=True, slots=True)
class TreeEntry:
    """A line of a tree: ``kind`` is blob, tree or commit."""

    mode: str
    kind: str
    sha: str
    path: str


@dataclass(frozen=True, slots=True)
class Remote:
    """A bare repository."""

    place: Path

    @classmethod
    def create(cls, place: Path, branch: str = "main") -> "Remote":
        """An empty one."""
        made = cls(place)
        place.mkdir(parents=True)
        made.git("init", "--quiet", "--bare", "-b", branch, ".")
        return made

    def git(self, *words: str, given: bytes = b"", index: Path | None = None) -> str:
        """Run git in it; what it printed, with the line ends of this machine."""
        return self.read(*words, given=given, index=index).decode("utf-8", "replace").replace("\r\n", "\n")

    def ask(self, *words: str, given: bytes = b"", index: Path | None = None) -> str:
        """Run git in it; the one line that it printed."""
        return self.git(*words, given=given, index=index).strip()

    def read(self, *words: str, given: bytes = b"", index: Path | None = None) -> bytes:
        """Run git in it; the bytes that it printed."""
        # Without the configuration of the account that runs it: a commit has the same id everywhere.
        environment = {**os.environ, **COMMITTER}
        if index is not None:
            environment["GIT_INDEX_FILE"] = str(index)
        return subprocess.run(
            ["git", "-C", str(self.place), *words],
            input=given,
            env=environment,
            capture_output=True,
            check=True,
        ).stdout

    def has_branch(self, name: str) -> bool:
        """Whether there is a branch of that name."""
        return bool(self.git("for-each-ref", f"refs/heads/{name}"))

    def find_commit(self, ref: str) -> str:
        """The commit of a branch, a full ref or a commit; empty where there is none."""
        # A branch wins over a tag or a commit of the same name, as at both code hosts.
        for name in (f"refs/heads/{ref}", ref):
            done = subprocess.run(
                ["git", "-C", str(self.place), "rev-parse", "--verify", "--quiet", f"{name}^{{commit}}"],
                capture_output=True,
                text=True,
                check=False,
            )
            if done.returncode == 0:
                return done.stdout.strip()
        return ""

    def has_object(self, sha: str, kind: str) -> bool:
        """Whether there is an object of this kind."""
        done = subprocess.run(
            ["git", "-C", str(self.place), "cat-file", "-t", sha],
            capture_output=True,
            text=True,
            check=False,
        )
        return done.stdout.strip() == kind

    def is_ancestor(self, old: str, new: str) -> bool:
        """Whether ``new`` continues ``old``."""
        words = ["git", "-C", str(self.place), "merge-base", "--is-ancestor", old, new]
        return subprocess.run(words, capture_output=True, check=False).returncode == 0

    def count_commits(self, base: str, branch: str) -> int:
        """How many commits ``branch`` has that ``base`` lacks."""
        return int(self.git("rev-list", "--count", f"{base}..{branch}"))

    def list_files(self, branch: str) -> list[str]:
        """The paths of all files in a branch."""
        return self.git("ls-tree", "-r", "--name-only", branch).splitlines()

    def list_tree(self, tree: str, *, recursive: bool) -> list[TreeEntry]:
        """The lines of a tree, folders included."""
        # Ended by a zero byte, so that no name is quoted.
        words = ["ls-tree", "-z", *(["-r", "-t"] if recursive else []), tree]
        found = []
        for line in self.read(*words).split(b"\0"):
            facts, _, path = line.decode("utf-8", "replace").partition("\t")
            # The last part is empty, behind the last zero byte.
            if path:
                mode, kind, sha = facts.split()
                found.append(TreeEntry(mode, kind, sha, path))
        return found

    def write_blob(self, content: bytes) -> str:
        """Keep a file; its id."""
        return self.ask("hash-object", "-w", "--stdin", given=content)

    def write_tree(self, base: str, entries: Mapping[str, tuple[str, str] | None]) -> str:
        """A tree like ``base`` with ``entries`` (path to mode and blob, or None to delete it); its id."""
        # An index of its own: a bare repository has none, and two writers must not share one.
        with tempfile.TemporaryDirectory(prefix="index-") as scratch:
            index = Path(scratch) / "index"
            if base:
                self.git("read-tree", base, index=index)
            lines = []
            for path, entry in entries.items():
                # Mode 0 takes a path out of the index.
                mode, sha = entry or ("0", "0" * 40)
                lines.append(f"{mode} {sha}\t{path}\n")
            self.git("update-index", "--index-info", given="".join(lines).encode(), index=index)
            return self.ask("write-tree", index=index)

    def write_commit(self, tree: str, parents: list[str], message: str) -> str:
        """A commit; its id."""
        words = [word for parent in parents for word in ("-p", parent)]
        return self.ask("commit-tree", tree, *words, given=message.encode())

    def commit_files(self, branch: str, files: Mapping[str, bytes | None], message: str = "Change") -> str:
        """Write files (None deletes one) to a branch, as somebody who pushes; the commit."""
        parent = self.find_commit(branch)
        entries = {
            path: None if content is None else ("100644", self.write_blob(content))
            for path, content in files.items()
        }
        # The first commit of a repository has no parent.
        base = self.ask("rev-parse", f"{parent}^{{tree}}") if parent else ""
        commit = self.write_commit(self.write_tree(base, entries), [parent] if parent else [], message)
        self.git("update-ref", f"refs/heads/{branch}", commit)
        return commit

    def dump(self) -> dict[str, str]:
        """Each branch and its tree. Not its commit: an undo may add one."""
        lines = self.git("for-each-ref", "--format=%(refname) %(tree)").splitlines()
        return dict(line.split(" ") for line in lines)

    def answer_git(self, asked: Asked, path: str) -> Answer:
        """What git's own server says to a request for ``path``, which is below the repository."""
        environ = {
            "PATH": os.environ["PATH"],
            "GIT_PROJECT_ROOT": str(self.place),
            "GIT_HTTP_EXPORT_ALL": "1",
            "GIT_CONFIG_NOSYSTEM": "1",
            "HOME": str(self.place),
            "PATH_INFO": path,
            "QUERY_STRING": asked.query,
            "REQUEST_METHOD": asked.method,
            "CONTENT_TYPE": asked.headers.get("content-type", ""),
            "CONTENT_LENGTH": str(len(asked.raw)),
            "HTTP_CONTENT_ENCODING": asked.headers.get("content-encoding", ""),
            "GIT_PROTOCOL": asked.headers.get("git-protocol", ""),
        }
        done = subprocess.run(
            ["git", "http-backend"], input=asked.raw, env=environ, capture_output=True, check=False
        )
        # A CGI program writes headers, an empty line, and the body.
        head, _, rest = done.stdout.partition(b"\r\n\r\n")
        headers = dict(line.split(": ", 1) for line in head.decode().split("\r\n") if line)
        status = int(headers.pop("Status", "200").split()[0])
        return Answer(status, rest, headers)
