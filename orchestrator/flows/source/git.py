"""git within bounds: of what it may write, of memory and of time, and with nothing of ours in its
environment.
"""

import contextlib
import os
import signal
import subprocess
import tempfile
import time
from collections.abc import Mapping
from pathlib import Path
from typing import IO

_MEMORY_BYTES = 1 << 30
_LOOK_SECONDS = 0.05
_BLOCK = 512
_SHELL = "/bin/sh"
# The shell sets the limits, so that they hold from git's first instruction; files are counted in blocks,
# memory in KB.
_LIMITED = 'ulimit -c 0 && ulimit -f "$1" && ulimit -v "$2" && shift 2 && exec "$@"'


class GitFailed(Exception):
    """git ended with an error; what it ``said`` may quote the server, so it is looked into and never
    shown.
    """

    def __init__(self, said: str) -> None:
        super().__init__("git failed")
        self.said = said


class TooLarge(Exception):
    """git would have written more than it may."""


class TooSlow(Exception):
    """git would have taken more time than it may."""


class Git:
    """Runs git in the bare repo ``folder``, which holds at most ``most`` bytes, until ``ends_at``
    (monotonic seconds).
    """

    def __init__(self, folder: Path, options: Mapping[str, str], *, most: int, ends_at: float) -> None:
        self.folder, self.most, self.ends_at = folder, most, ends_at
        self.options = [word for name, value in options.items() for word in ("-c", f"{name}={value}")]

    def __call__(self, *words: str, asked: bytes = b"", most: int | None = None) -> bytes:
        """What git wrote, at most ``most`` bytes; raises ``GitFailed``, ``TooLarge`` and ``TooSlow``."""
        most = min(most or self.most, self.most)
        limits = [str(max(most // _BLOCK, 1)), str(_MEMORY_BYTES >> 10)]
        # Files, not pipes: they fall under the limits, and nobody has to read while git writes.
        with (
            tempfile.TemporaryFile() as given,
            (self.folder / "said").open("w+b") as said,
            (self.folder / "wrote").open("w+b") as wrote,
        ):
            given.write(asked)
            given.seek(0)
            process = subprocess.Popen(
                [_SHELL, "-c", _LIMITED, "git", *limits, "git", *self.options, *words],
                cwd=self.folder,
                env=self._environment(),
                stdin=given,
                stdout=wrote,
                stderr=said,
                start_new_session=True,
            )
            try:
                self._watch(process)
            finally:
                _end(process)
            self._check(wrote, most)
            said.seek(0)
            wrote.seek(0)
            if process.returncode != 0:
                raise GitFailed(said.read(4096).decode("utf-8", "replace"))
            return wrote.read()

    def _watch(self, process: "subprocess.Popen[bytes]") -> None:
        while True:
            try:
                process.wait(_LOOK_SECONDS)
            except subprocess.TimeoutExpired:
                self._check()
                if time.monotonic() > self.ends_at:
                    raise TooSlow from None
            else:
                return

    def _check(self, wrote: IO[bytes] | None = None, most: int = 0) -> None:
        """A file that the kernel stopped ends within a block of its limit."""
        full = wrote is not None and os.fstat(wrote.fileno()).st_size > most - _BLOCK
        if full or _used(self.folder) > self.most - _BLOCK:
            raise TooLarge

    def _environment(self) -> dict[str, str]:
        """No secret, no proxy, no configuration, no home of ours. Whom to trust may be set for git as
        always.
        """
        passed = {
            name: os.environ[name]
            for name in ("PATH", "GIT_SSL_CAINFO", "GIT_SSL_CAPATH")
            if name in os.environ
        }
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


def _end(process: "subprocess.Popen[bytes]") -> None:
    """git and what it started: they are a session of their own."""
    with contextlib.suppress(ProcessLookupError):
        os.killpg(process.pid, signal.SIGKILL)
    process.wait()


def _used(folder: Path) -> int:
    total = 0
    for path in folder.rglob("*"):
        with contextlib.suppress(FileNotFoundError):  # git renames as it goes
            total += path.lstat().st_size
    return total
