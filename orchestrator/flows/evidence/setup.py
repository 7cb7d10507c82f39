"""Whether evidence can be made and kept as promised: asked at start-up, by ``manage.py check --deploy``, before sealing."""

import logging
import threading
import time

from orchestrator.flows.evidence import keys, store
from orchestrator.flows.evidence.errors import EvidenceError
from orchestrator.flows.evidence.problems import Problem

_GOOD_FOR_SECONDS = 600.0
_found_sound: dict[store.Store, float] = {}
_asking = threading.Lock()
log = logging.getLogger(__name__)


def problems() -> tuple[Problem, ...]:
    """Everything that is wrong with key and store."""
    try:
        keys.current()
        key: tuple[Problem, ...] = ()
    except EvidenceError as error:
        key = (Problem("evidence.E006", str(error), error.cure, serious=True),)
    return key + store.current().problems()


def sound() -> store.Store:
    """The store, found fit within the last ten minutes; raises ``EvidenceError`` where evidence would not be safe in it."""
    keep = store.current()
    with _asking:
        asked = _found_sound.get(keep)
        if asked is not None and time.monotonic() - asked < _GOOD_FOR_SECONDS:
            return keep
        for problem in keep.problems():
            if problem.serious:
                raise EvidenceError(
                    "evidence:store-unfit",
                    problem.message,
                    problem.cure,
                    retryable=problem.id == "evidence.E001",
                )
        _found_sound[keep] = time.monotonic()
    return keep


def announce() -> None:
    """Say in the log what is wrong, as a worker starts; sealing itself refuses while anything serious is."""
    for problem in problems():
        (log.error if problem.serious else log.warning)("%s %s %s", problem.id, problem.message, problem.cure)
