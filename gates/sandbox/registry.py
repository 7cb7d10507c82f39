"""The sandbox backends, best first, and the choice among them."""

import threading
from types import MappingProxyType

from django.conf import settings

from gates.sandbox.base import Availability, Backend, Job, Outcome, SandboxUnavailable
from gates.sandbox.bubblewrap import Bubblewrap
from gates.sandbox.linux import Linux

BACKENDS = MappingProxyType({backend.name: backend for backend in (Bubblewrap(), Linux())})
_CURE = (
    "Install bubblewrap (apt-get install bubblewrap), or run on a kernel with user namespaces or Landlock (Linux 5.13 or newer); "
    "`python manage.py doctor` says what is missing."
)
_lock = threading.Lock()
_chosen: dict[str, Backend] = {}


def backends() -> tuple[Availability, ...]:
    """Every backend and whether it can hold a job here, by trying; best first."""
    return tuple(backend.availability() for backend in BACKENDS.values())


def chosen() -> Backend:
    """The backend in force: the one that ``SANDBOX_BACKEND`` names, or with ``auto`` the first that works. Tried once."""
    wanted = settings.SANDBOX_BACKEND
    with _lock:
        if wanted not in _chosen:
            _chosen[wanted] = _choose(wanted)
        return _chosen[wanted]


def _choose(wanted: str) -> Backend:
    candidates = list(BACKENDS.values()) if wanted == "auto" else [BACKENDS[wanted]]
    reasons = []
    for backend in candidates:
        verdict = backend.availability()
        if verdict.available:
            return backend
        reasons.append(f"{verdict.name}: {verdict.reason}")
    raise SandboxUnavailable("No sandbox holds on this machine (" + "; ".join(reasons) + ").", _CURE)


def run(job: Job) -> Outcome:
    """Run ``job`` in the backend in force. Safe from any thread. Raises ``SandboxUnavailable``, ``ValueError`` for a bad job."""
    if not job.argv or job.argv[0] != "python":
        raise ValueError("A job runs the lean interpreter: argv[0] is 'python'.")
    return chosen().run(job)
