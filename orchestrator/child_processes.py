"""Child processes that cannot outlive us: each gets a signal from the kernel when its parent dies, even by kill -9."""

import contextlib
import ctypes
import os
import signal
import subprocess
import sys
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import IO, Any

_PR_SET_PDEATHSIG = 1  # prctl(2), Linux
_libc = ctypes.CDLL(None, use_errno=True)


def _die_with(parent: int, death_signal: int) -> Callable[[], None]:
    def prepare() -> None:
        # A shell starts what runs in its background deaf to ctrl-C, and that is inherited: a child decides for itself.
        signal.signal(signal.SIGINT, signal.SIG_DFL)
        _libc.prctl(_PR_SET_PDEATHSIG, death_signal, 0, 0, 0)
        if os.getppid() != parent:  # the parent died between fork and prctl: the signal will never come
            os._exit(1)

    return prepare


def end_with_parent() -> None:
    """From now on the kernel kills this process when its parent ends."""
    if sys.platform == "linux":
        _libc.prctl(_PR_SET_PDEATHSIG, signal.SIGKILL, 0, 0, 0)


def start(
    argv: Sequence[str],
    *,
    death_signal: signal.Signals = signal.SIGTERM,
    environment: Mapping[str, str] | None = None,
    output: IO[Any] | int | None = None,
    cwd: Path | None = None,
    user: int | None = None,
    group: int | None = None,
    foreground: bool = False,
) -> subprocess.Popen[bytes]:
    """Start ``argv`` in a session of its own, so that ctrl-C reaches it only through us; ``foreground`` shares our terminal.

    Call it from the main thread: the kernel sends ``death_signal`` when the *thread* that forked ends.
    """
    return subprocess.Popen(
        argv,
        env=None if environment is None else dict(environment),
        stdin=None if foreground else subprocess.DEVNULL,
        stdout=output,
        stderr=subprocess.STDOUT if output is not None else None,
        cwd=cwd,
        user=user,
        group=group,
        extra_groups=[] if user is not None else None,
        start_new_session=not foreground,
        # Safe: called once from a single-threaded launcher, and it only calls signal, prctl and getppid.
        preexec_fn=_die_with(os.getpid(), death_signal) if sys.platform == "linux" else None,  # noqa: PLW1509
    )


def stop(
    child: subprocess.Popen[bytes], *, first: signal.Signals = signal.SIGTERM, grace_seconds: float = 10
) -> int:
    """Ask ``child`` to stop, then kill what is left of its session; returns its exit code."""
    if child.poll() is None:
        child.send_signal(first)
        try:
            child.wait(grace_seconds)
        except subprocess.TimeoutExpired:
            child.kill()
    with contextlib.suppress(ProcessLookupError, PermissionError):
        os.killpg(child.pid, signal.SIGKILL)  # its children, should any have stayed behind
    return child.wait()
