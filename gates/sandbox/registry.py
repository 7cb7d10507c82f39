"""The sandbox backends, best first, and the choice among them."""

import threading
from collections.abc import Mapping
from types import MappingProxyType

from django.conf import settings

from gates.sandbox.base import Availability, Job, Outcome, SandboxBackend, SandboxUnavailable
from gates.sandbox.bubblewrap import Bubblewrap
from gates.sandbox.interpreter import find_interpreter
from gates.sandbox.linux import Linux

_BEST_FIRST: tuple[SandboxBackend, ...] = (Bubblewrap(), Linux("namespaces"), Linux("landlock"))
BACKENDS: Mapping[str, SandboxBackend] = MappingProxyType({backend.name: backend for backend in _BEST_FIRST})
_CURE = (
    "Install bubblewrap (apt-get install bubblewrap), or run on a kernel with user namespaces or Landlock (Linux 5.13 or newer); "
    "`python manage.py doctor` says what is missing."
)
_lock = threading.Lock()
_chosen: dict[str, SandboxBackend] = {}


def probe_backends() -> tuple[Availability, ...]:
    """Every backend and whether it can hold a job here, by trying; best first."""
    return tuple(backend.availability() for backend in BACKENDS.values())


def list_matching_backends(wanted: str) -> list[SandboxBackend]:
    """The backends that ``wanted`` may mean, best first: all of them for ``auto``, both modes for ``linux``, else the one."""
    return [backend for name, backend in BACKENDS.items() if wanted in ("auto", name, name.partition("-")[0])]


def choose_backend() -> SandboxBackend:
    """The backend in force: of those that ``SANDBOX_BACKEND`` names, the first that works. Tried once."""
    wanted = settings.SANDBOX_BACKEND
    with _lock:
        if wanted not in _chosen:
            _chosen[wanted] = _find_working_backend(wanted)
        return _chosen[wanted]


def _find_working_backend(wanted: str) -> SandboxBackend:
    find_interpreter()  # what is missing is told apart: without the interpreter no backend holds, and no package would help
    reasons = []
    for backend in list_matching_backends(wanted):
        verdict = backend.availability()
        if verdict.available:
            return backend
        reasons.append(f"{verdict.name}: {verdict.reason}")
    raise SandboxUnavailable("No sandbox holds on this machine (" + "; ".join(reasons) + ").", _CURE)


def run_job(job: Job) -> Outcome:
    """Run ``job`` in the backend in force. Safe from any thread. Raises ``SandboxUnavailable``, ``ValueError`` for a bad job."""
    if not job.argv or job.argv[0] != "python":
        raise ValueError("A job runs the lean interpreter: argv[0] is 'python'.")
    return choose_backend().run(job)
