"""The types that every sandbox backend uses: a job, an outcome, and the error when there is no sandbox."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Protocol

from orchestrator.core.errors import FixedBy, OrchestratorError


@dataclass(frozen=True, slots=True)
class Job:
    """Code that nobody trusts, and what it may use. Sizes are bytes, times are seconds.

    - ``argv[0] == "python"`` means the lean interpreter; nothing else can be run.
    - ``files`` (relative path to bytes) are read-only under ``/work/src``, which is the working directory.
    - ``max_output`` bounds standard output, standard error and the result (what the job writes to file
      descriptor 3), each on its own.
    - ``extra_readonly`` (name to a folder of the host that any user may read) appear under their names in the
      working directory, read-only.
    - ``loopback`` lets the job open connections over IPv4, in a network of its own in which nobody
      else is. Where a backend has no such network, the job is refused.
    """

    argv: tuple[str, ...]
    files: Mapping[str, bytes] = field(default_factory=dict)
    stdin: bytes = b""
    # A minute, a GB, 64 tasks, 1 MB of each output and 64 MB of disk, unless the caller says otherwise.
    wall_seconds: float = 60
    memory_bytes: int = 1 << 30
    processes: int = 64
    max_output: int = 1 << 20
    tmp_bytes: int = 64 << 20
    environment: Mapping[str, str] = field(default_factory=dict)
    extra_readonly: Mapping[str, Path] = field(default_factory=dict)
    loopback: bool = False


@dataclass(frozen=True, slots=True)
class Outcome:
    """How a job ended. Exactly one of ``exit_code`` and ``signal`` is set.

    Under bubblewrap an exit code above 128 looks like a signal and is reported as that signal, as shells do.
    ``truncated`` says that one of the three outputs was longer than ``max_output``; the rest of it was
    dropped.
    """

    # As the kernel reports it, never as the job says.
    exit_code: int | None
    signal: int | None
    stdout: bytes
    stderr: bytes
    result: bytes
    timed_out: bool
    truncated: bool
    wall_seconds: float
    backend: str


@dataclass(frozen=True, slots=True)
class Availability:
    """Whether a backend can hold a job on this machine. ``reason`` says why not, or what it is made of."""

    # The name in the registry, in SANDBOX_BACKEND and in the table of attacks.
    name: str
    available: bool
    reason: str


class SandboxUnavailable(OrchestratorError):
    """No sandbox holds on this machine, so generated code must not run."""

    code = "gates:no-sandbox"
    cure = "Run `python manage.py doctor` on a worker of the gates queue and fix what it names."
    fixed_by = FixedBy.OPERATOR


class SandboxBackend(Protocol):
    """One way to hold a job: one module, and one line in ``gates/sandbox/registry.py``."""

    name: str

    def availability(self) -> Availability:
        """Try a job that does nothing. Cheap enough for every start of a worker (about 0.1 s)."""
        ...

    def run(self, job: Job) -> Outcome:
        """Run ``job`` and leave no trace of it.

        Raises ``SandboxUnavailable``, and nothing that the job can provoke.
        """
        ...
