"""The second backend: what Linux itself offers, for a machine without bubblewrap.

``launcher.py`` does the work.

It holds in one of two modes: *namespaces* (a tree, processes and network of the job's own) and, where those
are not allowed, *landlock* (the host's tree with everything but the job's own files closed). The second needs
a user of the job's own, so that it can neither signal nor outlive us; or a Landlock that stops signals
(version 6, Linux 6.12) where we are not root.
"""

import base64
import contextlib
import ctypes
import json
import os
import platform
import signal
import subprocess
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cache
from pathlib import Path

from gates.sandbox import limits, seccomp
from gates.sandbox.base import Availability, Job, Outcome, SandboxUnavailable
from gates.sandbox.cgroups import ControlGroup, control_group
from gates.sandbox.interpreter import Interpreter, find_interpreter
from gates.sandbox.layout import (
    DEVICES,
    EXTRA,
    INSIDE_ID,
    PYTHON,
    SOURCE,
    VENV,
    Account,
    is_reachable,
    job_environment,
    source_folder,
    spare_account,
)
from gates.sandbox.probe import probe_backend
from gates.sandbox.supervisor import Pipe, Pipes, Watch, kill_session

_LAUNCHER = Path(__file__).with_name("launcher.py")
_CURE = "Install bubblewrap, or allow user namespaces, or run on Linux 5.13 (as root) or 6.12 (as an ordinary user) with Landlock."
_OWN_PROCESSES = 3  # the launcher, process 1, and the one that ends the rest
_GRACE_SECONDS = 2.0
_LANDLOCK_CREATE, _LANDLOCK_WITH_SIGNALS = 444, 6
MODES = ("namespaces", "landlock")


@cache
def landlock_version() -> int:
    """The kernel's Landlock ABI, 0 for none. See landlock(7)."""
    return max(0, int(ctypes.CDLL(None).syscall(_LANDLOCK_CREATE, None, ctypes.c_size_t(0), 1)))


def _users_tasks() -> int:
    """How many tasks our own user has: where a job shares our user, its allowance is counted on top."""
    total, own = 0, os.geteuid()
    for folder in Path("/proc").iterdir():
        with contextlib.suppress(OSError):
            if folder.name.isdigit() and folder.stat().st_uid == own:
                total += len(os.listdir(folder / "task"))
    return total


@dataclass(frozen=True, slots=True)
class _Room:
    """Where one job runs: its mode, its account and its folders on the host."""

    mode: str
    account: Account | None
    source: Path

    @property
    def tmp(self) -> Path:
        return self.source.parent / "tmp"

    @property
    def shares_user(self) -> bool:
        return self.mode == "landlock" and self.account is None


def _spec(job: Job, room: _Room, python: Interpreter) -> dict[str, object]:
    """What the launcher is told; see there."""
    namespaced = room.mode == "namespaces"
    tmp = "/tmp" if namespaced else str(room.tmp)  # noqa: S108 (the job's own)
    bounds = limits.limits_of_job(job)
    if room.shares_user:
        bounds[limits.PROCESSES] += _users_tasks()
    return {
        "mode": room.mode,
        "account": [room.account.uid, room.account.gid] if room.account else None,
        "inside_id": INSIDE_ID,
        "root": str(room.source.parent / "root"),
        "source": SOURCE if namespaced else str(room.source),
        "binds": [
            *((tree, tree) for tree in python.trees),
            (python.venv, VENV),
            (str(room.source), SOURCE),
            *((str(folder), f"{EXTRA}/{name}") for name, folder in job.extra_readonly.items()),
        ],
        "readable": ["/"]
        if namespaced
        else [*python.trees, python.venv, str(room.source), *map(str, job.extra_readonly.values())],
        "tmp": tmp,
        "tmp_bytes": job.tmp_bytes,
        "links": python.links,
        "devices": DEVICES,
        "limits": list(bounds.items()),
        "filter": base64.b64encode(seccomp.assemble_filter(shares_user=room.shares_user)).decode(),
        "argv": [f"{VENV if namespaced else python.venv}/{PYTHON}", *job.argv[1:]],
        "environment": job_environment({**python.environment, **job.environment}, tmp),
    }


@contextlib.contextmanager
def _launched(
    pipes: Pipes, config: Pipe, status: Pipe, python: Interpreter
) -> Iterator[subprocess.Popen[bytes]]:
    """The launcher, waiting for its configuration. Killed at the end if it still lives."""
    with _LAUNCHER.open("rb") as script:
        process = subprocess.Popen(
            # by descriptor: the command line can be read inside, and the path of the project is nobody's
            # business there
            [python.executable, "-I", "-S", "-B", f"/proc/self/fd/{script.fileno()}", str(config.read_end)],
            stdin=pipes.stdin.read_end,
            stdout=pipes.stdout.write_end,
            stderr=pipes.stderr.write_end,
            pass_fds=(script.fileno(), config.read_end, status.write_end, pipes.result.write_end),
            env={},
            cwd="/",
            start_new_session=True,
        )
    try:
        config.close(config.read_end)
        status.close(status.write_end)
        pipes.close_job_ends()
        yield process
    finally:
        kill_session(process)
        process.wait()


class Linux:
    """The backend in one of its ``MODES``. Stateless: any thread or process may use it at any time."""

    def __init__(self, mode: str) -> None:
        self.name, self._mode = f"linux-{mode}", mode

    def availability(self) -> Availability:
        return probe_backend(self.name, self.run, f"{self._mode}, seccomp, rlimits")

    def run(self, job: Job) -> Outcome:
        if platform.machine() not in seccomp.MACHINES:
            raise SandboxUnavailable(f"there is no system call filter for {platform.machine()}", cure=_CURE)
        account = spare_account()
        if self._mode == "landlock":
            _must_suffice(account, job)
        with (
            source_folder(job.files, account, _links(job, self._mode)) as source,
            control_group(job.memory_bytes, job.processes + _OWN_PROCESSES) as group,
        ):
            room = _Room(self._mode, account, source)
            (source.parent / "root").mkdir()
            room.tmp.mkdir(mode=0o700)
            if account:
                os.chown(room.tmp, account.uid, account.gid)
            return self._held(job, room, group)

    def _held(self, job: Job, room: _Room, group: ControlGroup) -> Outcome:
        python = find_interpreter()
        with Pipes() as pipes, contextlib.closing(Pipe()) as config, contextlib.closing(Pipe()) as status:
            spec = _spec(job, room, python)
            spec |= {"result": pipes.result.write_end, "status": status.write_end}
            with _launched(pipes, config, status, python) as process:
                group.add(process.pid)
                weigh = "memory" not in group.controllers
                watch = Watch(job, process, pipes, lambda: _end(process, room, group), weigh=weigh)
                with os.fdopen(os.dup(config.write_end), "wb") as file:
                    config.close(config.write_end)
                    file.write(json.dumps(spec).encode())
                watch.until_gone()
                said = os.read(status.read_end, 1 << 14)
        verdict = json.loads(said) if said else {"signal": int(signal.SIGKILL)}
        if "error" in verdict:
            raise SandboxUnavailable(str(verdict["error"]), cure=_CURE)
        return watch.outcome(verdict.get("exit"), verdict.get("signal"), self.name)


namespaces_backend = Linux("namespaces")
landlock_backend = Linux("landlock")


def _links(job: Job, mode: str) -> dict[str, str]:
    """Where the extra folders are as the job sees them: without a tree of its own, where they are on the host."""
    return {
        name: f"{EXTRA}/{name}" if mode == "namespaces" else str(folder)
        for name, folder in job.extra_readonly.items()
    }


def _must_suffice(account: Account | None, job: Job) -> None:
    """Raise when Landlock would not be enough on this machine."""
    if landlock_version() < 1:
        raise SandboxUnavailable("this kernel has no Landlock", cure=_CURE)
    if account is None and landlock_version() < _LANDLOCK_WITH_SIGNALS:
        raise SandboxUnavailable(
            "an ordinary user needs Landlock version 6, which keeps signals in", cure=_CURE
        )
    closed = [
        tree
        for tree in (*find_interpreter().trees, find_interpreter().venv)
        if account and not is_reachable(tree)
    ]
    if account and not all(is_reachable(str(folder)) for folder in job.extra_readonly.values()):
        raise SandboxUnavailable(
            "the repo's packages lie where the job's user cannot enter (STATE_DIR in a private folder)",
            cure=_CURE,
        )
    if closed:
        raise SandboxUnavailable(
            "the interpreter lies where the job's user cannot enter (a private home folder)", cure=_CURE
        )


def _end(process: subprocess.Popen[bytes], room: _Room, group: ControlGroup) -> None:
    """End everybody.

    Namespaces fall with their first process; elsewhere the launcher sweeps, and is given a moment for it.
    """
    if room.mode == "landlock" and process.poll() is None:
        with contextlib.suppress(ProcessLookupError):
            process.send_signal(signal.SIGTERM)
        with contextlib.suppress(subprocess.TimeoutExpired):
            process.wait(_GRACE_SECONDS)
    kill_session(process)
    group.kill()
