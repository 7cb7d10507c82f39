"""Child processes that cannot outlive their parent: the kernel signals each when it dies, even by kill -9."""

import contextlib
import ctypes
import os
import signal
import subprocess
import sys
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import IO, Any, Protocol

_PR_SET_PDEATHSIG = 1  # prctl(2), Linux
_libc = ctypes.CDLL(None, use_errno=True)


def _prepare_child(parent: int, death_signal: int) -> Callable[[], None]:
    def prepare() -> None:
        # A shell makes its background jobs ignore ctrl-C, and children inherit that. This child decides for
        # itself.
        signal.signal(signal.SIGINT, signal.SIG_DFL)
        _libc.prctl(_PR_SET_PDEATHSIG, death_signal, 0, 0, 0)
        # The parent may have died between fork and prctl: then the signal never comes.
        if os.getppid() != parent:
            os._exit(1)

    return prepare


def end_with_parent() -> None:
    """Let the kernel kill this process when its parent ends; does nothing outside of Linux."""
    if sys.platform == "linux":
        _libc.prctl(_PR_SET_PDEATHSIG, signal.SIGKILL, 0, 0, 0)


def start(
    argv: Sequence[str],
    *,
    death_signal: signal.Signals = signal.SIGTERM,
    environment: Mapping[str, str] | None = None,
    stdin: int = subprocess.DEVNULL,
    output: IO[Any] | int | None = None,
    cwd: Path | None = None,
    user: int | None = None,
    group: int | None = None,
    foreground: bool = False,
) -> subprocess.Popen[bytes]:
    """Start ``argv`` in a session of its own, so that ctrl-C at the terminal does not reach it.

    With ``foreground`` it shares the terminal of this process. Call it from the main thread: the kernel sends
    ``death_signal`` when the *thread* that forked ends, not only when the process does.
    """
    prepare = None
    if sys.platform == "linux":
        prepare = _prepare_child(os.getpid(), death_signal)
    return subprocess.Popen(
        argv,
        env=None if environment is None else dict(environment),
        stdin=None if foreground else stdin,
        stdout=output,
        stderr=subprocess.STDOUT if output is not None else None,
        cwd=cwd,
        user=user,
        group=group,
        extra_groups=[] if user is not None else None,
        start_new_session=not foreground,
        # Safe between fork and exec although other threads may run: it only calls signal, prctl and getppid.
        preexec_fn=prepare,  # noqa: PLW1509 - see above
    )


class ChildProcess(Protocol):
    """What this module uses of a ``subprocess.Popen``."""

    pid: int
    returncode: int | None

    def poll(self) -> int | None:
        """The exit code, or None while it runs."""

    def wait(self, timeout: float | None = None) -> int:
        """The exit code, once it has ended; raises ``subprocess.TimeoutExpired``."""

    def send_signal(self, sig: int, /) -> None:
        """Signal it, if it still runs."""

    def terminate(self) -> None:
        """Ask it to stop."""

    def kill(self) -> None:
        """End it."""


def stop(child: ChildProcess, *, first: signal.Signals = signal.SIGTERM, grace_seconds: float = 10) -> int:
    """Ask ``child`` to stop, then kill what is left of its session; returns its exit code."""
    if child.poll() is None:
        child.send_signal(first)
        try:
            child.wait(grace_seconds)
        except subprocess.TimeoutExpired:
            child.kill()
    # Its children may have stayed behind. The session has the child's pid, because it was started as a
    # leader.
    with contextlib.suppress(ProcessLookupError, PermissionError):
        os.killpg(child.pid, signal.SIGKILL)
    return child.wait()
