"""The second backend: what Linux itself offers. ``launcher.py`` does the work.

It has two modes:

- *namespaces*: a file tree, processes and a network for the job alone;
- *landlock*, where those are not allowed: the host's tree, with everything except the job's own files closed.
  It needs a user for the job alone, so that the job can neither signal nor outlive the worker; or, where the
  worker is not root, a Landlock that stops signals (version 6, Linux 6.12).
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
    HostAccount,
    is_reachable,
    job_environment,
    source_folder,
    spare_account,
)
from gates.sandbox.probe import probe_backend
from gates.sandbox.supervisor import JobPipes, Pipe, Supervisor, kill_session

_LAUNCHER = Path(__file__).with_name("launcher.py")
_CURE = (
    "Install bubblewrap, or allow user namespaces, or run on Linux 5.13 (as root) or 6.12 (as an ordinary "
    "user) with Landlock."
)
# The launcher, process 1, and the one that ends the rest.
_OWN_PROCESSES = 3
_GRACE_SECONDS = 2.0
_MAX_STATUS_BYTES = 1 << 14
# landlock_create_ruleset(2): its number, the flag that asks for the version, the first version that keeps
# signals in.
_LANDLOCK_CREATE, _LANDLOCK_VERSION_FLAG, _LANDLOCK_WITH_SIGNALS = 444, 1, 6
_MAX_EXIT_CODE, _MAX_SIGNAL = 255, 64
NAMESPACES, LANDLOCK = "namespaces", "landlock"
MODES = (NAMESPACES, LANDLOCK)


@cache
def find_landlock_version() -> int:
    """The kernel's Landlock ABI, 0 for none. See landlock(7)."""
    version = ctypes.CDLL(None).syscall(_LANDLOCK_CREATE, None, ctypes.c_size_t(0), _LANDLOCK_VERSION_FLAG)
    return max(0, int(version))


def _count_own_tasks() -> int:
    """How many tasks this process's user has."""
    total, own = 0, os.geteuid()
    for folder in Path("/proc").iterdir():
        with contextlib.suppress(OSError):
            if folder.name.isdigit() and folder.stat().st_uid == own:
                total += len(os.listdir(folder / "task"))
    return total


@dataclass(frozen=True, slots=True)
class _JobPlace:
    """Where one job runs: its mode, its account and its folders on the host."""

    mode: str
    account: HostAccount | None
    source: Path

    @property
    def root(self) -> Path:
        return self.source.parent / "root"

    @property
    def tmp(self) -> Path:
        return self.source.parent / "tmp"

    @property
    def namespaced(self) -> bool:
        return self.mode == NAMESPACES

    @property
    def shares_user(self) -> bool:
        """Whether the job runs as this process's user, with no namespace between them."""
        return self.mode == LANDLOCK and self.account is None


@dataclass(frozen=True, slots=True)
class _LauncherStatus:
    """What the launcher reports: how the job ended. Exactly one is set."""

    exit_code: int | None = None
    signal: int | None = None


def _parse_status(text: bytes) -> _LauncherStatus:
    """Raises ``SandboxUnavailable`` for an error of the launcher, and for anything that is not a status."""
    # The launcher was killed together with the job.
    if not text:
        return _LauncherStatus(signal=int(signal.SIGKILL))
    try:
        status = json.loads(text)
    except ValueError:
        status = None
    match status:
        case {"exit": int(code)} if 0 <= code <= _MAX_EXIT_CODE:
            return _LauncherStatus(exit_code=code)
        case {"signal": int(number)} if 0 < number <= _MAX_SIGNAL:
            return _LauncherStatus(signal=number)
        case {"error": str(message)}:
            raise SandboxUnavailable(message, cure=_CURE)
    raise SandboxUnavailable("the launcher gave no usable status", cure=_CURE)


def _build_spec(job: Job, place: _JobPlace, python: Interpreter) -> dict[str, object]:
    """What the launcher is told; ``launcher.py`` describes each part."""
    tmp = "/tmp" if place.namespaced else str(place.tmp)  # noqa: S108 (the job's own)
    bounds = limits.limits_of_job(job)
    if place.shares_user:
        # The kernel counts tasks by user, so the job's allowance comes on top of what is there.
        bounds[limits.PROCESSES] += _count_own_tasks()
    packages = [(str(folder), f"{EXTRA}/{name}") for name, folder in job.extra_readonly.items()]
    binds = [
        *((tree, tree) for tree in python.trees),
        (python.venv, VENV),
        (str(place.source), SOURCE),
        *packages,
    ]
    readable = ["/"]
    if not place.namespaced:
        readable = [source for source, _ in binds]
    venv = VENV if place.namespaced else python.venv
    call_filter = seccomp.assemble_filter(shares_user=place.shares_user, loopback=job.loopback)
    return {
        "mode": place.mode,
        "account": [place.account.uid, place.account.gid] if place.account else None,
        "inside_id": INSIDE_ID,
        "root": str(place.root),
        "source": SOURCE if place.namespaced else str(place.source),
        "binds": binds,
        "readable": readable,
        "loopback": job.loopback,
        "tmp": tmp,
        "tmp_bytes": job.tmp_bytes,
        "links": python.links,
        "devices": DEVICES,
        "limits": list(bounds.items()),
        "filter": base64.b64encode(call_filter).decode(),
        "argv": [f"{venv}/{PYTHON}", *job.argv[1:]],
        "environment": job_environment({**python.environment, **job.environment}, tmp),
    }


@contextlib.contextmanager
def _start_launcher(
    pipes: JobPipes, config: Pipe, status: Pipe, python: Interpreter
) -> Iterator[subprocess.Popen[bytes]]:
    """The launcher, waiting for its configuration. Killed at the end if it still lives."""
    with _LAUNCHER.open("rb") as script:
        # By descriptor: the command line can be read inside, and must not show the project's path.
        path = f"/proc/self/fd/{script.fileno()}"
        process = subprocess.Popen(
            [python.executable, "-I", "-S", "-B", path, str(config.read_end)],
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


class LinuxSandbox:
    """The backend in one of its ``MODES``. Stateless: any thread or process may use it at any time."""

    def __init__(self, mode: str) -> None:
        self.name, self._mode = f"linux-{mode}", mode

    def availability(self) -> Availability:
        return probe_backend(self.name, self.run, f"{self._mode}, seccomp, rlimits")

    def run(self, job: Job) -> Outcome:
        if platform.machine() not in seccomp.MACHINES:
            message = f"there is no system call filter for {platform.machine()}"
            raise SandboxUnavailable(message, cure=_CURE)
        account = spare_account()
        if self._mode == LANDLOCK and job.loopback:
            message = "a block with the capability network needs a network namespace, which Landlock has not"
            raise SandboxUnavailable(message, cure=_CURE)
        if self._mode == LANDLOCK:
            _require_landlock(account, job)
        with (
            source_folder(job.files, account, _link_packages(job, self._mode)) as source,
            control_group(job.memory_bytes, job.processes + _OWN_PROCESSES) as group,
        ):
            place = _JobPlace(self._mode, account, source)
            place.root.mkdir()
            place.tmp.mkdir(mode=0o700)
            if account:
                os.chown(place.tmp, account.uid, account.gid)
            return self._run_in_place(job, place, group)

    def _run_in_place(self, job: Job, place: _JobPlace, group: ControlGroup) -> Outcome:
        python = find_interpreter()
        with JobPipes() as pipes, contextlib.closing(Pipe()) as config, contextlib.closing(Pipe()) as status:
            spec = _build_spec(job, place, python)
            spec |= {"result": pipes.result.write_end, "status": status.write_end}
            with _start_launcher(pipes, config, status, python) as process:
                # Into its group before it is told what to do: all its children are born inside.
                group.add_process(process.pid)
                supervisor = Supervisor(
                    job,
                    process,
                    pipes,
                    lambda: _end_processes(process, place, group),
                    measure_memory="memory" not in group.controllers,
                )
                with os.fdopen(os.dup(config.write_end), "wb") as file:
                    config.close(config.write_end)
                    file.write(json.dumps(spec).encode())
                supervisor.wait_until_gone()
                text = os.read(status.read_end, _MAX_STATUS_BYTES)
        ended = _parse_status(text)
        return supervisor.build_outcome(ended.exit_code, ended.signal, self.name)


def _link_packages(job: Job, mode: str) -> dict[str, str]:
    """Name to where the extra folder is, as the job sees it."""
    if mode == NAMESPACES:
        return {name: f"{EXTRA}/{name}" for name in job.extra_readonly}
    return {name: str(folder) for name, folder in job.extra_readonly.items()}


def _require_landlock(account: HostAccount | None, job: Job) -> None:
    """Raise ``SandboxUnavailable`` when Landlock would not be enough on this machine."""
    version = find_landlock_version()
    if version < 1:
        raise SandboxUnavailable("this kernel has no Landlock", cure=_CURE)
    if account is None:
        if version < _LANDLOCK_WITH_SIGNALS:
            message = "an ordinary user needs Landlock version 6, which keeps signals in"
            raise SandboxUnavailable(message, cure=_CURE)
        return
    # Landlock can close a folder to the job's own user, but open none.
    if not all(is_reachable(str(folder)) for folder in job.extra_readonly.values()):
        message = "the repo's packages are where the job's user cannot enter (STATE_DIR in a private folder)"
        raise SandboxUnavailable(message, cure=_CURE)
    python = find_interpreter()
    if not all(is_reachable(tree) for tree in (*python.trees, python.venv)):
        message = "the interpreter is where the job's user cannot enter (a private home folder)"
        raise SandboxUnavailable(message, cure=_CURE)


def _end_processes(process: subprocess.Popen[bytes], place: _JobPlace, group: ControlGroup) -> None:
    """End every process of the job.

    Namespaces end with their first process. Elsewhere the launcher sweeps, and gets a moment for it.
    """
    if place.mode == LANDLOCK and process.poll() is None:
        with contextlib.suppress(ProcessLookupError):
            process.send_signal(signal.SIGTERM)
        with contextlib.suppress(subprocess.TimeoutExpired):
            process.wait(_GRACE_SECONDS)
    kill_session(process)
    group.kill_processes()


namespaces_backend = LinuxSandbox(NAMESPACES)
landlock_backend = LinuxSandbox(LANDLOCK)
