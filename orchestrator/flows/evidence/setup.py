"""Whether evidence can be made and kept as promised: checked when a worker starts, by ``manage.py check
--deploy``, before sealing.
"""

import logging
import threading
import time

from orchestrator.flows.evidence import keys, store
from orchestrator.flows.evidence.errors import EvidenceError, SetupProblem, StoreUnfit

_CHECK_IS_VALID_SECONDS = 600.0
_BUCKET_UNREACHABLE = "evidence.E001"
_last_found_sound: dict[store.Store, float] = {}
_lock = threading.Lock()
log = logging.getLogger(__name__)


def list_problems() -> tuple[SetupProblem, ...]:
    """Everything that is wrong with key and store."""
    in_store = store.current_store().list_problems()
    try:
        keys.current_key()
    except EvidenceError as error:
        return (SetupProblem("evidence.E006", error.message, error.cure, serious=True), *in_store)
    return in_store


def require_sound_store() -> store.Store:
    """The store, found sound within the last ten minutes; raises ``StoreUnfit`` where evidence would not
    be safe in it.
    """
    keep = store.current_store()
    # The lock makes stages that start together check once; the check asks the bucket three times.
    with _lock:
        checked_at = _last_found_sound.get(keep)
        if checked_at is not None and time.monotonic() - checked_at < _CHECK_IS_VALID_SECONDS:
            return keep
        # A failed check is not remembered, so sealing continues as soon as the store is repaired.
        for problem in keep.list_problems():
            if problem.serious:
                # Only an outage ends by itself.
                retryable = problem.id == _BUCKET_UNREACHABLE
                raise StoreUnfit(problem.message, cure=problem.cure, retryable=retryable)
        _last_found_sound[keep] = time.monotonic()
    return keep


def log_problems() -> None:
    """Write to the log what is wrong, as a worker starts; sealing itself refuses while anything serious
    is.
    """
    for problem in list_problems():
        level = logging.ERROR if problem.serious else logging.WARNING
        log.log(level, "%s %s %s", problem.id, problem.message, problem.cure)
