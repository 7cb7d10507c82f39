"""Whether evidence can be made and kept as promised: asked at start-up, by ``manage.py check --deploy``,
before sealing.
"""

import logging
import threading
import time

from orchestrator.flows.evidence import keys, store
from orchestrator.flows.evidence.errors import EvidenceError
from orchestrator.flows.evidence.problems import SetupProblem

_VALID_SECONDS = 600.0
_last_found_sound: dict[store.Store, float] = {}
_lock = threading.Lock()
log = logging.getLogger(__name__)


def list_problems() -> tuple[SetupProblem, ...]:
    """Everything that is wrong with key and store."""
    try:
        keys.current_key()
        key: tuple[SetupProblem, ...] = ()
    except EvidenceError as error:
        key = (SetupProblem("evidence.E006", str(error), error.cure, serious=True),)
    return key + store.current_store().list_problems()


def require_sound_store() -> store.Store:
    """The store, found fit within the last ten minutes; raises ``EvidenceError`` where evidence would not
    be safe in it.
    """
    keep = store.current_store()
    with _lock:
        asked = _last_found_sound.get(keep)
        if asked is not None and time.monotonic() - asked < _VALID_SECONDS:
            return keep
        for problem in keep.list_problems():
            if problem.serious:
                raise EvidenceError(
                    "evidence:store-unfit",
                    problem.message,
                    problem.cure,
                    retryable=problem.id == "evidence.E001",
                )
        _last_found_sound[keep] = time.monotonic()
    return keep


def log_problems() -> None:
    """Say in the log what is wrong, as a worker starts; sealing itself refuses while anything serious is."""
    for problem in list_problems():
        (log.error if problem.serious else log.warning)("%s %s %s", problem.id, problem.message, problem.cure)
