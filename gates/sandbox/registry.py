"""The sandbox backends, best first, and the choice among them."""

import threading
from collections.abc import Mapping
from types import MappingProxyType

from django.conf import settings

from gates.sandbox.base import Availability, Backend, Job, Outcome, SandboxUnavailable
from gates.sandbox.bubblewrap import Bubblewrap
from gates.sandbox.interpreter import locate
from gates.sandbox.linux import Linux

_BEST_FIRST: tuple[Backend, ...] = (Bubblewrap(), Linux("namespaces"), Linux("landlock"))
BACKENDS: Mapping[str, Backend] = MappingProxyType({backend.name: backend for backend in _BEST_FIRST})
_CURE = (
    "Install bubblewrap (apt-get install bubblewrap), or run on a kernel with user namespaces or Landlock (Linux 5.13 or newer); "
    "`python manage.py doctor` says what is missing."
)
_lock = threading.Lock()
_chosen: dict[str, Backend] = {}


def backends() -> tuple[Availability, ...]:
    """Every backend and whether it can hold a job here, by trying; best first."""
    return tuple(backend.availability() for backend in BACKENDS.values())


def named(wanted: str) -> list[Backend]:
    """The backends that ``wanted`` may mean, best first: all of them for ``auto``, both modes for ``linux``, else the one."""
    return [backend for name, backend in BACKENDS.items() if wanted in ("auto", name, name.partition("-")[0])]


def chosen() -> Backend:
    """The backend in force: of those that ``SANDBOX_BACKEND`` names, the first that works. Tried once."""
    wanted = settings.SANDBOX_BACKEND
    with _lock:
        if wanted not in _chosen:
            _chosen[wanted] = _choose(wanted)
        return _chosen[wanted]


def _choose(wanted: str) -> Backend:
    locate()  # what is missing is told apart: without the interpreter no backend holds, and no package would help
    reasons = []
    for backend in named(wanted):
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
