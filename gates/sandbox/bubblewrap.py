"""The first backend: bubblewrap, with our own filter, limits and control group around it.

The order matters. bwrap starts with an empty environment, because it is process 1 inside and /proc/1/environ
is readable there. It waits, built up but not yet running the job (``--block-fd``), until we have put it into
its control group and set its limits from outside (limits on tasks count per user namespace, so they cannot be
set before there is one).
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
    job_environment,
    source_folder,
)
from gates.sandbox.probe import probe_backend
from gates.sandbox.supervisor import Pipe, Pipes, Watch, kill_session

_CURE = (
    "Install bubblewrap (apt-get install bubblewrap) and allow user namespaces, or set SANDBOX_BACKEND=linux."
)
_DEVICE_FOLDER_BYTES = 1 << 16
_SHELL = "/bin/sh"


@cache
def _program() -> str | None:
    return shutil.which("bwrap", path="/usr/bin:/usr/local/bin:/bin:" + os.environ.get("PATH", ""))


class _Descriptors:
    """Descriptors that the next process inherits; closed in ours at the end of the block."""

    def __init__(self) -> None:
        self.open: list[int] = []

    def content(self, data: bytes) -> str:
        self.open.append(os.memfd_create("sandbox"))
        os.write(self.open[-1], data)
        os.lseek(self.open[-1], 0, os.SEEK_SET)
        return str(self.open[-1])

    def close(self) -> None:
        for descriptor in self.open:
            os.close(descriptor)


def _options(job: Job, python: Interpreter, source: Path, descriptors: _Descriptors) -> list[str]:
    """bwrap's options.

    They travel through a descriptor (``--args``): process 1's command line is readable inside.
    """
    options = ["--unshare-user", "--unshare-all", "--disable-userns", "--die-with-parent", "--new-session"]
    options += [
        "--cap-drop",
        "ALL",
        "--uid",
        str(INSIDE_ID),
        "--gid",
        str(INSIDE_ID),
        "--hostname",
        "sandbox",
    ]
    # before the trees: one of them may lie in the host's /tmp
    options += ["--size", str(job.tmp_bytes), "--perms", "0700", "--tmpfs", "/tmp"]  # noqa: S108 (the job's own)
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
    # semaphores of multiprocessing live in /dev/shm; there, /tmp's size holds
    options += ["--symlink", "/tmp", "/dev/shm", "--remount-ro", "/dev"]  # noqa: S108 (the job's own)
    options += ["--proc", "/proc", "--remount-ro", "/proc", "--remount-ro", "/"]
    options += ["--chdir", SOURCE, "--clearenv"]
    for name, value in job_environment({**python.environment, **job.environment}).items():
        options += ["--setenv", name, value]
    return [*options, "--seccomp", descriptors.content(seccomp.assemble_filter())]


def _start(job: Job, source: Path, pipes: Pipes, gates: tuple[Pipe, Pipe]) -> subprocess.Popen[bytes]:
    info, block = gates
    python, descriptors = find_interpreter(), _Descriptors()
    try:
        options = _options(job, python, source, descriptors)
        options += ["--info-fd", str(info.write_end), "--block-fd", str(block.read_end)]
        packed = descriptors.content(b"\0".join(os.fsencode(option) for option in options) + b"\0")
        # the shell's only work is to put the result pipe on descriptor 3, which in our process is somebody
        # else's
        shell = f'exec "$@" 3>/proc/self/fd/{pipes.result.write_end}'
        return subprocess.Popen(
            [
                _SHELL,
                "-c",
                shell,
                "sh",
                str(_program()),
                "--args",
                packed,
                "--",
                f"{VENV}/{PYTHON}",
                *job.argv[1:],
            ],
            stdin=pipes.stdin.read_end,
            stdout=pipes.stdout.write_end,
            stderr=pipes.stderr.write_end,
            pass_fds=(pipes.result.write_end, info.write_end, block.read_end, *descriptors.open),
            env={},
            cwd="/",
            start_new_session=True,
        )
    finally:
        descriptors.close()


def _inner_process(info: Pipe) -> int | None:
    """Process 1 of the sandbox, as the host numbers it. ``None`` when bwrap gave up before there was one."""
    info.close(info.write_end)
    text = b""
    while chunk := os.read(info.read_end, 4096):
        text += chunk
        with contextlib.suppress(ValueError, KeyError):
            return int(json.loads(text)["child-pid"])
    return None


def _hold(job: Job, pid: int, group: ControlGroup) -> None:
    group.add(pid)
    for limit, value in limits.limits_of_job(job).items():
        resource.prlimit(pid, limit, (value, value))


@contextlib.contextmanager
def _gate_pipes() -> Iterator[tuple[Pipe, Pipe]]:
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
        if _program() is None:
            raise SandboxUnavailable("bwrap is not installed.", cure=_CURE)
        with (
            source_folder(
                job.files, None, {name: f"{EXTRA}/{name}" for name in job.extra_readonly}
            ) as source,
            control_group(job.memory_bytes, job.processes) as group,
            Pipes() as pipes,
            _gate_pipes() as gates,
        ):
            # the kernel refuses root no process, whatever the limit: then only a control group can count them
            if os.geteuid() == 0 and "pids" not in group.controllers:
                raise SandboxUnavailable(
                    "As root, nothing would bound the number of processes here.", cure=_CURE
                )
            process = _start(job, source, pipes, gates)
            return self._watched(job, process, pipes, gates, group)

    def _watched(
        self,
        job: Job,
        process: subprocess.Popen[bytes],
        pipes: Pipes,
        gates: tuple[Pipe, Pipe],
        group: ControlGroup,
    ) -> Outcome:
        def kill() -> None:
            kill_session(process)
            group.kill()

        info, block = gates
        watch = Watch(job, process, pipes, kill, weigh="memory" not in group.controllers)
        try:
            pipes.close_job_ends()
            inner = _inner_process(info)
            if inner is not None:
                with contextlib.suppress(ProcessLookupError):
                    _hold(job, inner, group)
                    os.write(block.write_end, b"1")
        except BaseException:
            kill()
            process.wait()
            raise
        watch.until_gone()
        outcome = watch.outcome(*_decoded(process.returncode), self.name)
        if inner is None:
            reason = outcome.stderr.decode(errors="replace").strip()[:300]
            raise SandboxUnavailable(f"bwrap cannot build a sandbox here: {reason}", cure=_CURE)
        return outcome


backend = Bubblewrap()


def _decoded(code: int) -> tuple[int | None, int | None]:
    """bwrap reports a job that a signal ended as 128 + signal, like a shell; minus the signal when it was hit itself."""
    if code < 0:
        return None, -code
    return (None, code - 128) if 128 < code <= 128 + signal.SIGRTMAX else (code, None)
