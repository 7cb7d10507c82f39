"""The first backend: bubblewrap, with our own filter, limits and control group around it.

The order matters:

1. bwrap starts with an empty environment, because it is process 1 inside and /proc/1/environ is readable
   there.
2. It builds the sandbox and waits (``--block-fd``) before it runs the job.
3. We put it into its control group and set its limits from outside. Limits on tasks count per user namespace,
   so they cannot be set before there is one.
4. We let it run the job.
"""

import contextlib
import json
import os
import resource
import shutil
import signal
import subprocess
from collections.abc import Iterator
from functools import cache
from pathlib import Path

from gates.sandbox import seccomp
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
    job_environment,
    source_folder,
)
from gates.sandbox.limits import limits_of_job
from gates.sandbox.probe import probe_backend
from gates.sandbox.supervisor import JobPipes, Pipe, Supervisor, kill_session

_CURE = (
    "Install bubblewrap (apt-get install bubblewrap) and allow user namespaces, or set SANDBOX_BACKEND=linux."
)
_PROGRAM_PATH = "/usr/bin:/usr/local/bin:/bin"
_DEVICE_FOLDER_BYTES = 1 << 16
_SHELL = "/bin/sh"
_MAX_INFO_BYTES = 1 << 14


@cache
def _find_program() -> str | None:
    return shutil.which("bwrap", path=f"{_PROGRAM_PATH}:{os.environ.get('PATH', '')}")


class _InheritedContents:
    """Descriptors with contents that the next process inherits; ``close`` closes them in this one."""

    def __init__(self) -> None:
        self.descriptors: list[int] = []

    def add_content(self, data: bytes) -> str:
        """The number of a new descriptor from which ``data`` can be read."""
        descriptor = os.memfd_create("sandbox")
        self.descriptors.append(descriptor)
        os.write(descriptor, data)
        os.lseek(descriptor, 0, os.SEEK_SET)
        return str(descriptor)

    def close(self) -> None:
        for descriptor in self.descriptors:
            os.close(descriptor)


def _build_options(job: Job, python: Interpreter, source: Path, contents: _InheritedContents) -> list[str]:
    """bwrap's options, in the order in which it carries them out."""
    identity = str(INSIDE_ID)
    options = ["--unshare-user", "--unshare-all", "--disable-userns", "--die-with-parent", "--new-session"]
    options += ["--cap-drop", "ALL", "--uid", identity, "--gid", identity, "--hostname", "sandbox"]
    # Before the trees: one of them may be in the host's /tmp.
    options += ["--size", str(job.tmp_bytes), "--perms", "0700", "--tmpfs", "/tmp"]  # noqa: S108 - its own
    for tree in python.trees:
        options += ["--ro-bind", tree, tree]
    for target, name in python.links:
        options += ["--symlink", target, name]
    options += ["--ro-bind", python.venv, VENV, "--ro-bind", str(source), SOURCE]
    for name, folder in job.extra_readonly.items():
        options += ["--ro-bind", str(folder), f"{EXTRA}/{name}"]
    options += ["--size", str(_DEVICE_FOLDER_BYTES), "--perms", "0755", "--tmpfs", "/dev"]
    for device in DEVICES:
        options += ["--dev-bind", device, device]
    # Semaphores of multiprocessing are in /dev/shm; as a link to /tmp they count against its size.
    options += ["--symlink", "/tmp", "/dev/shm", "--remount-ro", "/dev"]  # noqa: S108 (the job's own)
    options += ["--proc", "/proc", "--remount-ro", "/proc", "--remount-ro", "/"]
    options += ["--chdir", SOURCE, "--clearenv"]
    for name, value in job_environment({**python.environment, **job.environment}).items():
        options += ["--setenv", name, value]
    return [*options, "--seccomp", contents.add_content(seccomp.assemble_filter(loopback=job.loopback))]


def _start_bubblewrap(
    job: Job, source: Path, pipes: JobPipes, info: Pipe, block: Pipe
) -> subprocess.Popen[bytes]:
    """Start bwrap.

    It writes about itself to ``info`` and does not run the job before ``block`` can be read.
    """
    python, contents = find_interpreter(), _InheritedContents()
    try:
        options = _build_options(job, python, source, contents)
        options += ["--info-fd", str(info.write_end), "--block-fd", str(block.read_end)]
        # Through a descriptor (--args): process 1's command line is readable inside.
        packed = contents.add_content(b"\0".join(os.fsencode(option) for option in options) + b"\0")
        # The shell's only work is to put the result's pipe on descriptor 3, which is taken in this process.
        shell = f'exec "$@" 3>/proc/self/fd/{pipes.result.write_end}'
        bubblewrap = [str(_find_program()), "--args", packed, "--"]
        program = [f"{VENV}/{PYTHON}", *job.argv[1:]]
        return subprocess.Popen(
            [_SHELL, "-c", shell, "sh", *bubblewrap, *program],
            stdin=pipes.stdin.read_end,
            stdout=pipes.stdout.write_end,
            stderr=pipes.stderr.write_end,
            pass_fds=(pipes.result.write_end, info.write_end, block.read_end, *contents.descriptors),
            env={},
            cwd="/",
            start_new_session=True,
        )
    finally:
        contents.close()


def _read_inner_process(info: Pipe) -> int | None:
    """Process 1 of the sandbox, as the host numbers it. ``None`` when bwrap gave up before there was one."""
    info.close(info.write_end)
    text = b""
    while len(text) < _MAX_INFO_BYTES and (chunk := os.read(info.read_end, 4096)):
        text += chunk
        # The object may arrive in parts.
        with contextlib.suppress(ValueError, KeyError, TypeError):
            return int(json.loads(text)["child-pid"])
    return None


def _limit_process(job: Job, pid: int, group: ControlGroup) -> None:
    group.add_process(pid)
    for limit, value in limits_of_job(job).items():
        resource.prlimit(pid, limit, (value, value))


@contextlib.contextmanager
def _open_control_pipes() -> Iterator[tuple[Pipe, Pipe]]:
    info, block = Pipe(), Pipe()
    try:
        yield info, block
    finally:
        info.close()
        block.close()


class Bubblewrap:
    """The backend. Stateless: any thread or process may use it at any time."""

    name = "bubblewrap"

    def availability(self) -> Availability:
        return probe_backend(self.name, self.run, "namespaces, seccomp, rlimits")

    def run(self, job: Job) -> Outcome:
        if _find_program() is None:
            raise SandboxUnavailable("bwrap is not installed.", cure=_CURE)
        links = {name: f"{EXTRA}/{name}" for name in job.extra_readonly}
        with (
            source_folder(job.files, None, links) as source,
            control_group(job.memory_bytes, job.processes) as group,
            JobPipes() as pipes,
            _open_control_pipes() as (info, block),
        ):
            # For root the kernel ignores this limit: then only a control group can count
            # them.
            if os.geteuid() == 0 and "pids" not in group.controllers:
                message = "As root, nothing would bound the number of processes here."
                raise SandboxUnavailable(message, cure=_CURE)
            process = _start_bubblewrap(job, source, pipes, info, block)
            return self._supervise(job, process, pipes, info, block, group)

    def _supervise(
        self,
        job: Job,
        process: subprocess.Popen[bytes],
        pipes: JobPipes,
        info: Pipe,
        block: Pipe,
        group: ControlGroup,
    ) -> Outcome:
        def kill_all() -> None:
            kill_session(process)
            group.kill_processes()

        measure_memory = "memory" not in group.controllers
        supervisor = Supervisor(job, process, pipes, kill_all, measure_memory=measure_memory)
        try:
            pipes.close_job_ends()
            inner = _read_inner_process(info)
            if inner is not None:
                # It may have ended already; then there is nothing to limit.
                with contextlib.suppress(ProcessLookupError):
                    _limit_process(job, inner, group)
                    os.write(block.write_end, b"1")
        except BaseException:
            kill_all()
            process.wait()
            raise
        supervisor.wait_until_gone()
        exit_code, ended_by = _decode_return_code(process.returncode)
        outcome = supervisor.build_outcome(exit_code, ended_by, self.name)
        if inner is None:
            reason = outcome.stderr.decode(errors="replace").strip()[:300]
            raise SandboxUnavailable(f"bwrap cannot build a sandbox here: {reason}", cure=_CURE)
        return outcome


def _decode_return_code(code: int) -> tuple[int | None, int | None]:
    """Exit code or signal of the job.

    bwrap reports a job that a signal ended as 128 + signal, like a shell. The code is negative when a signal
    ended bwrap itself.
    """
    if code < 0:
        return None, -code
    if 128 < code <= 128 + signal.SIGRTMAX:
        return None, code - 128
    return code, None


backend = Bubblewrap()
