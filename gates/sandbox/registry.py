"""The sandbox backends, best first, and the choice among them."""

import threading

from django.conf import settings

from gates.sandbox.base import Availability, Job, Outcome, SandboxBackend, SandboxUnavailable
from gates.sandbox.interpreter import find_interpreter
from orchestrator.core.registry import Registry

BACKENDS: Registry[SandboxBackend] = Registry(
    "sandbox backend",
    {
        "bubblewrap": "gates.sandbox.bubblewrap:backend",
        "linux-namespaces": "gates.sandbox.linux:namespaces_backend",
        "linux-landlock": "gates.sandbox.linux:landlock_backend",
    },
)
_CURE = (
    "Install bubblewrap (apt-get install bubblewrap), or run on a kernel with user namespaces or Landlock "
    "(Linux 5.13 or newer); `python manage.py doctor` says what is missing."
)
_lock = threading.Lock()
_chosen: dict[str, SandboxBackend] = {}


def probe_backends() -> tuple[Availability, ...]:
    """Every backend and whether it can hold a job here, by trying; best first."""
    return tuple(backend.availability() for _, backend in BACKENDS.items())


def list_matching_backends(wanted: str) -> list[SandboxBackend]:
    """The backends that ``wanted`` may mean, best first.

    That is all of them for ``auto``, both modes for ``linux``, else the one of that name.
    """
    names = [name for name in BACKENDS if wanted in ("auto", name, name.partition("-")[0])]
    return [BACKENDS.get(name) for name in names]


def choose_backend() -> SandboxBackend:
    """The backend in force: of those that ``SANDBOX_BACKEND`` names, the first that works.

    Tried once a process.
    """
    wanted = settings.SANDBOX_BACKEND
    # Two threads at once would both try every backend.
    with _lock:
        if wanted not in _chosen:
            _chosen[wanted] = _find_working_backend(wanted)
        return _chosen[wanted]


def _find_working_backend(wanted: str) -> SandboxBackend:
    # First of all: without the interpreter no backend works, and no package that an operator installs would
    # help.
    find_interpreter()
    reasons = []
    for backend in list_matching_backends(wanted):
        found = backend.availability()
        if found.available:
            return backend
        reasons.append(f"{found.name}: {found.reason}")
    message = f"No sandbox holds on this machine ({'; '.join(reasons)})."
    raise SandboxUnavailable(message, cure=_CURE)


def run_job(job: Job) -> Outcome:
    """Run ``job`` in the backend in force. Safe from any thread.

    Raises ``SandboxUnavailable``, and ``ValueError`` for a job that is not one.
    """
    if not job.argv or job.argv[0] != "python":
        raise ValueError("A job runs the lean interpreter: argv[0] is 'python'.")
    return choose_backend().run(job)
