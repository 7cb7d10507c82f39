"""git within bounds: on what it reads, writes and reaches, on memory and on time, and without the worker's
environment.
"""

import contextlib
import math
import os
import shutil
import signal
import subprocess
import tempfile
import time
from collections.abc import Mapping
from contextlib import ExitStack
from dataclasses import dataclass, field
from pathlib import Path
from typing import IO

from blocks.format.limits import KIB, MIB
from gates.sandbox.command import Command, start_command
from gates.sandbox.layout import spare_account
from orchestrator.flows.source.door import open_door

_MEMORY_BYTES = 1024 * MIB
_POLL_SECONDS = 0.05
_BLOCK_BYTES = 512
_MAX_STDERR_BYTES = 4 * KIB
_SHELL = "/bin/sh"
# The shell sets the limits, so that they hold from git's first instruction. It counts files in blocks, memory
# in KB, and processor time in seconds: that one holds also where the worker was killed.
_WITH_LIMITS = (
    'ulimit -c 0 && ulimit -n 256 && ulimit -f "$1" && ulimit -v "$2" && ulimit -t "$3" && '
    'shift 3 && exec "$@"'
)
# Whom to trust may be set for git as always. Nothing else passes: it may hold secrets, or lead git to
# other hosts.
_PASSED_VARIABLES = ("PATH", "GIT_SSL_CAINFO", "GIT_SSL_CAPATH")


@dataclass(frozen=True, slots=True)
class Network:
    """The server that a fetch may reach: ``port`` at the first of ``addresses`` that answers.

    ``own``: git has a network of its own, in which the server is at 127.0.0.1 and nobody else is. Without it,
    the kernel lets git connect to this port of any host, and git is told the addresses.
    """

    addresses: tuple[str, ...]
    port: int
    own: bool


@dataclass(frozen=True, slots=True)
class SecretHeader:
    """A header for requests to ``url``. Not an option of the command: everybody may list arguments."""

    url: str
    line: str = field(repr=False)


class GitFailed(Exception):
    """git ended with an error. ``stderr`` may quote the server, so it is searched and never shown."""

    def __init__(self, stderr: str) -> None:
        super().__init__("git failed")
        self.stderr = stderr


class TooLarge(Exception):
    """git would have written more than it may."""


class TooSlow(Exception):
    """git would have taken more time than it may."""


class Git:
    """Runs git in the bare repo ``folder``, which holds at most ``max_bytes``, until ``ends_at``
    (monotonic seconds).
    """

    def __init__(
        self,
        folder: Path,
        options: Mapping[str, str],
        network: Network,
        header: SecretHeader | None = None,
        *,
        max_bytes: int,
        ends_at: float,
    ) -> None:
        self.folder, self.max_bytes, self.ends_at = folder, max_bytes, ends_at
        self.header = header
        self.network = network
        # git parses what a stranger sends. As another account it can neither read what is the worker's nor
        # signal it. Only root can choose one; elsewhere the bounds and the empty environment remain.
        self.account = spare_account()
        if self.account is not None:
            os.chown(folder, self.account.uid, self.account.gid)
        self.options = [word for name, value in options.items() for word in ("-c", f"{name}={value}")]

    def __call__(
        self, *words: str, stdin: bytes = b"", max_bytes: int | None = None, online: bool = False
    ) -> bytes:
        """The output of a git command, at most ``max_bytes``; raises ``GitFailed``, ``TooLarge`` and
        ``TooSlow``. Only a command that is ``online`` reaches the server.
        """
        max_bytes = min(max_bytes or self.max_bytes, self.max_bytes)
        # Files, not pipes: the limits cover them, and nobody has to read while git writes. Not in git's
        # folder, where the account of git could put a link in their place.
        with ExitStack() as opened:
            given, stdout, stderr = (opened.enter_context(tempfile.TemporaryFile()) for _ in range(3))
            given.write(stdin)
            given.seek(0)
            channel = -1
            if online and self.network.own:
                door = open_door(self.network.addresses, self.network.port, self.ends_at)
                channel = opened.enter_context(door)
            process = self._start_git(words, max_bytes, [given, stdout, stderr], channel, online=online)
            try:
                self._wait_for(process)
            finally:
                _kill_session(process)
            self._check_space(stdout, max_bytes)
            if process.returncode != 0:
                stderr.seek(0)
                raise GitFailed(stderr.read(_MAX_STDERR_BYTES).decode("utf-8", "replace"))
            stdout.seek(0)
            return stdout.read()

    def _start_git(
        self, words: tuple[str, ...], max_bytes: int, files: list[IO[bytes]], channel: int, *, online: bool
    ) -> "subprocess.Popen[bytes]":
        seconds = max(1, math.ceil(self.ends_at - time.monotonic()))
        limits = (str(max(max_bytes // _BLOCK_BYTES, 1)), str(_MEMORY_BYTES // KIB), str(seconds))
        return start_command(
            Command(
                [_SHELL, "-c", _WITH_LIMITS, "git", *limits, "git", *self.options, *words],
                self.folder,
                self._build_environment(online=online),
                self.account,
                readable=_list_readable(),
                own_network=self.network.own,
                ports=[self.network.port] if online else [],
                port=self.network.port if channel >= 0 else 0,
                channel=channel,
                files=files,
            )
        )

    def _wait_for(self, process: "subprocess.Popen[bytes]") -> None:
        while True:
            try:
                process.wait(_POLL_SECONDS)
            except subprocess.TimeoutExpired:
                # `ulimit -f` bounds each file; only adding them up bounds the folder.
                self._check_space()
                if time.monotonic() > self.ends_at:
                    raise TooSlow from None
            else:
                return

    def _check_space(self, stdout: IO[bytes] | None = None, max_bytes: int = 0) -> None:
        # A file that the kernel stopped ends within a block of its limit, so that much already counts as
        # full.
        output_full = stdout is not None and os.fstat(stdout.fileno()).st_size > max_bytes - _BLOCK_BYTES
        if output_full or _measure_folder(self.folder) > self.max_bytes - _BLOCK_BYTES:
            raise TooLarge

    def _build_environment(self, *, online: bool) -> dict[str, str]:
        """No secret, no proxy, no configuration and no home of the worker; what opens this one repo goes to
        the command that fetches it.
        """
        passed = {name: os.environ[name] for name in _PASSED_VARIABLES if name in os.environ}
        if online and self.header is not None:
            passed |= {
                "GIT_CONFIG_COUNT": "1",
                "GIT_CONFIG_KEY_0": f"http.{self.header.url}.extraHeader",
                "GIT_CONFIG_VALUE_0": self.header.line,
            }
        return passed | {
            "HOME": str(self.folder),
            "LC_ALL": "C",  # the messages are searched for English words
            "GIT_DIR": str(self.folder),
            "GIT_CONFIG_NOSYSTEM": "1",
            "GIT_CONFIG_GLOBAL": os.devnull,
            "GIT_ATTR_NOSYSTEM": "1",
            "GIT_TERMINAL_PROMPT": "0",
            "GIT_NO_LAZY_FETCH": "1",
            "GIT_NO_REPLACE_OBJECTS": "1",
        }


def _list_readable() -> list[str]:
    """What git needs beside the system's own files: its program where it is elsewhere, and whom to trust."""
    program = shutil.which("git")
    found = [os.environ.get(name, "") for name in ("GIT_SSL_CAINFO", "GIT_SSL_CAPATH")]
    if program is not None:
        folder = Path(program).resolve().parent
        found += [str(Path(program).parent), str(folder.parent if folder.name == "bin" else folder)]
    return found


def _kill_session(process: "subprocess.Popen[bytes]") -> None:
    """End git and what it started, which are in a session of their own."""
    with contextlib.suppress(ProcessLookupError):
        os.killpg(process.pid, signal.SIGKILL)
    process.wait()


def _measure_folder(folder: Path) -> int:
    """The bytes of every file below ``folder``."""
    total = 0
    for path in folder.rglob("*"):
        # git renames and deletes its temporary files meanwhile.
        with contextlib.suppress(FileNotFoundError):
            total += path.lstat().st_size
    return total
