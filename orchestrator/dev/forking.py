"""Starts Python processes by forking one that has imported the product already, see ``zygote``.

A request goes over a Unix socket: the name, and two open files, one to read (the command and its environment)
and one to write (the log). The environment may hold secrets, and only the child reads it.
"""

import contextlib
import ctypes
import json
import os
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Collection, Iterator, Mapping, Sequence
from pathlib import Path
from typing import IO, Any

from orchestrator import child_processes, process_secrets
from orchestrator.core.errors import FixedBy, OrchestratorError

_PR_SET_CHILD_SUBREAPER = 36  # prctl(2)
_SECONDS = 120.0
# Room for the command of a child, which is shown in its place in the list of processes.
_ROOM = " " * 1024


class ForkedProcess:
    """A child that another process has forked for this one, to use as a ``subprocess.Popen``."""

    def __init__(self, pid: int) -> None:
        self.pid = pid
        self.returncode: int | None = None

    def poll(self) -> int | None:
        """The exit code, or None while it runs; minus the signal that ended it."""
        if self.returncode is None:
            with contextlib.suppress(ChildProcessError):
                pid, status = os.waitpid(self.pid, os.WNOHANG)
                if pid:
                    self.returncode = os.waitstatus_to_exitcode(status)
        return self.returncode

    def wait(self, timeout: float | None = None) -> int:
        """The exit code, once it has ended. Raises ``subprocess.TimeoutExpired``."""
        end = None if timeout is None else time.monotonic() + timeout
        while (code := self.poll()) is None:
            if end is not None and time.monotonic() > end:
                raise subprocess.TimeoutExpired(str(self.pid), timeout or 0)
            time.sleep(0.01)
        # Its own children that have ended are now children of this process, and wait to be reaped.
        with contextlib.suppress(ChildProcessError):
            while os.waitpid(-self.pid, os.WNOHANG)[0]:
                pass
        return code

    def send_signal(self, number: int) -> None:
        """Signal it, if it still runs."""
        # Nobody else waits for it, so its number is its own until ``poll`` has seen its end.
        if self.poll() is None:
            os.kill(self.pid, number)

    def terminate(self) -> None:
        """Ask it to stop."""
        self.send_signal(signal.SIGTERM)

    def kill(self) -> None:
        """End it."""
        self.send_signal(signal.SIGKILL)


def reap_orphans(known: Collection[int]) -> None:
    """Wait for every child that has ended and is not ``known``: it came here when its own parent ended."""
    peek = os.WEXITED | os.WNOHANG | os.WNOWAIT
    with contextlib.suppress(ChildProcessError):
        while (ended := os.waitid(os.P_ALL, 0, peek)) is not None and ended.si_pid not in known:
            os.waitpid(ended.si_pid, 0)


class ZygoteError(OrchestratorError):
    """The process that imports and forks has ended; the message has the end of its log."""

    code = "dev:zygote"
    cure = "Fix what the end of the log says, then start again."
    fixed_by = FixedBy.OPERATOR


class Zygote:
    """The process that has imported the product; from the main thread."""

    def __init__(self, environment: Mapping[str, str], log: Path, cwd: Path) -> None:
        # Children of the zygote's children come to this process when those end.
        if ctypes.CDLL(None).prctl(_PR_SET_CHILD_SUBREAPER, 1, 0, 0, 0) != 0:
            raise ZygoteError("The kernel does not let this process wait for forked ones.")
        self._log = log
        self._channel, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
        given = process_secrets.leave_out_secrets(environment)
        # Threads that come and go would each keep a heap of their own.
        given.setdefault("MALLOC_ARENA_MAX", "2")
        with theirs, log.open("ab") as output:
            self.process = child_processes.start(
                [sys.executable, "-m", "orchestrator.dev.zygote", _ROOM],
                death_signal=signal.SIGKILL,
                environment=given,
                stdin=theirs.fileno(),
                output=output,
                cwd=cwd,
            )
        self._channel.settimeout(_SECONDS)

    def fork(
        self, name: str, argv: Sequence[str], environment: Mapping[str, str], output: IO[Any]
    ) -> ForkedProcess:
        """Run what ``python argv...`` runs, as a child of this process. Raises ``ZygoteError``."""
        asked = os.memfd_create("request")
        try:
            os.write(asked, json.dumps({"argv": list(argv), "environment": dict(environment)}).encode())
            os.lseek(asked, 0, os.SEEK_SET)
            socket.send_fds(self._channel, [name.encode()], [asked, output.fileno()])
            answer = self._channel.recv(32)
        except OSError as error:
            raise self._describe_end(name) from error
        finally:
            os.close(asked)
        if not answer:
            raise self._describe_end(name)
        return ForkedProcess(int(answer))

    def _describe_end(self, name: str) -> ZygoteError:
        tail = self._log.read_text(encoding="utf-8", errors="replace")[-3000:]
        return ZygoteError(f"{name} was not forked; the log {self._log} ends with:\n{tail}")

    def stop(self) -> None:
        """End it; what it has forked continues."""
        self._channel.close()
        child_processes.stop(self.process)


@contextlib.contextmanager
def run_zygote(environment: Mapping[str, str], log: Path, cwd: Path) -> Iterator[Zygote]:
    """A zygote, ended at the end."""
    zygote = Zygote(environment, log, cwd)
    try:
        yield zygote
    finally:
        zygote.stop()
